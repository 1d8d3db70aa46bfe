"""What the person says, on its way out: microphone audio, whole clips, and clips sent as an open microphone."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Self

from ..conversation.records import Turn
from ..errors import ConnectionLost
from ..media import g711
from ..media.clip import WIRE_SAMPLE_RATE, AudioClip, Resampler
from ..progress import Progress
from ..protocol import events as ev
from ..protocol.formats import base_of, encoding_of, rate_of
from ..protocol.local_events import StateChanged
from ..protocol.realtime import RealtimeProtocol
from .connection import Connection
from .listener import Listener

if TYPE_CHECKING:
    from .realtime import RealtimeSession


# --- What the person says, on its way out: microphone audio and whole clips become events in the session's format -----

#: So much of the microphone's audio waits while one line takes the place of another.
MOST_HELD_MS = 15_000.0
#: A line that has stalled with a minute of audio in front of it takes no more of the microphone's.
MOST_WAITING_BYTES = 4_000_000
_ENCODERS = {"audio/pcmu": g711.encode_ulaw, "audio/pcma": g711.encode_alaw}


class SpokenInput:
    """The person's side of a `Connection`'s audio. Everything here runs on the I/O thread."""

    def __init__(self, line: Connection):
        self._line = line
        self._resampler: Resampler | None = None
        self.dropped_ms = 0.0
        """Microphone audio that came while the line was not open, and was not sent."""

        self._held: deque[tuple[bytes, int, float | None, float | None]] = deque()
        self._held_ms = 0.0
        line.journal.listen(self._on_event)

    def begin(self) -> None:
        """Forget the resampler's state: a new line begins."""
        self._resampler = None

    def _on_event(self, event: Any, elapsed_ms: float) -> None:
        """Send what was said while one line took the place of another, or let it go with the line."""
        if not isinstance(event, StateChanged) or event.state == "connecting":
            return
        held, self._held, self._held_ms = self._held, deque(), 0.0
        self.begin()
        for frame in held:
            self.send(*frame)

    def _hold(self, pcm: bytes, sample_rate: int, captured_ms: float | None, arrived_ms: float | None) -> None:
        """Keep the latest audio until the next line is open."""
        self._held.append((pcm, sample_rate, captured_ms, arrived_ms))
        self._held_ms += _length_ms(pcm, sample_rate)
        while self._held_ms > MOST_HELD_MS:
            oldest, rate, *_ = self._held.popleft()
            self._held_ms -= _length_ms(oldest, rate)
            self.dropped_ms += _length_ms(oldest, rate)

    def send(
        self, pcm: bytes, sample_rate: int, captured_ms: float | None = None, arrived_ms: float | None = None
    ) -> None:
        """Send more of a microphone's PCM16, keeping state from call to call.

        The session times say when it was captured and when it came to the kernel, where that is known.
        """
        if self._line.is_mending:
            self._hold(pcm, sample_rate, captured_ms, arrived_ms)
            return
        if not self._line.is_open or self._line.waiting_bytes > MOST_WAITING_BYTES:
            self.dropped_ms += _length_ms(pcm, sample_rate)
            return
        encoding = self._format
        wire_rate = rate_of(encoding)
        if self._resampler is None or (self._resampler.rate_in, self._resampler.rate_out) != (sample_rate, wire_rate):
            self._resampler = Resampler(sample_rate, wire_rate)
        pcm = self._resampler.process(pcm)
        if pcm:
            self._protocol.append_audio(_coded(pcm, encoding))
            self._line.flush(captured_ms=captured_ms, arrived_ms=arrived_ms)

    def say(self, clip: AudioClip) -> str:
        """Make a clip at 24 kHz one turn, undisturbed by turn detection and by what the microphone had sent.

        Returns the id of the commit.
        """
        detection = self._protocol.next_turn_detection
        if detection is not None:
            self._protocol.update(_turn_detection(None))
        self._protocol.clear()
        self._protocol.append_audio(self.encoded(clip))
        commit_id = self._protocol.commit()
        if detection is not None:
            self._protocol.update(_turn_detection(detection))
        return commit_id

    @property
    def _protocol(self) -> RealtimeProtocol:
        return self._line.protocol

    @property
    def _format(self) -> str:
        return encoding_of(self._protocol.session, "input")

    def encoded(self, clip: AudioClip) -> bytes:
        """Put a whole clip into the session's input format."""
        pcm = clip.resample(WIRE_SAMPLE_RATE).to_pcm16()
        if (wire_rate := rate_of(self._format)) != WIRE_SAMPLE_RATE:
            pcm = Resampler(WIRE_SAMPLE_RATE, wire_rate).process(pcm, last=True)
        return _coded(pcm, self._format)


def _coded(pcm: bytes, encoding: str) -> bytes:
    encode = _ENCODERS.get(base_of(encoding))
    return encode(pcm) if encode else pcm


def _length_ms(pcm: bytes, sample_rate: int) -> float:
    return len(pcm) / 2 / sample_rate * 1000


def _turn_detection(detection: dict[str, Any] | None) -> dict[str, Any]:
    # Unchecked: what a server has stated may hold fields that are not known here.
    return {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}


# --- A clip as an open microphone: sent as time goes by, so that the server's turn detection finds the turns in it ----

_FRAME_MS = 20
_FRAME_BYTES = 2 * WIRE_SAMPLE_RATE * _FRAME_MS // 1000
#: Silence that follows the clip: more than ends a turn (`semantic_vad` waits for 8 s at most), and until all is over.
_MORE_SILENCE_MS, _LONGEST_PAUSE_MS, _LONGEST_WAIT_MS = 1_000, 8_000, 60_000
#: A turn is not answered any more after so long.
_LONGEST_UNANSWERED_MS = 10_000
#: Nor is one that ended while another answer was being made, where speech does not stop that: a server says so at once.
_REFUSED = "conversation_already_has_active_response"


class OpenMicrophone:
    """A microphone that is always on, and somebody in front of it who hears the answers as they would sound.

    Used on the I/O thread as an asynchronous context. Its clock is what it has sent: that does not run ahead of what
    the server has heard, however busy the machine is.
    """

    def __init__(self, session: RealtimeSession):
        self.listener = Listener(session)
        """Who hears the answers."""
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
        """How much it has sent, silence included."""
        return self.listener.now_ms

    @property
    def is_speaking(self) -> bool:
        """True if there is something left to say."""
        return bool(self._to_say)

    def say(self, clip: AudioClip) -> float:
        """Say a clip as soon as what is being said is over; return when that is."""
        start_ms = self.now_ms + len(self._to_say) / _FRAME_BYTES * _FRAME_MS
        self._to_say += clip.to_pcm16(WIRE_SAMPLE_RATE)
        return start_ms

    async def step(self, speed: float = 1.0) -> None:
        """Send the next 20 ms, of speech or of silence, when they are full.

        Raises `ConnectionLost` if the session has ended.
        """
        frame = bytes(self._to_say[:_FRAME_BYTES]).ljust(_FRAME_BYTES, b"\0")
        del self._to_say[:_FRAME_BYTES]
        self._due_s += _FRAME_MS / 1000 / speed
        await asyncio.sleep(max(0.0, self._due_s - asyncio.get_running_loop().time()))
        if self._session.state == "closed":
            raise self._session.error or ConnectionLost("the session was closed before all was said")
        self._session.send_audio(frame)
        self.listener.advance(self.now_ms + _FRAME_MS)
        if self._is_busy:
            self._busy_ms = self.now_ms

    @property
    def closing_ms(self) -> float:
        """How much silence certainly ends a turn."""
        pause_ms = (self._session.turn_detection or {}).get("silence_duration_ms")
        return (pause_ms if isinstance(pause_ms, int | float) else _LONGEST_PAUSE_MS) + _MORE_SILENCE_MS

    @property
    def goes_on(self) -> bool:
        """True if something is not over yet that soon will be: a turn, its words, its answer, or a call's output."""
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


async def send_live(session: RealtimeSession, clip: AudioClip, speed: float, *, hears_out: bool) -> None:
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
                # Nobody needs to hurry through silence that waits for an answer.
                await microphone.step(speed if microphone.now_ms < end_ms else 1.0)
                progress.add(_FRAME_MS / 1000)
