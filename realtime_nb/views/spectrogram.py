"""Spectrograms of clips and records: energy over time and frequency, by librosa, which loads with the first."""

from __future__ import annotations

import base64
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ..conversation.conversation import Conversation
from ..conversation.records import Reply, Turn
from ..display import Record
from ..errors import AudioError
from ..media.activity import Span, speech_spans
from ..media.clip import AudioClip
from ..progress import Progress
from .html import picture
from .tracks import Piece, Source, Track, Word, extent_s, tracks_of, within

# --- From samples to energy over time and frequency: librosa's transforms with one set of options ---------------------

Kind = Literal["mel", "stft", "cqt", "vqt"]
_OCTAVE_KINDS = ("cqt", "vqt")
_MEL_BANDS, _OCTAVE_BANDS = 80, 24
#: C2, below the lowest voices; lower bands need windows of seconds.
_LOWEST_NOTE_HZ = 65.4
#: What the low-pass filters of librosa's octaves leave of the highest one.
_PASSED = 0.85


class Transform:
    """One of librosa's transforms at a sample rate; arguments as for `realtime_nb.spectrogram`, checked here."""

    def __init__(
        self,
        kind: Kind,
        sample_rate: int,
        *,
        bands: int | None,
        hop_ms: float,
        window_ms: float | None,
        lowest_hz: float | None,
        highest_hz: float | None,
    ):
        if kind not in get_args(Kind):
            raise AudioError(f"kind={kind!r} is not one of {', '.join(get_args(Kind))}")
        for name, value in (("bands", bands), ("hop_ms", hop_ms), ("window_ms", window_ms)):
            if value is not None and not 0 < value < math.inf:
                raise AudioError(f"{name}={value} must be positive")
        if bands is not None and kind == "stft":
            raise AudioError(f"bands={bands} does not go with kind='stft', whose bands follow from window_ms")
        if window_ms is not None and kind in _OCTAVE_KINDS:
            raise AudioError(f"window_ms={window_ms} does not go with kind={kind!r}, which has a window for each band")
        self.kind, self.sample_rate = kind, sample_rate
        self.hop = max(1, round(sample_rate * hop_ms / 1000))
        self.window = max(4 * self.hop if window_ms is None else round(sample_rate * window_ms / 1000), 64)
        top_hz = sample_rate / 2 * (_PASSED if kind in _OCTAVE_KINDS else 1.0)
        self.highest_hz = top_hz if highest_hz is None else min(float(highest_hz), top_hz)
        self.lowest_hz = float(lowest_hz or (_LOWEST_NOTE_HZ if kind in _OCTAVE_KINDS else 0.0))
        if not 0 <= self.lowest_hz < self.highest_hz:
            raise AudioError(
                f"lowest_hz={self.lowest_hz:g} must be below highest_hz={self.highest_hz:g}, which the sample rate of "
                f"{sample_rate} Hz limits to {top_hz:g}"
            )
        default = _OCTAVE_BANDS if kind in _OCTAVE_KINDS else min(_MEL_BANDS, self.window // 4)
        self.bands = default if bands is None else int(bands)
        if not len(self.frequencies_hz):
            raise AudioError(f"there is no band from lowest_hz={self.lowest_hz:g} to highest_hz={self.highest_hz:g}")

    @cached_property
    def frequencies_hz(self) -> npt.NDArray[np.float64]:
        """[shape=(frequencies,)] Centre of each band."""
        import librosa

        found: Any
        if self.kind == "mel":
            # The first and the last are edges of bands, not centres.
            found = librosa.mel_frequencies(n_mels=self.bands + 2, fmin=self.lowest_hz, fmax=self.highest_hz)[1:-1]
        elif self.kind == "stft":
            found = librosa.fft_frequencies(sr=self.sample_rate, n_fft=self.window)[self._rows]
        else:
            count = int(self.bands * math.log2(self.highest_hz / self.lowest_hz))
            found = librosa.cqt_frequencies(count, fmin=self.lowest_hz, bins_per_octave=self.bands)
        return np.asarray(found, np.float64)

    def power(self, clip: AudioClip, silence: int) -> npt.NDArray[np.float32]:
        """Return the energy of a clip behind `silence` samples.

        Frames are centred at multiples of `hop` samples, those of the silence included.
        """
        samples = clip.resample(self.sample_rate).samples
        frames = 1 + (silence + len(samples)) // self.hop
        # librosa warns of sounds that are shorter than a window.
        behind = max(0, self._longest_window - silence - len(samples))
        found = self._transformed(np.pad(samples, (silence, behind)))
        return np.asarray(found[:, :frames], np.float32)

    @property
    def _rows(self) -> slice:
        """The rows of a Fourier transform between the limits."""
        width_hz = self.sample_rate / self.window
        return slice(math.ceil(self.lowest_hz / width_hz), int(self.highest_hz / width_hz) + 1)

    @cached_property
    def _longest_window(self) -> int:
        if self.kind not in _OCTAVE_KINDS:
            return self.window
        longest = self.sample_rate / (self.lowest_hz * (2 ** (1 / self.bands) - 1))
        return int(2 ** math.ceil(1 + math.log2(longest)))

    def _transformed(self, samples: npt.NDArray[np.float32]) -> Any:
        import librosa

        if self.kind == "mel":
            return librosa.feature.melspectrogram(
                y=samples,
                sr=self.sample_rate,
                n_fft=self.window,
                hop_length=self.hop,
                n_mels=self.bands,
                fmin=self.lowest_hz,
                fmax=self.highest_hz,
            )
        if self.kind == "stft":
            return np.abs(librosa.stft(samples, n_fft=self.window, hop_length=self.hop)[self._rows]) ** 2
        transformed = librosa.cqt if self.kind == "cqt" else librosa.vqt
        return (
            np.abs(
                transformed(
                    samples,
                    sr=self.sample_rate,
                    hop_length=self.hop,
                    fmin=self.lowest_hz,
                    n_bins=len(self.frequencies_hz),
                    bins_per_octave=self.bands,
                )
            )
            ** 2
        )


# --- Spectrograms of clips and records: energy over time and frequency, by librosa, which loads with the first one ----

# matplotlib's state and librosa's first call are not made for several threads.
_drawing = threading.Lock()
# A picture of a long conversation shows no more frames than this.
_FRAMES = 6_000


@dataclass(frozen=True, eq=False)
class Side:
    """One voice of a spectrogram; all times are on the picture's clock, in s."""

    name: str
    """Who speaks; empty for a clip, which is nobody's."""
    power_db: npt.NDArray[np.float32]
    """[shape=(frequencies, times)], in dB below the loudest point of all sides."""
    pieces: tuple[Piece, ...]
    """What was analysed."""
    speech_s: tuple[Span, ...]
    """Where it is loud enough to be speech, as start and end; see `realtime_nb.media.activity.speech_spans`."""
    words: tuple[Word, ...]
    """Words as text, start and end, as far as somebody told their times."""
    unheard_s: tuple[Span, ...]
    """What was generated but not heard, as the cut and the end."""


@dataclass(frozen=True, eq=False, repr=False)
class Spectrogram(Record):
    """The energy of sound over time and frequency, of one side or of several on one clock.

    Its picture has a transparent ground and reads on light and dark pages alike.
    """

    kind: str
    sides: tuple[Side, ...]
    """From top to bottom: the person, then the model."""
    times_s: npt.NDArray[np.float64]
    """[shape=(times,)] Centre of each frame."""
    frequencies_hz: npt.NDArray[np.float64]
    """[shape=(frequencies,)] Centre of each band."""
    range_db: float

    @property
    def power_db(self) -> npt.NDArray[np.float32]:
        """[shape=(frequencies, times)] All sides together: of each point the loudest."""
        loudest: npt.NDArray[np.float32] = np.maximum.reduce([side.power_db for side in self.sides])
        return loudest

    @property
    def duration_s(self) -> float:
        """From the beginning of the first sound to the end of the last."""
        start_s, stop_s = extent_s(self.sides)
        return stop_s - start_s

    @cached_property
    def png(self) -> bytes:
        """The picture as a PNG."""
        from .spectrogram_picture import png

        with _drawing:
            return png(self)

    @cached_property
    def svg(self) -> str:
        """The picture as an SVG document; the energy in it is an image, all else is drawn."""
        from .spectrogram_picture import svg

        with _drawing:
            return svg(self)

    def save(self, path: str | Path) -> Path:
        """Write the picture to a file that ends in ``.png`` or ``.svg``; return its path."""
        path = Path(path)
        if path.suffix.lower() not in (".png", ".svg"):
            raise AudioError(f"{str(path)!r} must end in .png or .svg")
        path.write_bytes(self.png if path.suffix.lower() == ".png" else self.svg.encode())
        return path

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_()
        # Beside the PNG it would only make notebooks larger; `display(…, include=["image/svg+xml"])` asks for it.
        return bundle | {"image/svg+xml": self.svg} if include and "image/svg+xml" in include else bundle

    def __repr__(self) -> str:
        names = " and ".join(side.name for side in self.sides if side.name)
        whose = f" of {names}" if names else ""
        return f"Spectrogram({self.kind}{whose}, {len(self.frequencies_hz)} bands, {self.duration_s:.2f} s)"


def spectrogram(
    source: Source,
    kind: Kind = "mel",
    *,
    bands: int | None = None,
    hop_ms: float | None = None,
    window_ms: float | None = None,
    lowest_hz: float | None = None,
    highest_hz: float | None = None,
    start_s: float | None = None,
    stop_s: float | None = None,
    range_db: float = 80.0,
    words: Mapping[str, Sequence[Word]] | Sequence[Word] | None = None,
) -> Spectrogram:
    """Analyse sound over time and frequency.

    Of a reply, the question and the answer lie on one clock, whose zero is the moment from which `Reply.timing`
    counts; of a conversation, all turns on the session's. A turn lies where it sounded (`Turn.began_at_ms`). An
    answer that no speaker played is drawn from the arrival of its audio on. Clips that were asked one after another,
    faster than they sound, are moved behind each other.

    Parameters
    ----------
    source : AudioClip, Turn, Reply, Conversation or Recording
        What to analyse; of a recording or a session, or whatever else has a ``conversation``, that.
    kind : {"mel", "stft", "cqt", "vqt"}, default "mel"
        How frequencies are divided: on the mel scale (Slaney's), evenly, or in equal parts of an octave, with windows
        of constant quality (`librosa.cqt`) or shorter ones for low frequencies (`librosa.vqt`).
    bands : int, optional
        Number of mel bands, 80 by default; for "cqt" and "vqt" the number in an octave, 24 by default.
    hop_ms : float, optional
        Distance of frames; by default 10, and more beyond a minute, so that there are never more than 6,000.
    window_ms : float, optional
        Length of the window for "mel" and "stft"; four times the distance of frames by default.
    lowest_hz, highest_hz : float, optional
        Limits of the frequencies; by default from 0 (for "cqt" and "vqt", 65.4) to half the sample rate.
    start_s, stop_s : float, optional
        Limits on the picture's clock; by default everything.
    range_db : float, default 80.0
        What is further below the loudest point of all is drawn as silence.
    words : sequence of (str, float, float), or mapping of side names to such, optional
        Words with start and end, in s on the picture's clock. By default those that a transcriber timed
        (`Turn.words`).

    Returns
    -------
    spectrogram : Spectrogram
        Arrays, and a picture.

    Raises
    ------
    AudioError
        If there is no audio, or an option cannot be.

    See Also
    --------
    realtime_nb.media.activity.speech_spans : What is marked as speech, and what that does not mean.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> rt.spectrogram(rt.speak("What can you do?"))
    Spectrogram(mel, 80 bands, ... s)
    """
    if not isinstance(source, AudioClip | Turn | Reply | Conversation) and not hasattr(source, "conversation"):
        raise TypeError(
            f"there is no spectrogram of {type(source).__name__}: give a clip, turn, reply, conversation or recording"
        )
    sounding = tracks_of(source)
    if not sounding:
        raise AudioError("there is no audio to draw")
    tracks = within(sounding, start_s, stop_s)
    if not tracks:
        first_s, last_s = extent_s(sounding)
        raise AudioError(f"there is no audio from start_s={start_s} to stop_s={stop_s}, only {first_s:g} to {last_s:g}")
    if hop_ms is None:
        first_s, last_s = extent_s(tracks)
        hop_ms = max(10.0, 1000 * (last_s - first_s) / _FRAMES)
    sample_rate = max(piece.clip.sample_rate for track in tracks for piece in track.pieces)
    transform = Transform(
        kind, sample_rate, bands=bands, hop_ms=hop_ms, window_ms=window_ms, lowest_hz=lowest_hz, highest_hz=highest_hz
    )
    if not range_db > 0:
        raise AudioError(f"range_db={range_db} must be positive")
    told = _told_words(words, sounding)
    from threadpoolctl import threadpool_limits  # Of scikit-learn's, which comes with librosa.

    # The products of matrices are small: to wait for a second thread takes longer than they do, on a busy machine most.
    with _drawing, Progress("analyse"), threadpool_limits(1, "blas"):
        return _analyse(tracks, transform, range_db, told)


def _told_words(words: Mapping[str, Sequence[Word]] | Sequence[Word] | None, tracks: list[Track]) -> dict[str, Any]:
    """Return the caller's words by side; empty if none are given."""
    if words is None:
        return {}
    names = [track.name for track in tracks]
    if not isinstance(words, Mapping):
        if len(tracks) > 1:
            raise AudioError(f"words of {len(tracks)} sides must say whose they are: give a mapping of {names}")
        words = {names[0]: words}
    for name in words:
        if name not in names:
            raise AudioError(f"words of {name!r}: the sides are {names}")
    return {name: tuple((str(text), float(start), float(stop)) for text, start, stop in words[name]) for name in words}


def _analyse(tracks: list[Track], transform: Transform, range_db: float, words: dict[str, Any]) -> Spectrogram:
    pieces = [_visible(track) for track in tracks]
    start_s, stop_s = extent_s(tracks)
    frames = 1 + int((stop_s - start_s) * transform.sample_rate / transform.hop + 1e-6)
    powers = [_power_of(track, transform, start_s, frames) for track in pieces]
    loudest = max(float(power.max()) for power in powers)
    sides = [
        Side(
            name=track.name,
            power_db=_decibels(power, loudest, range_db),
            pieces=tuple(shown),
            speech_s=tuple((at.start_s + a, at.start_s + b) for at in shown for a, b in speech_spans(at.clip)),
            words=words.get(track.name) or tuple(word for piece in shown for word in piece.words_on_clock),
            unheard_s=tuple((at.sounds_until_s, at.stop_s) for at in shown if at.sounds_until_s < at.stop_s),
        )
        for track, shown, power in zip(tracks, pieces, powers, strict=True)
    ]
    times_s = start_s + np.arange(frames) * transform.hop / transform.sample_rate
    return Spectrogram(transform.kind, tuple(sides), times_s, transform.frequencies_hz, range_db)


def _visible(track: Track) -> list[Piece]:
    """Return a track's pieces, none of which reaches into the next: what is heard goes before what is not."""
    following = [piece.start_s for piece in track.pieces[1:]] + [np.inf]
    cut = (piece.within(-np.inf, until) for piece, until in zip(track.pieces, following, strict=True))
    return [piece for piece in cut if piece is not None]


def _power_of(pieces: list[Piece], transform: Transform, start_s: float, frames: int) -> npt.NDArray[np.float32]:
    power = np.zeros((len(transform.frequencies_hz), frames), np.float32)
    for piece in pieces:
        # Silence before the piece puts its first frame on the common grid.
        first, silence = divmod(round((piece.start_s - start_s) * transform.sample_rate), transform.hop)
        found = transform.power(piece.clip, silence)[:, : frames - first]
        np.maximum(power[:, first : first + found.shape[1]], found, out=power[:, first : first + found.shape[1]])
    return power


def _decibels(power: npt.NDArray[np.float32], loudest: float, range_db: float) -> npt.NDArray[np.float32]:
    floor = 10 ** (-range_db / 10)
    relative = np.maximum(power / loudest, floor) if loudest > 0 else np.full_like(power, floor)
    decibels: npt.NDArray[np.float32] = np.clip(10 * np.log10(relative), -range_db, 0.0).astype(np.float32)
    return decibels


def spectrogram_bundle(record: Spectrogram) -> dict[str, Any]:
    """Return a spectrogram's looks."""
    return {
        "text/plain": repr(record),
        "text/html": picture(record.png, repr(record)),
        "image/png": base64.b64encode(record.png).decode(),
    }
