"""Fold events into turns and replies, each in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..pricing.usage import Usage, add_usages
from ..protocol import events as ev
from ..protocol.items import ErrorDetail, Item
from ..protocol.local_events import (
    AnswerFile,
    ApprovalGiven,
    ClockAligned,
    EchoHeard,
    Flagged,
    FramePassed,
    Heard,
    SessionRenewed,
    SoundBegan,
    StageDone,
    StageStarted,
    StateChanged,
    ToolDone,
    TurnEdited,
    WordsTimed,
)
from ..protocol.parts import joined_names
from .records import Part, Reply, SessionBreak, Stage, Turn, renewal_text

# --- The order of a conversation's items, from the predecessor that the server names for each -------------------------

#: Most events are about items that are at most this far from the end.
_NEAR = 16


class ItemOrder:
    """Item ids in the conversation's order, which need not be the order of arrival.

    An item whose predecessor is not known yet, or was removed, is last until more is known. The first named predecessor
    that exists decides.
    """

    def __init__(self) -> None:
        self.revision = 0
        """How often the order has changed."""
        self._ids: list[str] = []
        self._there: set[str] = set()
        self._previous: dict[str, str | None] = {}
        self._waiting: dict[str, list[str]] = {}
        self._unknown: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids.copy())

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._there

    @property
    def last(self) -> str | None:
        """The last item, if there is one."""
        return self._ids[-1] if self._ids else None

    def forget(self, item_ids: Iterable[str]) -> None:
        """Note that the server no longer knows these items; what it puts after another item comes after them, too."""
        self._unknown = set(item_ids)

    def keep(self, item_id: str) -> None:
        """Keep an item that the server has just deleted; it no longer knows this one either."""
        self._unknown.add(item_id)

    def place_first(self, item_id: str) -> None:
        """Put an item before all others, permanently."""
        self._set([item_id, *(each for each in self._ids if each != item_id)])
        self._there.add(item_id)
        self._previous[item_id] = None

    def place(self, item_id: str, previous: str | None) -> None:
        """Put an item after its predecessor; with `None`, or if that is not there, put it last for now."""
        if item_id in self._previous:
            return
        if item_id not in self._there:
            # Items that wait for it come right after it.
            waiting = [self._at(each) for each in self._waiting.get(item_id, ()) if each in self._there]
            self._ids.insert(min(waiting, default=len(self._ids)), item_id)
            self._there.add(item_id)
            self.revision += 1
        if previous in self._there:
            self._move_behind(item_id, previous)
        elif previous is not None and item_id not in self._waiting.setdefault(previous, []):
            self._waiting[previous].append(item_id)
        for follower in self._waiting.pop(item_id, ()):
            if follower in self._there:
                self.place(follower, item_id)

    def place_behind(self, item_id: str, previous: str) -> None:
        """Put an item right after another one, even before items that the server no longer knows."""
        if item_id in self._there and previous in self._there:
            ids = [each for each in self._ids if each != item_id]
            ids.insert(ids.index(previous) + 1, item_id)
            if ids != self._ids:
                self._set(ids)

    def remove(self, item_id: str) -> None:
        """Remove an item."""
        if item_id in self._there:
            self._there.remove(item_id)
            self._set([each for each in self._ids if each != item_id])

    def _move_behind(self, item_id: str, previous: str) -> None:
        """Move an item, and those that are known to follow it, after another one."""
        start = self._at(item_id)
        stop = start + 1
        while stop < len(self._ids) and self._previous.get(self._ids[stop]) in self._ids[start:stop]:
            stop += 1
        block = self._ids[start:stop]
        if previous in block:
            return  # A circle: the server contradicts itself.
        self._previous[item_id] = previous
        if start and self._ids[start - 1] == previous and not self._unknown.intersection(self._ids[stop : stop + 1]):
            return  # It is there already, like most.
        rest = self._ids[:start] + self._ids[stop:]
        at = rest.index(previous) + 1
        while at < len(rest) and rest[at] in self._unknown:
            at += 1
        self._set([*rest[:at], *block, *rest[at:]])

    def _at(self, item_id: str) -> int:
        """Return an item's index."""
        near = self._ids[-_NEAR:]
        return len(self._ids) - len(near) + near.index(item_id) if item_id in near else self._ids.index(item_id)

    def _set(self, ids: list[str]) -> None:
        # In one step, because another thread may be reading.
        self._ids = ids
        self.revision += 1


# --- Turns and replies by their ids, in the conversation's order ------------------------------------------------------

_CALLS = ("function_call", "mcp_call", "mcp_approval_request")


class TurnIndex:
    """The records of one conversation, while the fold makes them."""

    def __init__(self) -> None:
        self.turns: dict[str, Turn] = {}
        """All turns by item id, including those that are not, or no longer, part of the conversation."""
        self.replies: dict[str, Reply] = {}
        """All replies by response id, in the order in which they began."""
        self.order = ItemOrder()
        """Item ids of the conversation."""
        self.output_encoding = "audio/pcm"
        """The format of the model's sound."""
        self.clock: ClockAligned | None = None
        """The latest comparison of the page's clock with the kernel's."""
        self.breaks: list[SessionBreak] = []
        """Where the conversation continued under other conditions."""
        self.lost = 0
        """Items that were being said when the connection broke off, since the last break."""
        self._ours: set[str] = set()
        self._open: dict[str, Reply] = {}
        self._touched: dict[str, int] = {}

    @property
    def unfinished(self) -> list[Reply]:
        """The replies that are still being made."""
        return list(self._open.values())

    def finish(self, reply: Reply) -> None:
        """Note that a reply is finished."""
        reply.done = True
        self._open.pop(reply.response_id, None)

    @property
    def revision(self) -> int:
        """The number of changes so far."""
        return next(reversed(self._touched.values()), 0)

    def changed_since(self, revision: int) -> list[str]:
        """Return the items whose turns may have changed since a revision; call it on the fold's thread."""
        found = []
        for item_id, changed in reversed(self._touched.items()):
            if changed <= revision:
                break
            found.append(item_id)
        return found

    def touch(self, turn: Turn) -> Turn:
        """Note that a turn is about to change, and return it."""
        revision = self.revision + 1
        self._touched.pop(turn.item_id, None)
        self._touched[turn.item_id] = revision
        return turn

    def known(self, item_id: str) -> Turn | None:
        """Return an item's turn, which is about to change; `None` if no event has named it."""
        turn = self.turns.get(item_id)
        return None if turn is None else self.touch(turn)

    def item(self, item_id: str, *, role: str = "", kind: str = "message") -> Turn:
        """Return an item's turn; create it if no event has named it before."""
        turn = self.turns.get(item_id)
        if turn is None:
            turn = self.turns[item_id] = Turn(item_id=item_id, role=role, kind=kind)
        turn.role = turn.role or role
        return self.touch(turn)

    def part(self, turn: Turn, content_index: int, kind: str) -> Part:
        """Return a turn's part; create it if no event has named it before."""
        part = turn.parts.get(content_index)
        if part is None:
            part = turn.parts[content_index] = Part(kind=kind)
        return part

    def output_turn(self, event: Any) -> Turn:
        """Return the turn for an event that names a response, an item and an output index."""
        turn = self.known(event.item_id)
        if turn is None or turn.response_id is None:
            turn = self.item(event.item_id, role="assistant")
            if hasattr(event, "call_id"):
                turn.kind, turn.role = "function_call", "assistant"
            self.output(self.reply(event.response_id), turn, event.output_index)
        return turn

    def output(self, reply: Reply, turn: Turn, output_index: int) -> None:
        """Note that a reply made a turn."""
        turn.response_id = reply.response_id
        if reply.outputs.get(output_index) is not turn:
            others = {index: each for index, each in reply.outputs.items() if each is not turn}
            reply.outputs = others | {output_index: turn}
            turn.cut_ms = 0.0 if reply.flagged else None

    def output_again(self, reply: Reply, turn: Turn, output_index: int) -> None:
        """Note all turns that a reply made; known ones keep their places, even if the list lacks some."""
        if turn not in reply.outputs.values():
            while output_index in reply.outputs:
                output_index += 1
            self.output(reply, turn, output_index)

    def reply(self, response_id: str) -> Reply:
        """Return a response's reply; create it if no event has named it before."""
        reply = self.replies.get(response_id)
        if reply is None:
            reply = self.replies[response_id] = self._open[response_id] = Reply(response_id=response_id)
        return reply

    def sent(self, item: Item, encoding: str) -> None:
        """Take an item that is sent; if it is known already, it is only being sent again, to another session."""
        assert isinstance(item.id, str)
        if item.id not in self.turns and (turn := self.described(item)) is not None:
            for part in turn.parts.values():
                part.encoding = encoding
        self._ours.add(item.id)

    def note_break(self, elapsed_ms: float, text: str) -> None:
        """Note that the conversation continues under other conditions after its last item."""
        self.breaks.append(SessionBreak(elapsed_ms, self.order.last, text))

    def described(self, item: Item) -> Turn | None:
        """Take a server's description of an item; texts that are already complete stay."""
        if not isinstance(item.id, str):
            return None
        if item.id in self._ours and item.id in self.turns:
            return self.known(item.id)  # A server need not send back what we sent.
        # Items of function calls have no role.
        role = item.role or ("assistant" if item.type in _CALLS else "")
        turn = self.item(item.id, role=role, kind=item.type)
        turn.describe(item)
        if turn.kind == "function_call_output" and turn.call_id and (call := self.call(turn.call_id)) is not None:
            call.output = call.output or turn.output
        for index, content in enumerate(item.content or []):
            if content.type in ("input_image", "image"):
                part = self.part(turn, index, "image")
                # A server need not send a picture back; the one that we sent is kept.
                part.image_url = content.image_url or part.image_url
                part.detail = content.detail or part.detail
                continue
            part = self.part(turn, index, "audio" if "audio" in content.type else "text")
            if content.words and item.status != "in_progress":
                part.finish_text(content.words)
            if isinstance(content.audio, bytes) and not part.audio_chunks:
                part.add_audio(content.audio)
        return turn

    def call(self, call_id: str) -> Turn | None:
        """Return the latest call with this call id, or the approval request with this item id.

        It is about to change.
        """
        found = self.turns.get(call_id)
        if found is None or found.kind != "mcp_approval_request":
            calls = (turn for turn in reversed(self.turns.values()) if turn.call_id == call_id and turn.name)
            found = next(calls, found)
        return None if found is None else self.touch(found)

    def place(self, item_id: str, previous_item_id: str | None) -> None:
        """Put an item in its place in the conversation, unless it was removed."""
        if not self.turns[item_id].deleted:
            self.order.place(item_id, previous_item_id)


# --- Folding a response's output: items, their parts, words, sound and calls, as they arrive --------------------------


def _output_item_added(index: TurnIndex, event: ev.ResponseOutputItemAdded, elapsed_ms: float) -> None:
    turn = index.described(event.item)
    if turn:
        index.output(index.reply(event.response_id), turn, event.output_index)


def _output_item_done(index: TurnIndex, event: ev.ResponseOutputItemDone, elapsed_ms: float) -> None:
    turn = index.described(event.item)
    if turn:
        turn.done = True
        index.output(index.reply(event.response_id), turn, event.output_index)


def _part_described(
    index: TurnIndex, event: ev.ResponseContentPartAdded | ev.ResponseContentPartDone, elapsed_ms: float
) -> None:
    turn = index.output_turn(event)
    if event.part is None or not event.part.type:
        return
    part = index.part(turn, event.content_index, "audio" if "audio" in event.part.type else "text")
    if isinstance(event, ev.ResponseContentPartDone) and event.part.words:
        part.finish_text(event.part.words)


def _text_delta(
    index: TurnIndex, event: ev.ResponseOutputTextDelta | ev.ResponseOutputAudioTranscriptDelta, elapsed_ms: float
) -> None:
    kind = "text" if isinstance(event, ev.ResponseOutputTextDelta) else "audio"
    index.part(index.output_turn(event), event.content_index, kind).add_text(event.delta)
    index.reply(event.response_id).timing.mark("first_text", elapsed_ms)


def _text_done(index: TurnIndex, event: ev.ResponseOutputTextDone, elapsed_ms: float) -> None:
    index.part(index.output_turn(event), event.content_index, "text").finish_text(event.text)


def _transcript_done(index: TurnIndex, event: ev.ResponseOutputAudioTranscriptDone, elapsed_ms: float) -> None:
    index.part(index.output_turn(event), event.content_index, "audio").finish_text(event.transcript)


def _audio_delta(index: TurnIndex, event: ev.ResponseOutputAudioDelta, elapsed_ms: float) -> None:
    turn = index.turns.get(event.item_id)
    part = turn.parts.get(event.content_index) if turn is not None and turn.response_id is not None else None
    if part is None:
        part = index.part(index.output_turn(event), event.content_index, "audio")
    elif turn is not None and turn.interrupted:
        index.touch(turn)  # How many of its words were heard depends on its length.
    if not part.audio_chunks:
        if not event.delta:
            return
        part.kind = "audio"  # No matter what was announced.
        part.encoding = index.output_encoding
        index.reply(event.response_id).timing.mark("first_audio", elapsed_ms)
    if not part.is_audible:
        _find_sound(index, event, part, elapsed_ms)
    part.add_audio(event.delta)


def _find_sound(index: TurnIndex, event: ev.ResponseOutputAudioDelta, part: Part, elapsed_ms: float) -> None:
    timing = index.reply(event.response_id).timing
    found_ms = part.find_sound(event.delta)
    if found_ms is not None and timing.first_audio_ms is not None:
        # Played as it arrives: at its place after the first sample, or on arrival, if that was later.
        played_ms = timing.origin_ms + timing.first_audio_ms + found_ms
        timing.mark("audible_on_arrival", max(played_ms, elapsed_ms))


def _audio_done(index: TurnIndex, event: ev.ResponseOutputAudioDone, elapsed_ms: float) -> None:
    index.part(index.output_turn(event), event.content_index, "audio").audio_done = True


def _arguments_delta(index: TurnIndex, event: ev.ResponseFunctionCallArgumentsDelta, elapsed_ms: float) -> None:
    turn = index.output_turn(event)
    if not turn.done:
        turn.arguments += event.delta


def _arguments_done(index: TurnIndex, event: ev.ResponseFunctionCallArgumentsDone, elapsed_ms: float) -> None:
    turn = index.output_turn(event)
    if event.arguments is not None:
        turn.arguments = event.arguments
    turn.name = event.name or turn.name
    turn.call_id = event.call_id or turn.call_id
    turn.done = True


OUTPUT_FOLDS: dict[type, Callable[[TurnIndex, Any, float], None]] = {
    ev.ResponseOutputItemAdded: _output_item_added,
    ev.ResponseOutputItemDone: _output_item_done,
    ev.ResponseContentPartAdded: _part_described,
    ev.ResponseContentPartDone: _part_described,
    ev.ResponseOutputTextDelta: _text_delta,
    ev.ResponseOutputTextDone: _text_done,
    ev.ResponseOutputAudioDelta: _audio_delta,
    ev.ResponseOutputAudioDone: _audio_done,
    ev.ResponseOutputAudioTranscriptDelta: _text_delta,
    ev.ResponseOutputAudioTranscriptDone: _transcript_done,
    ev.ResponseFunctionCallArgumentsDelta: _arguments_delta,
    ev.ResponseFunctionCallArgumentsDone: _arguments_done,
}


# --- Folding local events: what only this side knows becomes part of the records --------------------------------------

#: Why a reply is incomplete that the end of a session cut off.
CONNECTION_LOST = "connection_lost"


def _state_changed(index: TurnIndex, event: StateChanged, elapsed_ms: float) -> None:
    """End unfinished records: nothing more will come for them."""
    if event.state == "open":
        return
    for turn in index.turns.values():
        if turn.is_speaking:
            index.touch(turn)
            turn.ended_at_ms = elapsed_ms
            turn.transcription_error = ErrorDetail(message="the session ended before it was completely said")
            index.lost += 1
    for reply in index.unfinished:
        index.lost += 1
        for turn in map(index.touch, reply.turns):
            turn.status = turn.status if turn.status == "completed" else "incomplete"
            turn.done = True
        reply.reason, reply.status = CONNECTION_LOST, "incomplete"
        index.finish(reply)


def _renewed(index: TurnIndex, event: SessionRenewed, elapsed_ms: float) -> None:
    index.order.forget(event.left_out)
    index.note_break(elapsed_ms, renewal_text(event, index.lost))
    index.lost = 0


def _edited(index: TurnIndex, event: TurnEdited, elapsed_ms: float) -> None:
    old = index.turns.get(event.replaced_id)
    if old is not None:
        index.item(event.item_id, role=old.role).edited_from = old
        index.order.place_behind(event.item_id, event.replaced_id)


def _heard(index: TurnIndex, event: Heard, elapsed_ms: float) -> None:
    turn = index.known(event.item_id)
    if turn:
        _began(turn, elapsed_ms - event.played_ms)
        turn.played_ms = max(turn.played_ms or 0, event.played_ms)
        turn.interrupted = turn.interrupted or event.stopped


def _began(turn: Turn, at_ms: float) -> None:
    turn.began_at_ms = at_ms if turn.began_at_ms is None else min(turn.began_at_ms, at_ms)


def _echo_heard(index: TurnIndex, event: EchoHeard, elapsed_ms: float) -> None:
    if turn := index.known(event.item_id):
        turn.echoed = True


def _answer_file(index: TurnIndex, event: AnswerFile, elapsed_ms: float) -> None:
    reply = index.reply(event.response_id)
    reply.audio_file, reply.remark = event.data, event.remark


def _words_timed(index: TurnIndex, event: WordsTimed, elapsed_ms: float) -> None:
    turn = index.item(event.item_id, role="user")
    index.part(turn, event.content_index, "audio").words = event.words


def _approved(index: TurnIndex, event: ApprovalGiven, elapsed_ms: float) -> None:
    if turn := index.call(event.call_id):
        turn.approved = event.approved


def _tool_done(index: TurnIndex, event: ToolDone, elapsed_ms: float) -> None:
    # On the call itself, too: if the session has ended meanwhile, there is no item that answers it.
    if turn := index.call(event.call_id):
        turn.output, turn.tool_error, turn.tool_ms = event.output, event.error, event.ran_ms


def _stage_started(index: TurnIndex, event: StageStarted, elapsed_ms: float) -> None:
    reply = index.reply(event.response_id)
    reply.stages.setdefault(event.stage, Stage(model=event.model))
    reply.timing.mark(f"{event.stage}.started", elapsed_ms)


def _stage_done(index: TurnIndex, event: StageDone, elapsed_ms: float) -> None:
    reply = index.reply(event.response_id)
    stage = reply.stages.setdefault(event.stage, Stage())
    # A question of two clips is transcribed in two requests.
    usages = (stage.usage, event.usage) if stage.is_done else (event.usage,)
    stage.usage, stage.is_done = add_usages(usages), True
    stage.remark = "; ".join(filter(None, (stage.remark, event.remark)))
    stage.part = joined_names((stage.part, event.part))
    reply.usage = (reply.usage or Usage()) + Usage.from_realtime(event.usage)
    reply.timing.mark(f"{event.stage}.done", elapsed_ms)


def _flagged(index: TurnIndex, event: Flagged, elapsed_ms: float) -> None:
    if event.item_id:
        index.item(event.item_id).flagged = event.reason
        if event.side == "user":
            index.order.keep(event.item_id)  # What was typed is never sent, and what was said is deleted.
    if event.response_id:
        reply = index.reply(event.response_id)
        reply.flagged = event.reason
        playable_ms = 0.0  # The answer to a question that is flagged was held until the verdict.
        if event.side == "assistant" and (first_ms := reply.timing.first_audio_ms) is not None:
            playable_ms = elapsed_ms - reply.timing.origin_ms - first_ms
        for turn in map(index.touch, reply.turns):
            turn.cut_ms = max(0.0, playable_ms)
            playable_ms -= sum(part.audio_ms for part in turn.parts.values())


def _clock_aligned(index: TurnIndex, event: ClockAligned, elapsed_ms: float) -> None:
    index.clock = event


def _frame_passed(index: TurnIndex, event: FramePassed, elapsed_ms: float) -> None:
    turn = index.item(event.item_id, role="user")
    turn.frame_times = event
    if turn.reply is not None:
        trace(index, turn, turn.reply)


def trace(index: TurnIndex, turn: Turn, reply: Reply) -> None:
    """Pass the travel times of a spoken turn's last speech to the reply."""
    frame_times, timing = turn.frame_times, reply.timing
    if frame_times is None or timing.origin_ms != turn.spoken_at_ms:
        return
    if frame_times.captured_ms is not None:
        timing.clock = index.clock
        if turn.frame_rest_ms is not None:
            timing.mark("spoken", frame_times.captured_ms - turn.frame_rest_ms)
    timing.mark("captured", frame_times.captured_ms)
    timing.mark("arrived", frame_times.arrived_ms)
    timing.mark("written", frame_times.written_ms)


def _sound_began(index: TurnIndex, event: SoundBegan, elapsed_ms: float) -> None:
    turn = index.known(event.item_id)
    reply = index.replies.get(turn.response_id) if turn and turn.response_id else None
    if turn is None or reply is None:
        return
    _began(turn, event.rendered_ms)
    reply.timing.clock = index.clock
    reply.timing.mark("started", event.rendered_ms)
    if event.audible:
        reply.timing.mark("sounded", event.rendered_ms)
        reply.timing.mark("audible", event.rendered_ms + event.latency_ms)
        reply.timing.latency_is_estimate |= event.latency_is_estimate


LOCAL_FOLDS: dict[type, Callable[[TurnIndex, Any, float], None]] = {
    Heard: _heard,
    EchoHeard: _echo_heard,
    AnswerFile: _answer_file,
    WordsTimed: _words_timed,
    ApprovalGiven: _approved,
    ToolDone: _tool_done,
    StageStarted: _stage_started,
    StageDone: _stage_done,
    Flagged: _flagged,
    ClockAligned: _clock_aligned,
    FramePassed: _frame_passed,
    SoundBegan: _sound_began,
    StateChanged: _state_changed,
    SessionRenewed: _renewed,
    TurnEdited: _edited,
}
