"""Spectrograms of clips and records: energy over time and frequency, and a picture of it.

librosa and matplotlib are loaded with the first one.
"""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..conversation.conversation import Conversation
from ..conversation.records import Reply, Turn
from ..display import Progress, Record
from ..errors import AudioError
from ..media.activity import Span, speech_spans
from ..media.clip import AudioClip
from .html import picture, scrolling
from .plots import BLUE, INK, compact, quiet
from .tracks import DrawnPiece, Source, Track, Word, extent_s, tracks_of, visible, within
from .transforms import Kind, Transform

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# --- The record, and how it is made -----------------------------------------------------------------------------------

# Neither matplotlib's state nor librosa's first call is safe with several threads.
_drawing = threading.Lock()
# The picture of a long conversation has at most this many frames.
_FRAMES = 6_000


@dataclass(frozen=True, eq=False)
class Side:
    """One voice of a spectrogram; all times are on the picture's clock, in s."""

    name: str
    """Who speaks; empty for a clip, which has no speaker."""
    power_db: npt.NDArray[np.float32]
    """[shape=(frequencies, times)], in dB below the loudest point of all sides."""
    pieces: tuple[DrawnPiece, ...]
    """The record that was analysed."""
    speech_s: tuple[Span, ...]
    """Where it is loud enough to be speech, as start and end; see `realtime_nb.media.activity.speech_spans`."""
    words: tuple[Word, ...]
    """Words as text, start and end, if their times are known."""
    unheard_s: tuple[Span, ...]
    """The part that was generated but not heard, as the cut and the end."""


@dataclass(frozen=True, eq=False, repr=False)
class Spectrogram(Record):
    """The energy of sound over time and frequency, for one side or for several on one clock.

    Its picture has a transparent background and is readable on light and dark pages.
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
        """[shape=(frequencies, times)] All sides together: the loudest at each point."""
        loudest: npt.NDArray[np.float32] = np.maximum.reduce([side.power_db for side in self.sides])
        return loudest

    @property
    def duration_s(self) -> float:
        """From the start of the first sound to the end of the last."""
        start_s, stop_s = extent_s(self.sides)
        return stop_s - start_s

    @cached_property
    def png(self) -> bytes:
        """The picture as a PNG."""
        with _drawing:
            return _png(self)

    @cached_property
    def svg(self) -> str:
        """The picture as an SVG document; the energy is an image in it, everything else is vectors."""
        with _drawing:
            return _svg(self)

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

    The question and the answer of a reply are on one clock, which begins at the moment from which `Reply.timing`
    counts; all turns of a conversation are on the session's clock. A turn is drawn where it sounded
    (`Turn.began_at_ms`), and an answer that no speaker played from the arrival of its audio. Clips that were asked one
    after another, faster than they sound, are drawn one after another.

    Parameters
    ----------
    source : AudioClip, Turn, Reply, Conversation or Recording
        What to analyse; a session, or anything else with a ``conversation``, stands for that conversation.
    kind : {"mel", "stft", "cqt", "vqt"}, default "mel"
        How frequencies are divided: on the mel scale (Slaney's), evenly, or in equal parts of an octave, with windows
        of constant quality (`librosa.cqt`) or shorter ones for low frequencies (`librosa.vqt`).
    bands : int, optional
        Number of mel bands, 80 by default; for "cqt" and "vqt" the number in an octave, 24 by default.
    hop_ms : float, optional
        Distance between frames; 10 by default, and more beyond a minute, so that there are at most 6,000.
    window_ms : float, optional
        Length of the window for "mel" and "stft"; four times the distance of frames by default.
    lowest_hz, highest_hz : float, optional
        Limits of the frequencies; by default from 0 (for "cqt" and "vqt", 65.4) to half the sample rate.
    start_s, stop_s : float, optional
        Limits on the picture's clock; by default everything.
    range_db : float, default 80.0
        What is further below the loudest point is drawn as silence.
    words : sequence of (str, float, float), or mapping of side names to such, optional
        Words with their start and end, in s on the picture's clock. By default those that a transcriber timed
        (`Turn.words`).

    Returns
    -------
    spectrogram : Spectrogram
        Arrays, and a picture.

    Raises
    ------
    AudioError
        If there is no audio, or an option is impossible.

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
    if not range_db > 0:
        raise AudioError(f"range_db={range_db} must be positive")
    told = _told_words(words, sounding)
    limits = {"bands": bands, "window_ms": window_ms, "lowest_hz": lowest_hz, "highest_hz": highest_hz}
    with Progress("analyse"):  # Only here: a record that is drawn in the background must not print into a cell.
        return spectrogram_of(tracks, kind, range_db=range_db, words=told, hop_ms=hop_ms, **limits)


def spectrogram_of(
    tracks: list[Track],
    kind: Kind = "mel",
    *,
    range_db: float = 80.0,
    words: dict[str, Any] | None = None,
    hop_ms: float | None = None,
    **limits: Any,
) -> Spectrogram:
    """Analyse tracks, which are not empty, on their clock."""
    if hop_ms is None:
        first_s, last_s = extent_s(tracks)
        hop_ms = max(10.0, 1000 * (last_s - first_s) / _FRAMES)
    sample_rate = max(piece.clip.sample_rate for track in tracks for piece in track.pieces)
    transform = Transform(kind, sample_rate, hop_ms=hop_ms, **limits)
    with _drawing, _one_thread():
        return _analyse(tracks, transform, range_db, words or {})


def _one_thread() -> AbstractContextManager[Any]:
    """Keep matrix products on one thread: they are small, and waiting for a second one takes longer."""
    try:
        from threadpoolctl import threadpool_limits  # From scikit-learn, which comes with librosa.
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[Any] = threadpool_limits(1, "blas")
    return limits


def _told_words(words: Mapping[str, Sequence[Word]] | Sequence[Word] | None, tracks: list[Track]) -> dict[str, Any]:
    """Return the caller's words by side; empty if none were given."""
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
    pieces = [visible(track) for track in tracks]
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


def _power_of(pieces: list[DrawnPiece], transform: Transform, start_s: float, frames: int) -> npt.NDArray[np.float32]:
    power = np.zeros((len(transform.frequencies_hz), frames), np.float32)
    for piece in pieces:
        # Silence before the piece puts its frames on the common grid.
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
    """Return a spectrogram's MIME bundle."""
    return {
        "text/plain": repr(record),
        "text/html": scrolling(picture(record.png, repr(record))),
        "image/png": base64.b64encode(record.png).decode(),
    }


# --- The picture: for each side the waveform with its marks, and the energy below it ----------------------------------

GREEN = "#2f9e5b"
RED = "#e5484d"
_DPI = 110
# In inches.
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 8.0, 0.72, 0.85, 0.24, 0.42
_WAVE, _ENERGY, _BETWEEN = 0.5, 1.5, 0.12
#: The margins of what is drawn over time, as shares of the width.
PLOT_LEFT, PLOT_RIGHT = _LEFT / _WIDTH, _RIGHT / _WIDTH
_COLUMNS = round((_WIDTH - _LEFT - _RIGHT) * _DPI)
_ROWS = round(_ENERGY * _DPI)
#: A waveform with a lower peak than this is not enlarged further.
_QUIETEST = 0.02
#: How many letters a phrase may run ahead of its words.
_AHEAD = 20
_LETTER = 0.055
_OCTAVES_HZ = (62.5, 125, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)


def _png(record: Spectrogram) -> bytes:
    """Return the picture as a PNG with a transparent background."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = _figure(record)
    FigureCanvasAgg(figure)
    return compact(figure)


def _svg(record: Spectrogram) -> str:
    """Return the picture as an SVG document with a transparent background; its letters are outlines."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    figure = _figure(record)
    figure.patch.set_alpha(0)
    buffer = io.StringIO()
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _figure(record: Spectrogram) -> Figure:
    from matplotlib.figure import Figure

    count = len(record.sides)
    height = _TOP + count * (_WAVE + _ENERGY) + (count - 1) * _BETWEEN + _BOTTOM
    # A figure of our own: pyplot's state belongs to your cells. Places are given, because finding them takes longer
    # than the drawing.
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI)

    def axes_at(left: float, top: float, width: float, tall: float) -> Axes:
        axes = figure.add_axes((left / _WIDTH, 1 - (top + tall) / height, width / _WIDTH, tall / height))
        axes.patch.set_alpha(0)
        return axes

    image: Any = None
    width = _WIDTH - _LEFT - _RIGHT
    for number, side in enumerate(record.sides):
        top = _TOP + number * (_WAVE + _ENERGY + _BETWEEN)
        wave, energy = axes_at(_LEFT, top, width, _WAVE), axes_at(_LEFT, top + _WAVE, width, _ENERGY)
        image = _draw_energy(energy, record, side)
        _draw_wave(wave, record, side)
        _mark(wave, energy, side)
        if number < count - 1:
            energy.tick_params(bottom=False, labelbottom=False)
        else:
            energy.set_xlabel("time in s")
        quiet(wave)
        quiet(energy)
    bar = axes_at(_WIDTH - _RIGHT + 0.1, _TOP, 0.12, height - _TOP - _BOTTOM)
    figure.colorbar(image, cax=bar, label="level in dB")
    quiet(bar)
    _explain(figure, record)
    return figure


def _draw_energy(axes: Axes, record: Spectrogram, side: Side) -> Any:
    times_s = record.times_s
    hop_s = float(times_s[1] - times_s[0]) if len(times_s) > 1 else 1.0
    rows = len(record.frequencies_hz)
    sounding = np.zeros(len(times_s), bool)
    for piece in side.pieces:
        sounding |= (times_s >= piece.start_s - hop_s) & (times_s <= piece.stop_s + hop_s)
    levels = np.where(sounding, side.power_db, -np.inf)
    image = axes.imshow(
        np.ma.masked_invalid(_pooled(_pooled(levels, _COLUMNS).T, _ROWS).T),  # The page shows through between turns.
        extent=(times_s[0] - hop_s / 2, times_s[-1] + hop_s / 2, -0.5, rows - 0.5),
        vmin=-record.range_db,
        vmax=0,
        cmap="magma",
        aspect="auto",
        origin="lower",
        interpolation="nearest",
    )
    shown = _ticks_hz(record)
    heights = np.interp(shown, record.frequencies_hz, np.arange(rows))
    axes.set_yticks(heights, labels=[f"{hz:g}" for hz in shown])
    axes.set(ylabel="frequency in Hz", xlim=extent_s(record.sides))
    axes.patch.set(facecolor=INK, alpha=0.08)
    return image


def _ticks_hz(record: Spectrogram) -> list[float]:
    lowest, highest = record.frequencies_hz[0], record.frequencies_hz[-1]
    if record.kind == "stft":
        from matplotlib.ticker import MaxNLocator

        candidates = np.asarray(MaxNLocator(6).tick_values(lowest, highest))
    else:
        candidates = np.array(_OCTAVES_HZ)
    shown: list[float] = []
    for hz in candidates[(candidates >= lowest) & (candidates <= highest)].tolist():
        heights = np.interp([*shown[-1:], hz], record.frequencies_hz, np.arange(len(record.frequencies_hz)))
        # Labels need room for a line.
        if not shown or (heights[-1] - heights[0]) / len(record.frequencies_hz) * _ENERGY > 0.13:
            shown.append(hz)
    return shown


def _draw_wave(axes: Axes, record: Spectrogram, side: Side) -> None:
    first_s, last_s = extent_s(record.sides)
    loudest = max([_QUIETEST, *(piece.clip.peak for each in record.sides for piece in each.pieces)])
    for piece in side.pieces:
        samples = piece.clip.samples / loudest
        if not len(samples):
            continue
        points = int(np.clip(_COLUMNS * piece.clip.duration_s / (last_s - first_s), 2, max(2, len(samples))))
        starts = np.linspace(0, len(samples), points, endpoint=False).astype(int)
        low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
        seconds = np.linspace(piece.start_s, piece.stop_s, points)
        unheard = seconds > piece.sounds_until_s
        axes.fill_between(seconds, low, high, where=~unheard, color=BLUE, linewidth=0.6)
        axes.fill_between(seconds, low, high, where=unheard, color=INK, linewidth=0.6, alpha=0.6)
    axes.set(yticks=[], xticks=[], ylim=(-1.35, 1.0), xlim=(first_s, last_s))
    axes.set_ylabel(_drawable(side.name), parse_math=False)


def _mark(wave: Axes, energy: Axes, side: Side) -> None:
    """Mark speech, words, and what was not heard."""
    for start_s, stop_s in side.speech_s:
        wave.plot([start_s, stop_s], [-1.2, -1.2], color=GREEN, linewidth=3, solid_capstyle="butt")
    for cut_s, stop_s in side.unheard_s:
        energy.axvspan(cut_s, stop_s, facecolor=INK, alpha=0.55, edgecolor="white", hatch="//", linewidth=0)
        for axes in (wave, energy):
            axes.axvline(cut_s, color=RED, linewidth=1.5)
    if side.words:
        wave.set_ylim(-1.35, 1.9)
    for _, start_s, _ in side.words:
        energy.axvline(start_s, color="white", linewidth=0.5, alpha=0.5)
    for at_s, text in _labels(side, *wave.get_xlim()):
        wave.text(at_s, 1.45, _drawable(text), color=INK, size=7, va="center", parse_math=False)


def _labels(side: Side, first_s: float, last_s: float) -> list[tuple[float, str]]:
    """Return labels: each word at its own place if there is room, otherwise phrases at their first word's place."""
    letter_s = _LETTER * (last_s - first_s) / (_WIDTH - _LEFT - _RIGHT)
    labels: list[tuple[float, str]] = []
    for text, start_s, _ in side.words:
        end_s = labels[-1][0] + letter_s * (len(labels[-1][1]) + 1) if labels else -np.inf
        if start_s >= end_s:
            labels.append((start_s, text))
        elif not labels[-1][1].endswith("…"):
            fits = end_s + letter_s * len(text) < min(last_s, start_s + letter_s * _AHEAD)
            labels[-1] = (labels[-1][0], f"{labels[-1][1]} {text}" if fits else f"{labels[-1][1]} …")
    return labels


def _explain(figure: Figure, record: Spectrogram) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    if any(side.speech_s for side in record.sides):
        handles.append(Line2D([], [], color=GREEN, linewidth=3, label="speech"))
    if any(side.unheard_s for side in record.sides):
        handles.append(Line2D([], [], color=RED, linewidth=1.5, label="cut"))
        handles.append(Patch(facecolor=INK, alpha=0.55, edgecolor="white", hatch="//", label="not heard"))
    corner = (1 - _RIGHT / _WIDTH, 1.0)
    figure.legend(
        handles=handles,
        loc="upper right",
        bbox_to_anchor=corner,
        ncols=3,
        frameon=False,
        fontsize=8,
        labelcolor=INK,
        borderaxespad=0.2,
        handlelength=1.4,
    )


def _pooled(values: npt.NDArray[np.float32], columns: int) -> npt.NDArray[np.float32]:
    """Return at most `columns` columns, each the maximum of its share, so that a click stays visible in an hour."""
    if values.shape[1] <= columns:
        return values
    starts = np.linspace(0, values.shape[1], columns, endpoint=False).astype(int)
    pooled: npt.NDArray[np.float32] = np.maximum.reduceat(values, starts, axis=1)
    return pooled


def _drawable(text: str) -> str:
    """Replace letters that the picture's font lacks by boxes; matplotlib would warn about each."""
    from matplotlib.font_manager import fontManager, get_font

    letters = get_font(fontManager.findfont("DejaVu Sans")).get_charmap()
    return "".join(letter if ord(letter) in letters else "□" for letter in text)
