"""Audio as samples and a rate, and the formats that it is sent and saved in.

Everything inside the package is mono. On the wire it is PCM16 at 24 kHz (Realtime API reference,
``audio.input.format``) or G.711 at 8 kHz; in files it is what `sound_files` reads, and what `encode` writes.
"""

from __future__ import annotations

import bisect
import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..display import Record
from ..errors import AudioError
from ..files import missing, write_private
from ..numeric import np, soundfile, soxr
from . import pyav, sound_files

if TYPE_CHECKING:
    import numpy.typing as npt

#: Rate of PCM16 on the Realtime wire, in Hz.
WIRE_SAMPLE_RATE = 24_000

Samples: TypeAlias = "npt.NDArray[np.float32]"

# libsndfile's names for what `AudioClip.encode` writes: container, subtype.
_FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "opus": ("OGG", "OPUS"),
    "ogg": ("OGG", "VORBIS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
# Rates in Hz that an encoder takes (WAV: libsndfile; FLAC: its format, §8.2 of RFC 9639; Opus: RFC 6716 §2; Vorbis:
# libvorbis, which ends the process at others; MP3: MPEG-1, MPEG-2 and MPEG-2.5 layer III); others are resampled first.
_CODEC_RATES: dict[str, tuple[Sequence[int], ...]] = {
    "wav": (range(1, 2**31),),
    "flac": (range(1, 65_536), range(65_540, 655_351, 10)),
    "ogg": (range(1, 200_001),),
    "opus": ((8_000, 12_000, 16_000, 24_000, 48_000),),
    "mp3": ((8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),),
    "aac": (pyav.SAMPLE_RATES,),
}
# libsndfile's Vorbis encoder puts everything it gets at once on the stack; a few minutes end the process (libsndfile
# issue 1095).
_ENCODED_AT_ONCE = 65_536
MIME_TYPES = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "opus": "audio/ogg",
    "ogg": "audio/ogg",
    "mp3": "audio/mpeg",
    "aac": "audio/aac",
}


def check_is_clip(value: object) -> None:
    """Raise `TypeError` if the value is not a clip, and say how to get one."""
    if isinstance(value, str | Path):
        kind = "text" if isinstance(value, str) else "path"
        file = f"AudioClip.from_file({str(value)!r})"
        raise TypeError(f"{str(value)!r} is a {kind}, not a clip: give {file}, or speak(…) for words")
    if not isinstance(value, AudioClip):
        raise TypeError(f"{type(value).__name__} is not a clip: give an AudioClip")


#: Extensions of sound files, for listing folders; reading a file does not depend on its extension.
SOUND_ENDINGS = frozenset(
    (
        *("wav", "wave", "bwf", "rf64", "w64", "flac", "ogg", "oga", "opus", "mp3", "mp2", "mpga", "aac", "adts"),
        *("m4a", "m4b", "m4r", "mp4", "3gp", "3gpp", "3g2", "webm", "weba", "mka", "amr", "awb", "wma", "spx"),
        *("aif", "aiff", "aifc", "au", "snd", "caf", "voc", "nist", "sph", "ircam", "sf", "avr", "pvf", "paf", "iff"),
        *("svx", "8svx", "16svx", "htk", "sds", "wve", "xi"),
    )
)


def codec_rate(format: str, sample_rate: int) -> int:
    """Return the rate in Hz for encoding sound of `sample_rate`: the same, or the next one up, or the highest."""
    for rates in _CODEC_RATES[format]:
        at = bisect.bisect_left(rates, sample_rate)
        if at < len(rates):
            return rates[at]
    return _CODEC_RATES[format][-1][-1]


def is_sound_file(path: Path) -> bool:
    """Return whether a path leads to a file with a sound's extension that is not a system's own file."""
    # "._a.wav" holds macOS's metadata of "a.wav" where the file system has no place for it.
    return path.suffix.lower().lstrip(".") in SOUND_ENDINGS and not path.name.startswith("._") and path.is_file()


def to_pcm16(y: npt.NDArray[np.floating]) -> bytes:
    """Encode samples as 16-bit little-endian PCM.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)], floating
        Mono samples, full scale 1.0; louder samples are clipped, not wrapped.

    Returns
    -------
    pcm : bytes [length=2n]
        Scale 32768, so ``to_pcm16(from_pcm16(pcm)) == pcm`` for every PCM16 string.

    Raises
    ------
    AudioError
        If `y` is not one-dimensional floating point, or not finite everywhere.

    Notes
    -----
    Format: Realtime API reference, session ``audio.input.format``, "audio/pcm".
    """
    y = np.clip(_checked_samples(y), -1.0, 1.0)
    # Half precision has no 32767.
    y = y.astype(np.promote_types(y.dtype, np.float32), copy=False)
    return bytes(np.clip(np.rint(y * 32768.0), -32768, 32767).astype("<i2").tobytes())


def _check_pcm16(pcm: bytes | bytearray | memoryview) -> None:
    length = memoryview(pcm).nbytes
    if length % 2:
        raise AudioError(f"PCM16 has two bytes a sample, but {length} bytes were given")


def from_pcm16(pcm: bytes | bytearray | memoryview) -> Samples:
    """Decode 16-bit little-endian PCM.

    Parameters
    ----------
    pcm : bytes-like [length=2n]
        Mono samples.

    Returns
    -------
    y : np.ndarray [shape=(n,)], float32
        In [-1, 1).

    Raises
    ------
    AudioError
        If the length is odd.
    """
    _check_pcm16(pcm)
    return np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(32768.0)


def _checked_samples(given: object) -> npt.NDArray[np.floating]:
    if isinstance(given, str | Path):
        raise AudioError(f"{str(given)!r} is not an array of samples: give AudioClip.from_file({str(given)!r})")
    y: npt.NDArray[np.floating] = np.asarray(given)
    if y.ndim != 1 or not np.issubdtype(y.dtype, np.floating):
        raise AudioError(
            f"samples of shape {y.shape} and type {y.dtype} are not mono floating point: "
            "average the channels and divide integers by full scale first"
        )
    if not (np.abs(y) <= np.finfo(np.float32).max).all():
        raise AudioError("samples must be finite in single precision, but some are NaN, infinite or larger")
    return y


def checked_sample_rate(sample_rate: Any) -> int:
    """Return `sample_rate` in Hz as an `int`; raise `AudioError` unless it is a positive whole number."""
    # numpy's numbers are asked about last: most rates are Python's own, and then numpy need not be there yet.
    is_number = isinstance(sample_rate, int | float) or isinstance(sample_rate, np.integer | np.floating)
    if not is_number or not math.isfinite(sample_rate):
        raise AudioError(f"sample_rate={sample_rate!r} must be a number of Hz")
    if sample_rate <= 0 or int(sample_rate) != sample_rate:
        raise AudioError(f"sample_rate={sample_rate} must be positive and whole")
    return int(sample_rate)


class Resampler:
    """Resample a PCM16 stream chunk by chunk, keeping the filter's state; equal rates pass the chunks through."""

    def __init__(self, rate_in: int, rate_out: int):
        self.rate_in = checked_sample_rate(rate_in)
        self.rate_out = checked_sample_rate(rate_out)
        same = self.rate_in == self.rate_out
        # In floating point: soxr dithers 16-bit output by chunk, so that silence hisses and no stream comes out twice.
        self._stream = None if same else soxr.ResampleStream(self.rate_in, self.rate_out, 1, dtype="float32")

    def process(self, pcm: bytes, *, last: bool = False) -> bytes:
        """Resample the next chunk, which may be empty, and return what is ready by now.

        `last`: whether the stream ends here; this returns what the filter still holds, and starts over.

        Raises `AudioError` if the length is odd.
        """
        _check_pcm16(pcm)
        if self._stream is None:  # The usual case of a live microphone, fifty times a second.
            return bytes(pcm)
        out = self._stream.resample_chunk(from_pcm16(pcm), last=last)
        if last:
            self._stream.clear()
        return to_pcm16(out)


@dataclass(frozen=True, eq=False, repr=False)
class AudioClip(Record):
    """A piece of mono audio.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,)], floating
        Full scale 1.0; kept as float32.
    sample_rate : int, default 24000
        In Hz.
    comment : str, optional
        A comment for the metadata of its files, e.g. that an AI made the voice; AAC has no place for it.

    Raises
    ------
    AudioError
        If the samples are not mono, floating point and finite, or the rate is not positive and whole.

    Warns
    -----
    UserWarning
        If the samples are so far beyond full scale that they were probably not divided by it.

    Examples
    --------
    >>> import numpy as np
    >>> clip = AudioClip(np.zeros(12_000), sample_rate=24_000)
    >>> clip.duration_s
    0.5
    """

    samples: Samples
    sample_rate: int = WIRE_SAMPLE_RATE
    comment: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sample_rate", checked_sample_rate(self.sample_rate))
        object.__setattr__(self, "samples", _checked_samples(self.samples).astype(np.float32, copy=False))
        if self.peak > sound_files.UNDIVIDED:
            warnings.warn(
                f"the samples reach {self.peak:,.6g} × full scale, and would be clipped: divide them by their own,  "
                "which is 32,768 for numbers of 16 bits",
                UserWarning,
                stacklevel=3,
            )

    @classmethod
    def from_pcm16(cls, pcm: bytes, sample_rate: int = WIRE_SAMPLE_RATE) -> AudioClip:
        """Make a clip from 16-bit little-endian mono PCM at `sample_rate` Hz."""
        return cls(from_pcm16(pcm), sample_rate)

    @classmethod
    def from_file(cls, path: str | Path) -> AudioClip:
        """Read an audio file in any format of libsndfile (WAV, FLAC, Ogg, Opus, MP3, AIFF, GSM 6.10, …) or FFmpeg.

        Several channels are averaged; if they cancel each other, the loudest is taken. Several files of one kind that
        are joined end to end are one clip. Floating point beyond full scale is scaled.

        Raises
        ------
        AudioError
            If the file is missing, empty, damaged or not audio. M4A, MP4, WebM, 3GP, AMR, AAC and others that only
            FFmpeg reads need PyAV, from the extra ``aac``.

        Warns
        -----
        UserWarning
            If the samples are scaled, a channel is left out, or sound is missing.

        Examples
        --------
        >>> import realtime_nb as rt
        >>> path = rt.speak("What can you do?").save("question.flac")
        >>> rt.AudioClip.from_file(path).sample_rate
        24000
        """
        path = Path(path)
        if not path.is_file():
            raise AudioError(missing(path))
        if path.stat().st_size == 0:
            raise AudioError(f"{str(path)!r} is an empty file: record or export it again")
        # Without the name, because libsndfile guesses by its extension: it reads a ".raw" as samples without a header.
        return cls._read(path.read_bytes(), str(path))

    @classmethod
    def from_bytes(cls, data: bytes, *, longest_s: float = math.inf) -> AudioClip:
        """Read an audio file held in memory; formats and errors as in `from_file`.

        Parameters
        ----------
        data : bytes
            The file.
        longest_s : float, optional
            The most seconds of mono sound to take (fewer at rates above 48 kHz). Longer files raise `AudioError`
            before more is decoded.
        """
        return cls._read(data, f"{len(data)} bytes", longest_s)

    @classmethod
    def _read(cls, data: bytes, name: str, longest_s: float = math.inf) -> AudioClip:
        return cls(*sound_files.read(data, name, longest_s))

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    @property
    def peak(self) -> float:
        """Largest magnitude, full scale 1.0; 0.0 for an empty clip."""
        return float(np.abs(self.samples).max(initial=0.0))

    def resample(self, sample_rate: int) -> AudioClip:
        """Return the clip at another rate (soxr, high quality)."""
        sample_rate = checked_sample_rate(sample_rate)
        if sample_rate == self.sample_rate:
            return self
        return AudioClip(soxr.resample(self.samples, self.sample_rate, sample_rate), sample_rate, self.comment)

    def cut(self, start_s: float = 0.0, stop_s: float | None = None) -> AudioClip:
        """Return the part from `start_s` to `stop_s` seconds, or up to the clip's end."""
        start = max(0, round(start_s * self.sample_rate))
        stop = len(self.samples) if stop_s is None else max(start, round(stop_s * self.sample_rate))
        return AudioClip(self.samples[start:stop], self.sample_rate, self.comment)

    def to_pcm16(self, sample_rate: int | None = None) -> bytes:
        """Return 16-bit little-endian PCM, resampled to `sample_rate` Hz if given."""
        return to_pcm16((self if sample_rate is None else self.resample(sample_rate)).samples)

    def encode(self, format: str = "wav") -> bytes:
        """Return the clip as a file in memory.

        Parameters
        ----------
        format : {"wav", "flac", "opus", "ogg", "mp3", "aac"}, default "wav"
            "opus" is Opus in an Ogg container, "ogg" Vorbis, "aac" AAC in ADTS frames. If the format lacks the clip's
            rate, it is resampled to the next one up, or to the highest.

        Raises
        ------
        AudioError
            If the format is not one of these, or if it is AAC and PyAV, from the extra ``aac``, is not installed.
        """
        if format not in MIME_TYPES:
            raise AudioError(f"format={format!r} is not one of {', '.join(MIME_TYPES)}")
        clip = self.resample(codec_rate(format, self.sample_rate))
        if format == "aac":
            return pyav.encode(clip.samples, clip.sample_rate)
        container, subtype = _FORMATS[format]
        buffer = io.BytesIO()
        # Scaled as on the wire, so that lossless formats give back exactly the PCM16 that was received.
        channels = clip._channels
        samples: npt.NDArray[np.generic] = channels
        if subtype == "PCM_16":
            samples = np.frombuffer(to_pcm16(channels.ravel()), "<i2").reshape(channels.shape)
        count = 1 if channels.ndim == 1 else channels.shape[1]
        # About 40 kbit/s: speech sounds unchanged, and libsndfile's default takes half as much again.
        level = 0.8 if format == "mp3" else None
        with soundfile.SoundFile(
            buffer, "w", clip.sample_rate, count, subtype=subtype, format=container, compression_level=level
        ) as file:
            if self.comment:
                file.comment = self.comment
            for start in range(0, len(samples), _ENCODED_AT_ONCE):
                file.write(samples[start : start + _ENCODED_AT_ONCE])
        return buffer.getvalue()

    @property
    def _channels(self) -> Samples:
        """The samples for a file, or a column of them for each channel."""
        return self.samples

    def save(self, path: str | Path) -> Path:
        """Write the clip to a file and return its path; the extension names the format, as in `encode`.

        A voice is personal, so only you can read a new file; ``path.chmod(0o644)`` lets others read it. An existing
        file keeps its permissions.

        Examples
        --------
        >>> import realtime_nb as rt
        >>> clip = rt.speak("What can you do?")
        >>> [clip.save(f"question{suffix}").suffix for suffix in (".wav", ".flac", ".mp3")]
        ['.wav', '.flac', '.mp3']
        """
        path = Path(path)
        write_private(path, self.encode(path.suffix.lstrip(".").lower()))
        return path

    def __repr__(self) -> str:
        return f"AudioClip({self.duration_s:.2f} s, {self.sample_rate} Hz)"


def concatenate(clips: list[AudioClip]) -> AudioClip:
    """Join clips end to end, at the rate of the first."""
    if not clips:
        raise AudioError("there is no clip to join")
    rate = clips[0].sample_rate
    comment = next((clip.comment for clip in clips if clip.comment), "")
    return AudioClip(np.concatenate([clip.resample(rate).samples for clip in clips]), rate, comment)
