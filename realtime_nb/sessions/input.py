"""The person's audio on its way out: microphone sound and clips become events in the session's format."""

from __future__ import annotations

from collections import deque
from typing import Any

from ..media import g711
from ..media.clip import WIRE_SAMPLE_RATE, AudioClip, Resampler
from ..protocol.formats import base_of, encoding_of, rate_of
from ..protocol.local_events import StateChanged
from ..protocol.realtime import RealtimeProtocol
from .connection import Connection

#: How much microphone audio is kept while one connection replaces another.
MOST_HELD_MS = 15_000.0
#: A stalled connection with this much unsent, about a minute of audio, takes no more from the microphone.
MOST_WAITING_BYTES = 4_000_000
_ENCODERS = {"audio/pcmu": g711.encode_ulaw, "audio/pcma": g711.encode_alaw}


class SpokenInput:
    """The person's side of a `Connection`'s audio. Everything here runs on the I/O thread."""

    def __init__(self, connection: Connection):
        self._connection = connection
        self._resampler: Resampler | None = None
        self.dropped_ms = 0.0
        """Microphone audio that came while the connection was not open, and was not sent."""

        self._held: deque[tuple[bytes, int, float | None, float | None]] = deque()
        self._held_ms = 0.0
        connection.session_events.listen(self._on_event)

    def begin(self) -> None:
        """Forget the resampler's state: a new connection begins."""
        self._resampler = None

    def _on_event(self, event: Any, elapsed_ms: float) -> None:
        """Send the audio kept while one connection replaced another, or drop it if no new one opens."""
        if not isinstance(event, StateChanged) or event.state == "connecting":
            return
        held, self._held, self._held_ms = self._held, deque(), 0.0
        self.begin()
        for frame in held:
            self.send(*frame)

    def _hold(self, pcm: bytes, sample_rate: int, captured_ms: float | None, arrived_ms: float | None) -> None:
        """Keep the latest audio until the next connection is open."""
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

        The times are session times at which it was captured and reached the kernel, if known.
        """
        if self._connection.is_mending:
            self._hold(pcm, sample_rate, captured_ms, arrived_ms)
            return
        if not self._connection.is_open or self._connection.waiting_bytes > MOST_WAITING_BYTES:
            self.dropped_ms += _length_ms(pcm, sample_rate)
            return
        encoding = self._format
        wire_rate = rate_of(encoding)
        if self._resampler is None or (self._resampler.rate_in, self._resampler.rate_out) != (sample_rate, wire_rate):
            self._resampler = Resampler(sample_rate, wire_rate)
        pcm = self._resampler.process(pcm)
        if pcm:
            self._protocol.append_audio(_coded(pcm, encoding))
            self._connection.flush(captured_ms=captured_ms, arrived_ms=arrived_ms)

    def say(self, clip: AudioClip) -> str:
        """Send a clip at 24 kHz as one turn, without turn detection or anything that the microphone sent before.

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
        return self._connection.protocol

    @property
    def _format(self) -> str:
        return encoding_of(self._protocol.session, "input")

    def encoded(self, clip: AudioClip) -> bytes:
        """Encode a whole clip in the session's input format."""
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
    # Unchecked: a server's settings may hold fields that are not known here.
    return {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
