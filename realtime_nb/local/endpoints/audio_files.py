"""Audio files of requests and answers. Decoding and encoding long ones takes seconds: do it in a thread."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...errors import AudioError
from ...media.clip import WIRE_SAMPLE_RATE, AudioClip, Samples, to_pcm16
from ..api_errors import ApiError, invalid_value
from ..recognition.heard import SAMPLE_RATE

#: The longest audio in a file: 25 MB can hold hours, which decode to gigabytes.
LONGEST_S = 1500.0
_RATES = range(4_000, 384_001)
_SHORTEST_PCM = bytes(WIRE_SAMPLE_RATE // 5)  # 100 ms: some formats cannot be empty


def encode(pcm: bytes, format: str) -> bytes:
    """Return PCM16 at 24 kHz as a file: "wav", "mp3", "flac", "opus" or "aac"; "pcm" and "pcm16" change nothing."""
    if format in ("pcm", "pcm16"):
        return pcm
    return AudioClip.from_pcm16(pcm or _SHORTEST_PCM).encode(format)


def decode(data: bytes, param: str) -> AudioClip:
    """Return the audio of a file in any format that `AudioClip` reads.

    Raises `ApiError` if it is not audio, or longer than `LONGEST_S`.
    """
    try:
        clip = AudioClip.from_bytes(data, longest_s=LONGEST_S)
    except AudioError as error:
        raise ApiError(
            f"Audio file might be corrupted or unsupported: {error}", code="invalid_value", param=param
        ) from error
    if clip.sample_rate not in _RATES:
        raise invalid_value(param, f"a sample rate of {clip.sample_rate} Hz is not usable for speech")
    return clip


def decode_base64(text: str, param: str) -> bytes:
    """Return the bytes of a base64 text; raises `ApiError` if it is not base64."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise invalid_value(param, "expected a base64-encoded string") from error


# --- Cut a file at its pauses: it is recognised piece by piece, and other sessions get their turn ---------------------

#: Longer utterances are cut where they are quietest.
LONGEST_MS = 15_000
_FRAME_MS = 20
_PAUSE_MS = 400
_MARGIN_MS = 160
_FRAME = SAMPLE_RATE * _FRAME_MS // 1000
_AUDIBLE = 0.001  # -60 dBFS: anything below is not speech


@dataclass(frozen=True)
class Utterance:
    """One stretch of speech."""

    start_ms: int
    end_ms: int
    pcm: bytes
    """PCM16 at 16 kHz."""


@dataclass(frozen=True)
class DecodedFile:
    """The sound of a file, ready to be recognised."""

    duration_ms: float
    utterances: list[Utterance]
    digest: bytes = b""
    """Equal for equal files, and only for them."""

    @classmethod
    def read(cls, data: bytes, param: str) -> DecodedFile:
        """Decode a file; takes up to seconds. Raises `ApiError`, about `param`, if it is not audio."""
        clip = decode(data, param)
        utterances = cut_utterances(clip.resample(SAMPLE_RATE).samples)
        return cls(clip.duration_s * 1000, utterances, hashlib.sha256(data).digest())


def cut_utterances(samples: Samples) -> list[Utterance]:
    """Return the stretches of a recording in which there is sound."""
    levels = _levels(samples)
    utterances = []
    for start, end in _stretches(levels):
        for first, last in _shortened(levels, start, end):
            pcm = to_pcm16(samples[first * _FRAME : last * _FRAME])
            utterances.append(
                Utterance(first * _FRAME_MS, first * _FRAME_MS + len(pcm) * 1000 // (2 * SAMPLE_RATE), pcm)
            )
    return utterances


def _levels(samples: Samples) -> npt.NDArray[np.float32]:
    """Return the RMS of each frame; the last one may be shorter than it."""
    padded = np.pad(samples, (0, -len(samples) % _FRAME))
    return np.sqrt(np.mean(np.square(padded.reshape(-1, _FRAME)), axis=1, dtype=np.float32)).astype(np.float32)


def _stretches(levels: npt.NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """Yield the stretches between pauses, with a margin, as (first frame, frame after the last)."""
    if not len(levels):
        return
    floor, loud = np.percentile(levels, (10, 95))
    # Three times the noise. But in a recording without pauses, the quietest tenth is speech, too.
    heard = np.flatnonzero(levels > max(_AUDIBLE, min(3 * floor, loud / 4)))
    if not len(heard):
        return
    margin = _MARGIN_MS // _FRAME_MS
    gaps = np.flatnonzero(np.diff(heard) > _PAUSE_MS // _FRAME_MS)
    starts = heard[np.concatenate([[0], gaps + 1])]
    ends = heard[np.concatenate([gaps, [len(heard) - 1]])]
    for start, end in zip(starts, ends, strict=True):
        yield max(0, int(start) - margin), min(len(levels), int(end) + 1 + margin)


def _shortened(levels: npt.NDArray[np.float32], start: int, end: int) -> Iterator[tuple[int, int]]:
    longest = LONGEST_MS // _FRAME_MS
    while end - start > longest:
        half = start + longest // 2
        cut = half + int(np.argmin(levels[half : start + longest]))
        yield start, cut
        start = cut
    yield start, end
