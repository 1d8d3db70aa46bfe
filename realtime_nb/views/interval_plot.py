"""Plots of means and medians with their intervals, by two factors, for notebooks, pages and papers.

The colours are Okabe and Ito's, which colour-blind people can tell apart; each has its own shape, for printing in grey.
"""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from .html import escape_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe & Ito 2008, "Color Universal Design", those that show on white and on black; neighbours differ in grey.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")
_SHAPES = "os^DvPX*"
#: A page of A4 or of most journals, across both columns. Source: Nature's and PLOS's guides to figures, 183 and 190 mm.
WIDTH_MM = 183.0
_MM_PER_INCH = 25.4
_NAME_LENGTH = 22
_LETTERS_PER_MM = 0.5
_NARROWEST_PANEL_MM = 55
_WIDE_PANEL_MM = 120
#: More dots than these are an image inside a vector file, to keep the file small.
_VECTOR_DOTS = 1_500
#: SVG's name for the colour of the text around it. matplotlib has no such colour, so this one stands in for it.
_PAGE_INK = "#010203"


class IntervalMark(NamedTuple):
    """The numbers of one group; all but the names may be missing."""

    name: str
    """Its row."""
    series: str
    """Its colour and shape."""
    center: float | None
    low: float | None
    high: float | None
    tail: float | None = None
    """A tick farther out, e.g. a 95th percentile."""
    dots: Sequence[float] = ()
    """Single values."""


class Panel(NamedTuple):
    """One axis."""

    label: str
    marks: Sequence[IntervalMark]
    highest: float | None = None
    """Where the axis ends, if that is known; it begins at 0, or below if there are negative values."""
    is_log: bool = False
    """True for a logarithmic axis; all values are above 0 then."""
    is_difference: bool = False
    """True if 0 is the reference: it has a line, and is not the end of the axis."""


def draw(panels: Sequence[Panel], *, ink: str = "black", width_mm: float = WIDTH_MM) -> Figure:
    """Draw panels side by side, as many as there is room for and at most three; the first row is on top."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(mark.name for panel in panels for mark in panel.marks))
    series = list(dict.fromkeys(mark.series for panel in panels for mark in panel.marks))
    across = max(1, min(3, len(panels), int(width_mm // _NARROWEST_PANEL_MM)))
    down = -(-len(panels) // across)
    row = 0.16 + 0.2 * len(series)
    size = width_mm / _MM_PER_INCH, down * (0.55 + row * len(names)) + (0.35 if len(series) > 1 else 0)
    figure = Figure(figsize=size, dpi=110, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(wspace=0.06)  # type: ignore[union-attr, call-arg]  # The last tick has a neighbour.
    grid = figure.subplots(down, across, squeeze=False, sharey=True)
    for index, axes in enumerate(grid.flat):
        if index < len(panels):
            _draw_panel(axes, panels[index], names, series)
            _dress(axes, panels[index], names, ink or _PAGE_INK, width_mm / across)
            label = textwrap.fill(escape_label(panels[index].label), round(_LETTERS_PER_MM * width_mm / across))
            axes.set_xlabel(label, color=ink or _PAGE_INK, size=8.5)
        else:
            axes.set_visible(False)
    if len(series) > 1:
        figure.legend(
            handles=[_handle(number, name) for number, name in enumerate(series)],
            loc="outside upper center",
            ncols=min(4, len(series)),
            frameon=False,
            fontsize=8,
            labelcolor=ink or _PAGE_INK,
        )
    return figure


def _style(number: int) -> tuple[str, str]:
    return _COLOURS[number % len(_COLOURS)], _SHAPES[number % len(_SHAPES)]


def _handle(number: int, name: str) -> object:
    from matplotlib.lines import Line2D

    colour, shape = _style(number)
    return Line2D([], [], color=colour, marker=shape, markersize=6, linewidth=2, label=escape_label(name) or "–")


def _draw_panel(axes: Axes, panel: Panel, names: Sequence[str], series: Sequence[str]) -> None:
    step = 0.8 / len(series)
    many = sum(len(mark.dots) for mark in panel.marks) > _VECTOR_DOTS
    for mark in panel.marks:
        number = series.index(mark.series)
        colour, shape = _style(number)
        height = names.index(mark.name) + (number - (len(series) - 1) / 2) * step
        # Dots are spread by the golden ratio: never in line, and the same in every drawing.
        spread = [height + ((index * 0.618034) % 1 - 0.5) * step * 0.8 for index in range(len(mark.dots))]
        axes.plot(
            mark.dots, spread, ".", color=colour, alpha=0.45, markersize=6, markeredgewidth=0, rasterized=many, zorder=2
        )
        if mark.center is None:
            axes.annotate(
                "not measured",
                (0, height),
                (4, 0),
                ("axes fraction", "data"),
                "offset points",
                color=colour,
                size=7,
                va="center",
            )
            continue
        if mark.low is not None and mark.high is not None:
            axes.plot([mark.low, mark.high], [height] * 2, color=colour, linewidth=2, zorder=4)
        if mark.tail is not None:
            axes.plot([mark.tail], [height], "|", color=colour, markersize=9, markeredgewidth=1.6, zorder=3)
        axes.plot(
            [mark.center],
            [height],
            shape,
            color=colour,
            markersize=6.5,
            markeredgecolor="white",
            zorder=5,
            clip_on=False,
        )


def _dress(axes: Axes, panel: Panel, names: Sequence[str], ink: str, panel_mm: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.patch.set_alpha(0)
    axes.set_yticks(range(len(names)))
    axes.set_yticklabels([textwrap.fill(escape_label(name), _NAME_LENGTH) or "–" for name in names])
    axes.set_ylim(len(names) - 0.45, -0.55)
    lowest = min((each for mark in panel.marks for each in (mark.low, *mark.dots) if each is not None), default=0.0)
    if panel.is_log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if panel_mm > _WIDE_PANEL_MM else (1, 3)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    elif panel.is_difference:
        axes.axvline(0, color=ink, linewidth=0.9, zorder=1)
    elif lowest >= 0:
        axes.set_xlim(left=0)
    if panel.highest is not None:
        axes.set_xlim(right=panel.highest)
    axes.grid(axis="x", color="#808080", alpha=0.3, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=ink, labelsize=8, length=0, pad=4)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(ink)


def to_bytes(figure: Figure, kind: str, *, dpi: int = 300) -> bytes:
    """Return a figure as a file; the same figure always gives the same bytes.

    `kind`: one of "pdf", "svg", "png". A PDF embeds TrueType fonts, which publishers ask for; the words of an SVG are
    text, so that they can be searched, read aloud and edited.
    """
    import matplotlib

    undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind)
    buffer = io.BytesIO()
    with (
        warnings.catch_warnings(),
        matplotlib.rc_context({"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "realtime_nb"}),
    ):
        # A letter that the font lacks is drawn as a box; the frame has the words themselves.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=undated, facecolor=figure.get_facecolor())
    data = buffer.getvalue()
    # Where matplotlib's own font is not installed, its near relative is.
    return data.replace(b"'DejaVu Sans'", b"'DejaVu Sans', Verdana, sans-serif") if kind == "svg" else data


def to_inline_svg(figure: Figure, description: str) -> str:
    """Return a figure drawn in the page's text colour as an SVG element for that page."""
    figure.patch.set_alpha(0)
    text = to_bytes(figure, "svg", dpi=200).decode()
    drawing = text[text.index("<svg") :].replace(_PAGE_INK, "currentColor")
    opening = Markup('<svg role="img" aria-label="{}"').format(description)
    return drawing.replace("<svg", opening, 1)
