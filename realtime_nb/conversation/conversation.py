"""The fold: events become a `Conversation` of `Turn`s and `Reply`s.

Feed it every event that was sent or received, in order and with the session's time. It reads no clock, does no I/O and
never raises on what a server sends. The same fold runs live and on recorded events, and gives the same records.
Everything is keyed by ``item_id`` and ``content_index``, never by order of arrival.
"""

from __future__ import annotations

import math
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from ..display import Record, written
from ..memory import give_back_soon
from ..protocol import events as ev
from ..protocol.formats import encoding_of
from ..protocol.items import REQUEST
from ..protocol.local_events import TWICE, ClockAligned, Remarked, SessionRenewed
from ..protocol.settings import setting_at
from .costs import Costs
from .fold import LOCAL_FOLDS, OUTPUT_FOLDS, TurnIndex, trace
from .input_track import InputTrack, SentFrames
from .records import Reply, SessionBreak, Turn, settings_text

if TYPE_CHECKING:
    import pandas

#: At least this many event ids are remembered, to drop events that arrive twice.
_REMEMBERED_EVENTS = 4096
#: So that a mean of logarithms stays finite.
_LEAST_PROBABILITY = 1e-30
#: How many kinds of remarks are kept; a server must not fill the memory with them.
_MOST_REMARKS = 100


class Conversation(Record):
    """Everything that was said in a session, in order.

    Iterating gives the turns. The session calls `apply`, on one thread; reading is safe from any thread. That needs no
    lock: a reader copies a container in one step of the interpreter before iterating over it, and the fields that say
    that a record is complete (``done``, ``status``) are written last.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> with rt.RealtimeSession(backend="local") as session:
    ...     reply = session.ask("What is two plus three?").result()
    >>> [(turn.role, turn.text) for turn in session.conversation]
    [('user', 'What is two plus three?'), ('assistant', '2 plus 3 is 5.')]
    >>> session.conversation.costs().total_usd
    0.0
    """

    def __init__(self) -> None:
        weakref.finalize(self, give_back_soon).atexit = False
        self.session: dict[str, Any] = {}
        """The settings in force, as the server last stated them."""
        self.errors: list[ev.Error] = []
        """Errors that the server sent."""
        self._remarks: dict[str, str] = {}
        self._updated: dict[str, Any] = {}
        self._index = TurnIndex()
        self._track = InputTrack()
        self._requests: deque[tuple[str, float, bool]] = deque()
        self._reused: set[str] = set()
        self._seen: dict[str, Any] = {}
        self._seen_before: dict[str, Any] = {}

    # --- reading ---

    @property
    def turns(self) -> list[Turn]:
        """The items of the conversation, in its order, which need not be the order of arrival."""
        return [self._index.turns[item_id] for item_id in self._index.order]

    @property
    def arrivals(self) -> list[Turn]:
        """Every item in the order of arrival, also those that were removed."""
        return list(self._index.turns.values())

    @property
    def replies(self) -> list[Reply]:
        """Every response, in the order in which they began, including out-of-band ones."""
        return list(self._index.replies.values())

    @property
    def unfinished(self) -> list[Reply]:
        """The replies that are still being made."""
        return self._index.unfinished

    @property
    def breaks(self) -> list[SessionBreak]:
        """Where it continued in another session of the server's, or with other instructions or tools."""
        return list(self._index.breaks)

    @property
    def clock(self) -> ClockAligned | None:
        """The latest comparison of the page's clock with the kernel's; `None` without a page."""
        return self._index.clock

    @property
    def remarks(self) -> list[str]:
        """Remarks on what was odd, dropped or repaired: plain sentences, one for each kind; empty if all went well.

        A recording of the session says the same.
        """
        return list(self._remarks.values())

    def has_remark(self, kind: str) -> bool:
        """Return whether there is a remark of this kind, or no room for more."""
        return kind in self._remarks or len(self._remarks) >= _MOST_REMARKS

    @property
    def item_ids(self) -> list[str]:
        """The ids of `turns`."""
        return list(self._index.order)

    @property
    def revision(self) -> int:
        """Increases with every event that changes a turn."""
        return self._index.revision

    @property
    def order_revision(self) -> int:
        """Increases whenever turns are added, removed or moved, and with every break."""
        return self._index.order.revision + len(self._index.breaks)

    def changed_since(self, revision: int) -> list[str]:
        """Return the item ids of the turns that have changed since a `revision`, the latest first.

        The time it takes does not grow with the conversation. Call it only on the thread of `apply`.
        """
        return self._index.changed_since(revision)

    def __iter__(self) -> Iterator[Turn]:
        return iter(self.turns)

    def __len__(self) -> int:
        return len(self._index.order)

    def __repr__(self) -> str:
        return f"Conversation({len(self)} turns, {len(self.replies)} replies)"

    def turn(self, item_id: str) -> Turn | None:
        """Return the turn of an item, or `None` if no event has named it."""
        return self._index.turns.get(item_id)

    def reply(self, response_id: str) -> Reply | None:
        """Return the reply of a response, or `None` if no event has named it."""
        return self._index.replies.get(response_id)

    def received_ms(self, item_id: str, content_index: int = 0) -> float:
        """Return how many milliseconds of an item's audio have arrived."""
        turn = self._index.turns.get(item_id)
        part = turn.parts.get(content_index) if turn else None
        return part.audio_ms if part else 0.0

    @property
    def frame(self) -> pandas.DataFrame:
        """A data frame with a row for each turn.

        Columns: ``item_id``, ``role``, ``kind``, ``text``, ``heard_text``, ``audio_s``, ``played_ms``,
        ``interrupted``, ``status``, ``response_id`` (of the answer, or of the answer to it), ``spoken_at_ms``,
        ``ended_at_ms``.
        """
        import pandas

        return pandas.DataFrame([turn.row for turn in self], columns=list(Turn(item_id="").row))

    def to_markdown(self) -> str:
        """Return who said what and when, as Markdown."""
        return written(self, "markdown")

    def to_srt(self) -> str:
        """Return subtitles of what was heard, in the SubRip format; times are on the session's clock.

        The text of each turn is split into parts of at most two lines. Each part gets the times of its words if the
        transcriber gave them, and a share of the turn's time by its length otherwise.

        Examples
        --------
        >>> import realtime_nb as rt
        >>> with rt.RealtimeSession(backend="local") as session:
        ...     reply = session.ask(rt.speak("What is two plus three?")).result()
        >>> print(session.conversation.to_srt().splitlines()[2])
        You: What is 2 plus 3?
        """
        return written(self, "srt")

    def to_vtt(self) -> str:
        """Return subtitles as in `to_srt`, as WebVTT, which browsers read; each names its speaker."""
        return written(self, "vtt")

    def to_json(self) -> str:
        """Return the turns as JSON: the columns of `frame`, ``start_s`` on the session's clock, and timed words."""
        return written(self, "json")

    def costs(self) -> Costs:
        """Return the costs so far: a data frame with a row for each reply, totals, and other models' prices.

        Examples
        --------
        >>> import realtime_nb as rt
        >>> with rt.RealtimeSession(backend="local") as session:
        ...     reply = session.ask("Hello!").result()
        >>> session.conversation.costs().total_usd
        0.0
        """
        return Costs(self.replies, self.arrivals)

    # --- folding ---

    def apply(self, event: Any, elapsed_ms: float) -> bool:
        """Take one event into account.

        Parameters
        ----------
        event : Event, Unknown, Malformed, or a local event
            Sent, received or local; events that say nothing about the conversation are ignored.
        elapsed_ms : float
            When it was sent or received, since the session began.

        Returns
        -------
        is_new : bool
            `False` if the same event came before; it then changes nothing.
        """
        kind = type(event)
        fold = _FOLDS.get(kind)
        if fold is None:
            return True
        if kind in _RECEIVED and (event_id := event.event_id):
            before = self._seen.get(event_id)
            if (before is not None or event_id in self._seen_before) and self._is_again(event, before):
                return False
            self._seen[event_id] = event
            if len(self._seen) > _REMEMBERED_EVENTS:
                self._seen_before, self._seen = self._seen, {}
        fold(self, event, elapsed_ms)
        return True

    def _is_again(self, event: Any, before: Any) -> bool:
        """Return whether an event with a known id is the same event; some servers use one id for all events."""
        event_id = event.event_id
        before = self._seen_before.get(event_id) if before is None else before
        if event_id not in self._reused and before == event:
            self._remarked(TWICE, 0.0)
            return True
        if event_id not in self._reused:
            self._reused.add(event_id)
            text = f"several events have the id {event_id[:40]!r}, and all of them count"
            self._remarked(Remarked(text=text, kind="event ids"), 0.0)
        return False

    def _remarked(self, event: Remarked, elapsed_ms: float) -> None:
        kind = event.kind or event.text
        if not self.has_remark(kind):
            self._remarks[kind] = event.text

    def _session(self, event: ev.SessionCreated | ev.SessionUpdated, elapsed_ms: float) -> None:
        before, self.session = self._updated, event.session
        encoding = encoding_of(self.session, "input")
        self._index.output_encoding = encoding_of(self.session, "output")
        if isinstance(event, ev.SessionCreated):
            # A server counts from the start of its own session: after a reconnection its buffer is empty.
            self._track = InputTrack(encoding)
            self._requests.clear()
            # A new session of the server's has its own settings until it gets ours.
            self._updated = before or event.session
        else:
            self._updated = event.session
            if before and self._index.replies and (text := settings_text(before, event.session)):
                self._index.note_break(elapsed_ms, text)
            if encoding != self._track.encoding:
                self._track = InputTrack(encoding, start_ms=self._track.end_ms)
        self._turn_detection(event, elapsed_ms)

    def _turn_detection(
        self, event: ev.SessionCreated | ev.SessionUpdated | ev.SessionUpdate, elapsed_ms: float
    ) -> None:
        # Sent updates count too: audio appended right after one is already subject to it.
        settings = setting_at(event.session, "audio.input")
        if isinstance(settings, dict) and "turn_detection" in settings:
            self._track.manual = settings["turn_detection"] is None

    def _error(self, event: ev.Error, elapsed_ms: float) -> None:
        self.errors.append(event)
        self._track.refuse_commit(event.error.event_id)
        self._requests = deque(request for request in self._requests if request[0] != event.error.event_id)

    def _appended(self, event: ev.InputAudioBufferAppend, elapsed_ms: float) -> None:
        self._track.append(event.audio, elapsed_ms)

    def _frames_appended(self, event: SentFrames, elapsed_ms: float) -> None:
        self._track.extend(event.audio, event.times_ms)

    def _commit_sent(self, event: ev.InputAudioBufferCommit, elapsed_ms: float) -> None:
        self._track.mark_commit(event.event_id or "", elapsed_ms)

    def _clear_sent(self, event: ev.InputAudioBufferClear, elapsed_ms: float) -> None:
        self._track.clear()

    def _requested(self, event: ev.ResponseCreate, elapsed_ms: float) -> None:
        options = event.response
        out_of_band = options is not UNSET and options.conversation == "none"
        self._requests.append((event.event_id or "", elapsed_ms, out_of_band))

    def _create_sent(self, event: ev.ConversationItemCreate, elapsed_ms: float) -> None:
        if event.item.id:
            self._index.sent(event.item, self._track.encoding)
        # The server names no predecessor for an item that was put first, nor for one that it put last.
        if event.previous_item_id == "root" and event.item.id:
            self._index.order.place_first(event.item.id)

    def _speech_started(self, event: ev.InputAudioBufferSpeechStarted, elapsed_ms: float) -> None:
        turn = self._index.item(event.item_id, role="user")
        turn.audio_start_ms = round(self._track.end_ms) if event.audio_start_ms is None else event.audio_start_ms
        self._index.place(event.item_id, None)
        self._track.hold()

    def _speech_stopped(self, event: ev.InputAudioBufferSpeechStopped, elapsed_ms: float) -> None:
        turn = self._index.item(event.item_id, role="user")
        turn.audio_end_ms = event.audio_end_ms
        silence_ms = setting_at(self.session, "audio.input.turn_detection.silence_duration_ms")
        turn.ended_at_ms = elapsed_ms
        if event.audio_end_ms is None:
            return
        silence_ms = silence_ms if isinstance(silence_ms, int | float) else 0
        turn.spoken_at_ms, turn.frame_rest_ms = self._track.sent_at(event.audio_end_ms - silence_ms)
        if turn.spoken_at_ms is not None and turn.audio_start_ms is not None:
            turn.began_at_ms = turn.spoken_at_ms - (event.audio_end_ms - silence_ms - turn.audio_start_ms)

    def _timed_out(self, event: ev.InputAudioBufferTimeoutTriggered, elapsed_ms: float) -> None:
        turn = self._index.item(event.item_id, role="user")
        turn.audio_start_ms, turn.audio_end_ms = event.audio_start_ms, event.audio_end_ms
        turn.ended_at_ms = elapsed_ms

    def _committed(self, event: ev.InputAudioBufferCommitted, elapsed_ms: float) -> None:
        turn = self._index.item(event.item_id, role="user")
        self._index.place(event.item_id, event.previous_item_id)
        if turn.audio_end_ms is None:
            commit = self._track.take_commit()
            if commit:
                _, turn.audio_start_ms, turn.audio_end_ms, turn.spoken_at_ms = commit
                turn.began_at_ms = commit.elapsed_ms - (commit.end_ms - commit.start_ms)
            turn.ended_at_ms = elapsed_ms
        start_ms = self._track.turn_start_ms if turn.audio_start_ms is None else turn.audio_start_ms
        part = self._index.part(turn, 0, "audio")
        part.encoding = self._track.encoding
        part.replace_audio(self._track.cut(start_ms, turn.audio_end_ms))
        settings = setting_at(self.session, "audio.input")
        turn.is_transcribed = not isinstance(settings, dict) or settings.get("transcription", True) is not None

    def _item_added(self, event: ev.ConversationItemAdded, elapsed_ms: float) -> None:
        turn = self._index.described(event.item)
        if turn:
            self._index.place(turn.item_id, event.previous_item_id or None)

    def _item_done(self, event: ev.ConversationItemDone, elapsed_ms: float) -> None:
        # `added` decides the place: servers have sent a first answer's `done` with a null predecessor.
        turn = self._index.described(event.item)
        if turn:
            turn.done = True
            self._index.place(turn.item_id, event.previous_item_id or None)

    def _item_retrieved(self, event: ev.ConversationItemRetrieved, elapsed_ms: float) -> None:
        self._index.described(event.item)

    def _item_deleted(self, event: ev.ConversationItemDeleted, elapsed_ms: float) -> None:
        turn = self._index.known(event.item_id)
        if turn and not turn.deleted:
            turn.deleted = True
            reply = self._index.replies.get(turn.response_id or "")
            if turn.flagged or (reply is not None and reply.flagged) or turn.heard_ms == 0:
                self._index.order.keep(event.item_id)  # The model forgets it, but the record shows what happened.
                return
        self._index.order.remove(event.item_id)

    def _item_truncated(self, event: ev.ConversationItemTruncated, elapsed_ms: float) -> None:
        turn = self._index.known(event.item_id)
        if turn:
            before = [part.audio_ms for index, part in turn.parts.items() if index < event.content_index]
            turn.truncated_ms = round(sum(before)) + event.audio_end_ms

    def _renewed(self, event: SessionRenewed, elapsed_ms: float) -> None:
        # The normal end of a session is not an error if the conversation continues: the break shows it.
        self.errors = [error for error in self.errors if error.error.code != "session_expired"]
        self._local(event, elapsed_ms)

    def _local(self, event: Any, elapsed_ms: float) -> None:
        LOCAL_FOLDS[type(event)](self._index, event, elapsed_ms)

    def _transcription_delta(self, event: ev.ConversationItemInputAudioTranscriptionDelta, elapsed_ms: float) -> None:
        turn = self._index.item(event.item_id, role="user")
        self._index.part(turn, event.content_index, "audio").add_text(event.delta)

    def _transcription_completed(
        self, event: ev.ConversationItemInputAudioTranscriptionCompleted, elapsed_ms: float
    ) -> None:
        turn = self._index.item(event.item_id, role="user")
        # Some servers send several, each with more words; the last one counts.
        part = self._index.part(turn, event.content_index, "audio")
        part.finish_text(event.transcript, again=True)
        part.tokens = tuple(_probable(event.logprobs or ()))
        model = _text(setting_at(self.session, "audio.input.transcription.model"))
        turn.written_down(event.content_index, event.usage, model)

    def _transcription_failed(self, event: ev.ConversationItemInputAudioTranscriptionFailed, elapsed_ms: float) -> None:
        turn = self._index.item(event.item_id, role="user")
        turn.transcription_error = event.error
        self._index.part(turn, event.content_index, "audio").finish_text(None)

    def _response_created(self, event: ev.ResponseCreated, elapsed_ms: float) -> None:
        reply = self._index.reply(event.response.id)
        out_of_band = event.response.conversation_id is None
        reply.describe(event.response)
        if reply.timing.created_ms is not None:
            return  # It is sent again.
        reply.model = _text(self.session.get("model")) or reply.model
        asked = self._last_asked()
        origin_ms = self._take_request(reply.metadata.get(REQUEST), out_of_band)
        if not out_of_band:
            reply.asked = asked
            if asked and asked.spoken_at_ms is not None and asked.reply is None:
                # A spoken turn is timed from the end of speech, no matter who asked for the response.
                origin_ms = asked.spoken_at_ms
            if asked and (asked.reply is None or asked.reply.is_removed or not asked.reply.outputs):
                asked.reply = reply
        detected = asked.ended_at_ms if asked and origin_ms == asked.spoken_at_ms else None
        reply.timing.origin_ms = elapsed_ms if origin_ms is None else origin_ms
        reply.timing.mark("turn_detected", detected)
        reply.timing.mark("created", elapsed_ms)
        if asked:
            trace(self._index, asked, reply)

    def _last_asked(self) -> Turn | None:
        """Return the person's last turn; a picture counts only if nothing was said with it."""
        found = None
        for item_id in reversed(self._index.order):
            turn = self._index.turns[item_id]
            if turn.role == "assistant" and found is not None:
                return found
            if turn.role != "user" or turn.is_speaking:
                continue
            if not turn.parts or any(part.kind != "image" for part in turn.parts.values()):
                return turn if found is None or turn.reply is None else found
            found = found or turn
        return found

    def _take_request(self, request_id: Any, out_of_band: bool) -> float | None:
        for request in self._requests:
            if request[2] == out_of_band and request_id in (None, request[0]):
                self._requests.remove(request)
                return request[1]
        return None

    def _response_done(self, event: ev.ResponseDone, elapsed_ms: float) -> None:
        if not event.response.id:
            return
        reply = self._index.reply(event.response.id)
        reply.timing.mark("done", elapsed_ms)
        named = event.response.conversation_id
        in_conversation = reply.in_conversation if named is UNSET else named is not None
        for index, item in enumerate(event.response.output):
            turn = self._index.described(item)
            if turn:
                turn.done = True
                self._index.output_again(reply, turn, index)
                if in_conversation:
                    self._index.place(turn.item_id, None)
        reply.describe(event.response)
        self._index.finish(reply)  # Last, so that any thread that sees that it is done finds the rest complete.


def breaks_by_place(conversation: Conversation) -> dict[str | None, list[SessionBreak]]:
    """Return the breaks by the item that they follow; `None` is before the first item.

    A break whose item was removed follows the last item.
    """
    found: dict[str | None, list[SessionBreak]] = {}
    if breaks := conversation.breaks:
        order = conversation.item_ids
        there = {None, *order}
        for session_break in breaks:
            at = session_break.item_id if session_break.item_id in there else next(reversed(order), None)
            found.setdefault(at, []).append(session_break)
    return found


def _of_index(fold: Callable[[TurnIndex, Any, float], None]) -> Callable[[Conversation, Any, float], None]:
    """Return a method that applies a fold of turns and replies to a conversation."""
    return lambda conversation, event, elapsed_ms: fold(conversation._index, event, elapsed_ms)


def _probable(logprobs: Iterable[dict[str, Any]]) -> Iterator[tuple[str, float]]:
    """Return each token that has a probability, with it; a server may send anything."""
    for each in logprobs:
        token, logprob = each.get("token"), each.get("logprob")
        if isinstance(token, str) and isinstance(logprob, int | float) and -math.inf < logprob <= 0:
            yield token, max(math.exp(logprob), _LEAST_PROBABILITY)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


_FOLDS: dict[type, Callable[[Conversation, Any, float], None]] = {
    ev.SessionCreated: Conversation._session,
    ev.SessionUpdated: Conversation._session,
    ev.Error: Conversation._error,
    ev.SessionUpdate: Conversation._turn_detection,
    ev.InputAudioBufferAppend: Conversation._appended,
    SentFrames: Conversation._frames_appended,
    ev.InputAudioBufferCommit: Conversation._commit_sent,
    ev.InputAudioBufferClear: Conversation._clear_sent,
    ev.ConversationItemCreate: Conversation._create_sent,
    ev.ResponseCreate: Conversation._requested,
    ev.InputAudioBufferSpeechStarted: Conversation._speech_started,
    ev.InputAudioBufferSpeechStopped: Conversation._speech_stopped,
    ev.InputAudioBufferTimeoutTriggered: Conversation._timed_out,
    ev.InputAudioBufferCommitted: Conversation._committed,
    ev.ConversationItemAdded: Conversation._item_added,
    ev.ConversationItemDone: Conversation._item_done,
    ev.ConversationItemRetrieved: Conversation._item_retrieved,
    ev.ConversationItemDeleted: Conversation._item_deleted,
    ev.ConversationItemTruncated: Conversation._item_truncated,
    **dict.fromkeys(LOCAL_FOLDS, Conversation._local),
    **{kind: _of_index(fold) for kind, fold in OUTPUT_FOLDS.items()},
    SessionRenewed: Conversation._renewed,
    Remarked: Conversation._remarked,
    ev.ConversationItemInputAudioTranscriptionDelta: Conversation._transcription_delta,
    ev.ConversationItemInputAudioTranscriptionCompleted: Conversation._transcription_completed,
    ev.ConversationItemInputAudioTranscriptionFailed: Conversation._transcription_failed,
    ev.ResponseCreated: Conversation._response_created,
    ev.ResponseDone: Conversation._response_done,
}
_RECEIVED = frozenset(ev.SERVER_EVENTS.values())
