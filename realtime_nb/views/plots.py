"""Small pictures for tables, and pictures as PNGs for notebooks."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from .html import escape_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Readable both on white and on black.
INK = "#808080"
BLUE = "#4c8bf5"


def compact(figure: Figure) -> bytes:
    """Return a figure as a PNG with a palette and a transparent background: a quarter of the size of matplotlib's own.

    It is not compressed as far as possible: the last few per cent would take as long as drawing it.
    """
    from PIL import Image

    figure.patch.set_alpha(0)
    with warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box; the words themselves are beside the picture.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.canvas.draw()
    pixels = Image.fromarray(np.asarray(figure.canvas.buffer_rgba()))  # type: ignore[attr-defined]
    buffer = io.BytesIO()
    pixels.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(buffer, "png")
    return buffer.getvalue()


def quiet(axes: Axes) -> None:
    """Give axes a colour that shows in every theme, and no frame."""
    axes.tick_params(colors=INK, labelsize=8)
    axes.xaxis.label.set(color=INK, size=9)
    axes.yaxis.label.set(color=INK, size=9)
    for spine in axes.spines.values():
        spine.set_visible(False)


def distributions(groups: Mapping[str, Mapping[str, Sequence[float]]]) -> bytes:
    """Draw a dot for every value and a bar at the median.

    Returns one picture with the axes side by side.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = list(next(iter(groups.values())))
    names = [escape_label(name) for name in rows]
    figure = Figure(figsize=(9, 0.7 + 0.42 * len(rows)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(wspace=0.06)  # type: ignore[union-attr, call-arg]  # The last tick has no neighbour.
    for axes, (label, values) in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups.items(), strict=True):
        axes.patch.set_alpha(0)
        for height, name in enumerate(rows):
            found = values[name]
            axes.plot(found, [height] * len(found), "o", color=BLUE, alpha=0.45, markersize=5, markeredgewidth=0)
            if found:
                axes.plot([np.median(found)] * 2, [height - 0.3, height + 0.3], color=INK, linewidth=2)
        axes.set(xlabel=label, yticks=range(len(rows)), yticklabels=names, ylim=(len(rows) - 0.5, -0.5))
        axes.set_xlim(left=0)
        axes.grid(axis="x", color=INK, alpha=0.25, linewidth=0.6)
        if axes is not figure.axes[0]:
            axes.set_yticklabels([])
        quiet(axes)
    return compact(figure)


class PlotBar(NamedTuple):
    """A bar in a row."""

    start: float
    end: float
    colour: str
    text: str = ""
    """Written after it."""
    thin: bool = False
    """True if it is drawn below the other bars of its row."""


def bars(
    rows: Sequence[tuple[str, Sequence[PlotBar]]], *, xlabel: str, legend: Mapping[str, str] | None = None
) -> bytes:
    """Draw rows of bars on one axis, the first row on top."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure(figsize=(9, 0.8 + 0.3 * len(rows) + (0.5 if legend else 0)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    ends = [bar.end for _, found in rows for bar in found]
    scale = max([*ends, 1.0])
    for height, (_, found) in enumerate(rows):
        for bar in found:
            at, size = (height + 0.36, 0.14) if bar.thin else (height, 0.56)
            # What took only a moment must still be visible.
            width = max(bar.end - bar.start, scale / 400)
            axes.barh(at, width, left=bar.start, height=size, color=bar.colour)
            if bar.text:
                axes.text(
                    bar.start + width + scale / 120, at, bar.text, color=INK, size=8, va="center", parse_math=False
                )
    axes.set(
        xlabel=xlabel,
        ylim=(len(rows) - 0.4, -0.6),
        xlim=(min([0.0, *(b.start for _, f in rows for b in f)]), scale * 1.1),
    )
    axes.set_yticks(range(len(rows)))
    for label in axes.set_yticklabels([name for name, _ in rows]):
        label.set_parse_math(False)  # Names may be what people said, in which "$" is just a dollar sign.
    axes.grid(axis="x", color=INK, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    if legend:
        patches = [Patch(color=colour, label=name) for name, colour in legend.items()]
        figure.legend(handles=patches, loc="outside upper center", ncols=5, frameon=False, fontsize=8, labelcolor=INK)
    quiet(axes)
    return compact(figure)


def columns(layers: Mapping[str, tuple[str, Sequence[float]]], *, xlabel: str, ylabel: str) -> bytes:
    """Draw stacked columns, numbered from 1, and a legend."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    figure = Figure(figsize=(7.5, 2.3), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    ground = np.zeros(max(len(heights) for _, heights in layers.values()))
    numbers = np.arange(1, len(ground) + 1)
    for name, (colour, heights) in layers.items():
        axes.bar(numbers, heights, bottom=ground, color=colour, width=0.72, label=name)
        ground = ground + np.asarray(heights)
    axes.set(xlabel=xlabel, ylabel=ylabel, xlim=(0.4, max(len(ground), 4) + 0.6))
    ticks = MaxNLocator(12, integer=True, min_n_ticks=1).tick_values(1, len(ground))
    axes.set_xticks([tick for tick in ticks if tick in numbers])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.grid(axis="y", color=INK, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper left", ncols=len(layers), frameon=False, fontsize=8, labelcolor=INK)
    quiet(axes)
    return compact(figure)


def curves(
    lines: Mapping[str, tuple[str, npt.NDArray[np.floating], npt.NDArray[np.floating]]], *, xlabel: str, ylabel: str
) -> bytes:
    """Draw lines in one plot, and a legend."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 2.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    for name, (colour, x, y) in lines.items():
        axes.plot(x, y, color=colour, linewidth=2.4, solid_capstyle="round", label=escape_label(name))
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.set_xlim(left=0)
    axes.grid(color=INK, alpha=0.25, linewidth=0.6)
    figure.legend(loc="outside upper left", ncols=len(lines), frameon=False, fontsize=8, labelcolor=INK)
    quiet(axes)
    return compact(figure)
