"""AAC in ADTS frames, as the API's "aac" is; by PyAV, which is loaded when the first such file is read or written."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import AudioError, MissingExtra

#: Sample rates of AAC in Hz that both ends take (ISO/IEC 14496-3, table 1.18; FFmpeg has no 7,350 Hz).
SAMPLE_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000)
_BITS_PER_S = 64_000  # FFmpeg's own encoder is transparent for one channel of speech there.
_FORMAT = "fltp"


def is_aac(data: bytes) -> bool:
    """Whether a file begins with an ADTS frame: twelve bits set, and layer 0, where MPEG audio has 1 to 3."""
    return len(data) > 1 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0


def encode(samples: npt.NDArray[np.float32], sample_rate: int) -> bytes:
    """Return mono samples as a file.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,)], float32
        Full scale 1.0. The decoder puts some 40 ms of silence around them: ADTS has no place to say where sound begins.
    sample_rate : int
        One of `SAMPLE_RATES`.

    Raises
    ------
    MissingExtra
        If PyAV is not installed.
    """
    av = _library()
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="adts") as container:
        stream = container.add_stream("aac", rate=sample_rate, layout="mono", format=_FORMAT)
        stream.bit_rate = _BITS_PER_S
        # Without a sample the encoder makes no file.
        plane = (samples if len(samples) else np.zeros(1, "f4"))[None, :]
        frame = av.AudioFrame.from_ndarray(plane, _FORMAT, "mono")
        frame.sample_rate = sample_rate
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return buffer.getvalue()


def decode(data: bytes, longest_s: float = math.inf) -> tuple[npt.NDArray[np.float32], int]:
    """Return the samples of a file, its channels averaged, and their rate in Hz.

    Parameters
    ----------
    data : bytes
        ADTS frames.
    longest_s : float, optional
        Seconds of mono sound that may be in it; decoding stops there.

    Raises
    ------
    AudioError
        If it cannot be decoded, or is longer.
    MissingExtra
        If PyAV is not installed.
    """
    av = _library()
    try:
        pieces, sample_rate = _frames(av, data, longest_s)
    except av.FFmpegError as error:
        raise AudioError(f"{len(data)} bytes of AAC cannot be decoded: {error}") from error
    if not pieces:
        raise AudioError(f"{len(data)} bytes of AAC hold no samples")
    return np.concatenate(pieces), sample_rate


def _frames(av: Any, data: bytes, longest_s: float) -> tuple[list[npt.NDArray[np.float32]], int]:
    pieces: list[npt.NDArray[np.float32]] = []
    seconds, sample_rate = 0.0, 0
    # By name: a guess by content would open playlists, too, and what they point to.
    with av.open(io.BytesIO(data), format="aac") as container:
        for frame in container.decode(audio=0):
            samples, sample_rate = frame.to_ndarray(), frame.sample_rate
            seconds += samples.size / min(sample_rate, 48_000)
            if seconds > longest_s:
                raise AudioError(f"{len(data)} bytes of AAC hold more than the {longest_s:.0f} s that are taken")
            pieces.append(samples.mean(axis=0))
    return pieces, sample_rate


def _library() -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingExtra("AAC", "aac", str(error)) from error
    return av
