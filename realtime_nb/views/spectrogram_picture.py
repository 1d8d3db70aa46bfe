"""The picture of a spectrogram: for each side the waveform with its marks, and the energy below it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .plots import BLUE, INK, compact, quiet
from .tracks import extent_s

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .spectrogram import Side, Spectrogram

GREEN = "#2f9e5b"
RED = "#e5484d"
_DPI = 110
# In inches.
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 8.0, 0.72, 0.85, 0.24, 0.42
_WAVE, _ENERGY, _BETWEEN = 0.5, 1.5, 0.12
_COLUMNS = round((_WIDTH - _LEFT - _RIGHT) * _DPI)
_ROWS = round(_ENERGY * _DPI)
#: A waveform whose peak is below this is not drawn larger any more.
_QUIETEST = 0.02
#: How many letters a phrase may run ahead of its words.
_AHEAD = 20
_LETTER = 0.055
_OCTAVES_HZ = (62.5, 125, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)


def png(record: Spectrogram) -> bytes:
    """Return the picture as a PNG with a transparent ground."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = _figure(record)
    FigureCanvasAgg(figure)
    return compact(figure)


def svg(record: Spectrogram) -> str:
    """Return the picture as an SVG document with a transparent ground; its letters are outlines."""
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
    # A figure of its own: pyplot's state belongs to the person's cells. Places are given, as finding them takes longer
    # than all drawing.
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
        np.ma.masked_invalid(_pooled(_pooled(levels, _COLUMNS).T, _ROWS).T),  # Between turns the page shows.
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
    axes.set(ylabel="frequency in Hz", xlim=_limits_s(record))
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
        # Labels need the room of a line.
        if not shown or (heights[-1] - heights[0]) / len(record.frequencies_hz) * _ENERGY > 0.13:
            shown.append(hz)
    return shown


def _draw_wave(axes: Axes, record: Spectrogram, side: Side) -> None:
    first_s, last_s = _limits_s(record)
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
    """Return the words as labels: at their own places where there is room, else as phrases at their first word's."""
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


def _limits_s(record: Spectrogram) -> tuple[float, float]:
    return extent_s(record.sides)


def _pooled(values: npt.NDArray[np.float32], columns: int) -> npt.NDArray[np.float32]:
    """Return at most `columns` columns, each the greatest of its share: a click stays visible in an hour."""
    if values.shape[1] <= columns:
        return values
    starts = np.linspace(0, values.shape[1], columns, endpoint=False).astype(int)
    pooled: npt.NDArray[np.float32] = np.maximum.reduceat(values, starts, axis=1)
    return pooled


def _drawable(text: str) -> str:
    """Return a text with boxes for the letters that the picture's font lacks, of which matplotlib would warn."""
    from matplotlib.font_manager import fontManager, get_font

    letters = get_font(fontManager.findfont("DejaVu Sans")).get_charmap()
    return "".join(letter if ord(letter) in letters else "□" for letter in text)
