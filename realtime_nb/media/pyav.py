"""Formats that libsndfile does not read or write, by PyAV (FFmpeg), which is loaded with the first such file."""

from __future__ import annotations

import io
import itertools
import math
import warnings
from typing import TYPE_CHECKING, Any

from ..errors import AudioError
from ..numeric import np

if TYPE_CHECKING:
    import numpy.typing as npt

#: AAC's sample rates in Hz, as far as FFmpeg has them (ISO/IEC 14496-3, table 1.18; FFmpeg has no 7,350 Hz).
SAMPLE_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000)
_BITS_PER_S = 64_000  # At this rate FFmpeg's own encoder is transparent for one channel of speech.
_SAMPLES = "fltp"
# FFmpeg's names for files, by the bytes at a position near their start. FFmpeg is always told the name: on its own it
# would also open playlists, and what they point to.
_BEGINNINGS = (
    (4, b"ftyp", "mp4"),  # M4A, MP4, 3GP
    (4, b"moov", "mp4"),
    (4, b"wide", "mp4"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),  # WebM
    (0, b"#!AMR", "amr"),
    (0, b"caff", "caf"),
    (0, bytes.fromhex("3026b2758e66cf11"), "asf"),  # WMA
    (0, b"OggS", "ogg"),
    (0, b"RIFF", "wav"),
    (0, b"FORM", "aiff"),
    (0, b".snd", "au"),
)

#: Those for which FFmpeg can only guess the length.
_WITHOUT_LENGTH = ("aac", "amr")
#: Encoders pad the sound by less than this.
_INEXACT_S = 0.15
#: Those that libsndfile reads too, with better errors.
READABLE_TOO = ("ogg", "wav", "aiff", "au")


def format_of(data: bytes) -> str | None:
    """Return FFmpeg's name for a file's format, from its first bytes; `None` if FFmpeg should not read it."""
    if is_aac(data):
        return "aac"
    if data[:4] == b"fLaC" and len(data) > 21 and data[20] & 1 and data[21] >> 4 == 15:  # 32 bits (RFC 9639 §8.2)
        return "flac"
    return next((name for at, mark, name in _BEGINNINGS if data[at : at + len(mark)] == mark), None)


def is_aac(data: bytes) -> bool:
    """Return whether a file begins with an ADTS frame: twelve bits set, and layer 0 (MPEG audio has 1 to 3)."""
    return len(data) > 1 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0


def encode(samples: npt.NDArray[np.float32], sample_rate: int) -> bytes:
    """Return mono samples as AAC in ADTS frames, like the API's "aac".

    `samples`: full scale 1.0. Decoding adds some 40 ms of silence around them, because ADTS cannot say where the sound
    begins.

    Raises `AudioError` if PyAV is not installed.
    """
    av = _library("AAC")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="adts") as container:
        stream = container.add_stream("aac", rate=sample_rate, layout="mono", format=_SAMPLES)
        stream.bit_rate = _BITS_PER_S
        # The encoder writes no file if there are no samples.
        plane = (samples if len(samples) else np.zeros(1, "f4"))[None, :]
        frame = av.AudioFrame.from_ndarray(plane, _SAMPLES, "mono")
        frame.sample_rate = sample_rate
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return buffer.getvalue()


def decode(data: bytes, format: str, name: str, longest_s: float = math.inf) -> tuple[npt.NDArray[np.float32], int]:
    """Return the samples of a file's first sound track, and their rate in Hz.

    The rate is that of the start; later parts with another rate are resampled, and channels are mixed to one.

    Raises `AudioError` if it cannot be decoded, holds no sound, or is longer; or if PyAV is not installed.
    """
    av = _library(repr(name))
    try:
        planes, sample_rate = _planes(av, data, format, name, longest_s)
    except av.FFmpegError as error:
        raise AudioError(f"{name!r} cannot be decoded ({error.strerror}): convert it to WAV or FLAC") from error
    if not planes:
        raise AudioError(f"{name!r} holds no samples")
    if len({len(plane) for plane in planes}) > 1:
        planes = [plane.mean(axis=0, keepdims=True) for plane in planes]
    return np.concatenate(planes, axis=1).T, sample_rate


def _planes(
    av: Any, data: bytes, format: str, name: str, longest_s: float
) -> tuple[list[npt.NDArray[np.float32]], int]:
    planes: list[npt.NDArray[np.float32]] = []
    seconds, sample_rate, announced_s = 0.0, 0, 0.0
    with av.open(io.BytesIO(data), format=format) as container:
        if not container.streams.audio:
            raise AudioError(f"{name!r} has no sound track")
        if format not in _WITHOUT_LENGTH:
            announced_s = _announced_s(container)
        # A resampler takes frames of only one kind, and passes others through unchanged.
        for _, frames in itertools.groupby(container.decode(audio=0), _kind):
            resampler = None
            for frame in itertools.chain(frames, [None]):
                if resampler is None:
                    sample_rate = sample_rate or frame.sample_rate
                    resampler = av.AudioResampler(format=_SAMPLES, layout=frame.layout, rate=sample_rate)
                for each in resampler.resample(frame):
                    samples = each.to_ndarray()
                    seconds += samples.size / min(sample_rate, 48_000)
                    if seconds > longest_s:
                        raise AudioError(f"{name!r} holds more than {longest_s:.0f} s, the most that is taken")
                    planes.append(samples)
    has_s = sum(plane.shape[1] for plane in planes) / sample_rate if planes else 0.0
    if planes and announced_s - has_s > _INEXACT_S:
        text = f"{name!r} announces {announced_s:.2f} s of sound, but has only {has_s:.2f} s"
        warnings.warn(text, UserWarning, stacklevel=2)
    return planes, sample_rate


def _announced_s(container: Any) -> float:
    """Return how many seconds of sound a file's header announces; 0 if it does not."""
    track = container.streams.audio[0]
    if track.duration is not None:
        return float(track.duration * track.time_base)
    # The whole file's duration may be that of a film.
    is_sound = len(container.streams) == 1 and container.duration is not None
    return container.duration / 1e6 if is_sound else 0.0


def _kind(frame: Any) -> tuple[int, str, str]:
    return frame.sample_rate, frame.layout.name, frame.format.name


def _library(what: str) -> Any:
    try:
        import av
    except ImportError as error:
        raise AudioError(f"{what} needs PyAV ({error}): run  pip install 'realtime-nb[aac]'") from error
    return av
