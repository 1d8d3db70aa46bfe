"""Spectrograms of clips and records: energy over time and frequency, by librosa, which loads with the first one."""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..activity import Span, speech_spans
from ..audio import AudioClip
from ..conversation import Conversation
from ..errors import AudioError
from ..progress import Progress
from ..record import Record
from ..turns import Reply, Turn
from .html import picture
from .tracks import Piece, Source, Track, Word, extent_s, tracks_of, within
from .transforms import Kind, Transform

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
    """Where it is loud enough to be speech, as start and end; see `realtime_nb.activity.speech_spans`."""
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
    realtime_nb.activity.speech_spans : What is marked as speech, and what that does not mean.

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
    """Return the caller's words by side; empty where none are given."""
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
