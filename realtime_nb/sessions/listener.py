"""A simulated listener, for sessions without a page: which audio would play when, and where it is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self

from ..conversation.conversation import Conversation
from ..conversation.records import Turn, decode_clip
from ..conversation.timing import first_audible_ms
from ..display import Progress
from ..errors import ConnectionLost, RealtimeError
from ..media.clip import WIRE_SAMPLE_RATE, AudioClip
from ..protocol import events as ev
from ..protocol.formats import bytes_per_ms
from ..protocol.items import Response
from ..protocol.local_events import Interrupted
from ..protocol.settings import setting_at

# --- The listener: which audio would play when, and where it is cut off -----------------------------------------------


class HeardSession(Protocol):
    """The part of a session that a listener needs."""

    conversation: Conversation

    def heard(self, item_id: str, played_ms: int, *, stopped: bool = False) -> None:
        """Take a report of how much of an item was heard."""


@dataclass
class PlayedItem:
    """An item of an answer as it is played; times are on the listener's clock."""

    item_id: str
    start_ms: float
    end_ms: float
    """Where the audio so far ends, or was cut off."""
    audible_ms: float | None = None
    """Where its first audible sample is; `None` while all is silence."""
    stopped_ms: float | None = None
    """Where it was cut off; `None` if it was not."""
    told_ms: float = 0.0
    """How much of it was reported to the session as played to the end."""


class Listener:
    """Plays answers one after the other, and stops them when the person speaks or interrupts, as a page does.

    The server does not know how much of an answer was heard; a speaker reports it. Here no speaker plays, so this clock
    reports it.

    `session`: learns how much of each item was heard, when the item is over or cut off.
    """

    def __init__(self, session: HeardSession):
        self.now_ms = 0.0
        """The listener's time; see `advance`."""
        self.played: list[PlayedItem] = []
        """Every item that sounds or has sounded, in order."""
        self._session = session
        self._silenced: set[str] = set()

    @property
    def is_playing(self) -> bool:
        """True if an answer sounds now, or will before anything else is made."""
        return any(each.end_ms > self.now_ms for each in self.played)

    @property
    def sounding(self) -> PlayedItem | None:
        """The item that sounds now."""
        return next((each for each in self.played if each.start_ms <= self.now_ms < each.end_ms), None)

    def advance(self, now_ms: float) -> None:
        """Let time pass, and tell the session what has been played to its end."""
        self.now_ms = now_ms
        for each in self.played:
            length_ms = each.end_ms - each.start_ms
            if each.stopped_ms is None and each.end_ms <= now_ms and each.told_ms < length_ms:
                each.told_ms = length_ms
                self._session.heard(each.item_id, round(length_ms))

    def on_event(self, event: Any, elapsed_ms: float) -> None:
        """Take an event of the session into account."""
        if isinstance(event, ev.ResponseOutputAudioDelta):
            if not {event.item_id, event.response_id} & self._silenced:
                self._play(event)
        elif isinstance(event, ev.InputAudioBufferSpeechStarted):
            if setting_at(getattr(self._session, "turn_detection", None) or {}, "interrupt_response") is not False:
                self._stop()
        elif isinstance(event, Interrupted):
            self._stop()
        elif isinstance(event, ev.ResponseDone) and event.response.id in self._silenced:
            self._drop(event.response)

    def _play(self, event: ev.ResponseOutputAudioDelta) -> None:
        turn = self._session.conversation.turn(event.item_id)
        part = turn.parts.get(event.content_index) if turn is not None else None
        encoding = part.encoding if part is not None else "audio/pcm"
        free_ms = max(self.now_ms, self.played[-1].end_ms if self.played else 0.0)
        if not self.played or self.played[-1].item_id != event.item_id:
            self.played.append(PlayedItem(event.item_id, free_ms, free_ms))
        sounding = self.played[-1]
        sounding.end_ms = free_ms + len(event.delta) / bytes_per_ms(encoding)
        if sounding.audible_ms is None:
            found_ms = first_audible_ms(decode_clip(event.delta, encoding))
            sounding.audible_ms = None if found_ms is None else free_ms + found_ms

    def _stop(self) -> None:
        """Stop playing; the rest of these answers will not be heard."""
        self._silenced |= {reply.response_id for reply in self._session.conversation.unfinished}
        for each in self.played:
            if each.end_ms > self.now_ms:
                each.start_ms = min(each.start_ms, self.now_ms)
                each.stopped_ms = each.end_ms = self.now_ms
                self._silenced.add(each.item_id)
                self._session.heard(each.item_id, round(each.stopped_ms - each.start_ms), stopped=True)

    def _drop(self, response: Response) -> None:
        """Report that nothing was heard of items silenced before their sound came."""
        had = {each.item_id for each in self.played}
        for item in response.output:
            if item.is_spoken and isinstance(item.id, str) and item.id not in had:
                self._session.heard(item.id, 0, stopped=True)


# --- A clip sent as an open microphone would, in step with time, so that turn detection finds the turns in it ---------

_FRAME_MS = 20
_FRAME_BYTES = 2 * WIRE_SAMPLE_RATE * _FRAME_MS // 1000
#: Silence after the clip: longer than turn detection waits (at most 8 s with `semantic_vad`), and until all is over.
_MORE_SILENCE_MS, _LONGEST_PAUSE_MS, _LONGEST_WAIT_MS = 1_000, 8_000, 60_000
#: A turn that has had no answer for this long will get none.
_LONGEST_UNANSWERED_MS = 10_000
#: The same for a turn that ended during another answer that speech does not stop: the server says so at once.
_REFUSED = "conversation_already_has_active_response"


class LiveSession(HeardSession, Protocol):
    """The part of a session that an open microphone needs."""

    @property
    def state(self) -> str:
        """``"closed"`` once it has ended."""

    @property
    def error(self) -> RealtimeError | None:
        """Why it ended, if something went wrong."""

    @property
    def turn_detection(self) -> dict[str, Any] | None:
        """The turn detection in force."""

    @property
    def is_answering(self) -> bool:
        """True if an answer is being made."""

    def listen(self, listener: Callable[[Any, float], None]) -> Callable[[], None]:
        """Call a function with every event and its time; returns what stops it."""

    def send_audio(self, pcm: bytes) -> None:
        """Send 16-bit mono PCM at 24 kHz."""


class OpenMicrophone:
    """A microphone that is always on, with a simulated person who hears the answers as they would play.

    Use it on the I/O thread with ``async with``. Its clock is the audio it has sent, so it never runs ahead of the
    server, however busy the machine is.
    """

    def __init__(self, session: LiveSession):
        self.listener = Listener(session)
        """Hears the answers."""
        self._session = session
        self._to_say = bytearray()
        self._due_s = 0.0
        self._busy_ms = 0.0
        self._unanswered: set[str] = set()

    async def __aenter__(self) -> Self:
        self._due_s = asyncio.get_running_loop().time()
        self._stop = self._session.listen(self._on_event)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._stop()

    def _on_event(self, event: Any, elapsed_ms: float) -> None:
        self.listener.on_event(event, elapsed_ms)
        if isinstance(event, ev.Error) and event.error.code == _REFUSED and not event.error.event_id and self._asked:
            self._unanswered.add(self._asked[-1].item_id)

    @property
    def now_ms(self) -> float:
        """How much audio it has sent, silence included."""
        return self.listener.now_ms

    @property
    def is_speaking(self) -> bool:
        """True if there is something left to say."""
        return bool(self._to_say)

    def say(self, clip: AudioClip) -> float:
        """Say a clip after anything that is still being said; return when it starts."""
        start_ms = self.now_ms + len(self._to_say) / _FRAME_BYTES * _FRAME_MS
        self._to_say += clip.to_pcm16(WIRE_SAMPLE_RATE)
        return start_ms

    async def step(self, speed: float = 1.0) -> None:
        """Send the next 20 ms of speech or silence, once they have passed.

        Raises `ConnectionLost` if the session has ended.
        """
        frame = bytes(self._to_say[:_FRAME_BYTES]).ljust(_FRAME_BYTES, b"\0")
        del self._to_say[:_FRAME_BYTES]
        self._due_s += _FRAME_MS / 1000 / speed
        await asyncio.sleep(max(0.0, self._due_s - asyncio.get_running_loop().time()))
        if self._session.state == "closed":
            raise self._session.error or ConnectionLost("the session was closed before everything was said")
        self._session.send_audio(frame)
        self.listener.advance(self.now_ms + _FRAME_MS)
        if self._is_busy:
            self._busy_ms = self.now_ms

    @property
    def closing_ms(self) -> float:
        """How much silence is sure to end a turn."""
        pause_ms = (self._session.turn_detection or {}).get("silence_duration_ms")
        return (pause_ms if isinstance(pause_ms, int | float) else _LONGEST_PAUSE_MS) + _MORE_SILENCE_MS

    @property
    def goes_on(self) -> bool:
        """True while something is still to come: the end of a turn, its words, its answer, or a call's output."""
        is_answered = (self._session.turn_detection or {}).get("create_response") is not False
        is_waiting = is_answered and self.now_ms - self._busy_ms < _LONGEST_UNANSWERED_MS
        last = self._asked[-1] if self._asked else None
        is_open = last is not None and last.reply is None and last.item_id not in self._unanswered
        return self._is_busy or (is_open and is_waiting)

    @property
    def _is_busy(self) -> bool:
        return self._session.is_answering or any(turn.is_speaking or not turn.is_final for turn in self._asked)

    @property
    def _asked(self) -> list[Turn]:
        return [turn for turn in self._session.conversation if turn.role == "user"]


async def send_live(session: LiveSession, clip: AudioClip, speed: float, *, hears_out: bool) -> None:
    """Send a clip frame by frame, then silence until its last turn is answered.

    `hears_out`: whether the silence goes on until the last answer would have been played, too.

    Raises `ConnectionLost` if the session ends meanwhile.
    """
    async with OpenMicrophone(session) as microphone:
        microphone.say(clip)
        end_ms = clip.duration_s * 1000 + microphone.closing_ms
        with Progress("listen", clip.duration_s, "s") as progress:
            while (
                microphone.now_ms < end_ms
                or (microphone.goes_on and microphone.now_ms < end_ms + _LONGEST_WAIT_MS)
                or (hears_out and microphone.listener.is_playing)
            ):
                # There is no hurry while silence waits for an answer.
                await microphone.step(speed if microphone.now_ms < end_ms else 1.0)
                progress.add(_FRAME_MS / 1000)
