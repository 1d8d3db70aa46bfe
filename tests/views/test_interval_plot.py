"""The picture of means and intervals: what is where in it, in all formats."""

import io
import re
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image

from realtime_nb.views.interval_plot import IntervalMark, Panel, draw, to_bytes, to_inline_svg
from realtime_nb.views.plots import compact

PANELS = [
    Panel(
        "first sound, ms",
        [
            IntervalMark("quick", "clean", 200.0, 150.0, 260.0, 400.0, [150.0, 200.0, 400.0]),
            IntervalMark("quick", "noise", 300.0, 250.0, 360.0),
            IntervalMark("slow", "clean", 900.0, 800.0, 1000.0),
            IntervalMark("slow", "noise", None, None, None),
        ],
    )
]


def drawn_lines(figure):
    return [line for axes in figure.axes for line in axes.lines]


def test_rows_are_names_from_the_top_and_series_differ_in_colour_and_shape():
    figure = draw(PANELS)
    [axes] = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["quick", "slow"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    markers = [line for line in axes.lines if line.get_marker() in ("o", "s")]
    assert [(list(line.get_xdata()), line.get_marker()) for line in markers] == [
        ([200.0], "o"),
        ([300.0], "s"),
        ([900.0], "o"),
    ]
    assert len({line.get_color() for line in markers}) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["clean", "noise"]
    assert axes.get_xlim()[0] == 0 and axes.get_xlabel() == "first sound, ms"


def test_an_interval_is_a_line_from_end_to_end_a_tail_is_a_tick_and_a_dot_is_a_value():
    lines = drawn_lines(draw(PANELS))
    assert [150.0, 260.0] in [list(line.get_xdata()) for line in lines]
    assert [list(line.get_xdata()) for line in lines if line.get_marker() == "|"] == [[400.0]]
    assert [150.0, 200.0, 400.0] in [list(line.get_xdata()) for line in lines if line.get_marker() == "."]


def test_what_was_not_measured_says_so_and_has_no_place_on_the_axis():
    [axes] = draw(PANELS).axes
    assert [text.get_text() for text in axes.texts] == ["not measured"]
    nothing = draw([Panel("ms", [IntervalMark("a", "", None, None, None)])])
    assert to_bytes(nothing, "png", dpi=50).startswith(b"\x89PNG") and not nothing.legends


def test_panels_that_do_not_fit_beside_each_other_go_below():
    panels = [Panel(f"measure {n}", [IntervalMark("a", "", 0.5, 0.4, 0.6)], 1.0) for n in range(4)]
    wide, narrow = draw(panels), draw(panels, width_mm=89)
    assert wide.get_figwidth() == pytest.approx(183 / 25.4)
    assert wide.get_figheight() < narrow.get_figheight() / 1.5
    assert sum(axes.get_visible() for axes in wide.axes) == 4 and wide.axes[0].get_xlim() == (0, 1)


def test_the_colours_of_the_first_series_differ_in_grey():
    figure = draw([Panel("ms", [IntervalMark("a", str(n), float(n), None, None) for n in range(3)])])
    colours = [line.get_color() for line in drawn_lines(figure) if line.get_marker() in "os^"]
    grey = sorted(np.dot(matplotlib.colors.to_rgb(colour), (0.2126, 0.7152, 0.0722)) for colour in colours)
    assert np.diff(grey).min() > 0.07


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_a_file_is_the_same_each_time_and_holds_no_type_3_letters(kind):
    data = to_bytes(draw(PANELS), kind, dpi=80)
    assert data == to_bytes(draw(PANELS), kind, dpi=80)
    assert {"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG"}[kind] == data[: 5 if kind == "svg" else 4]
    assert kind != "pdf" or (b"/Type3" not in data and b"/CIDFontType2" in data)


def test_on_paper_the_ground_is_white_whatever_the_readers_style():
    with matplotlib.rc_context({"figure.facecolor": "black", "savefig.facecolor": "black"}):
        image = Image.open(io.BytesIO(to_bytes(draw(PANELS), "png", dpi=80))).convert("RGBA")
    assert image.getpixel((1, 1)) == (255, 255, 255, 255)
    small = Image.open(io.BytesIO(compact(draw(PANELS, ink="#808080")))).convert("RGBA")
    assert small.getpixel((1, 1))[3] == 0  # In a notebook it is the page's.


def test_an_svg_for_a_page_takes_its_ink_and_lets_no_name_through_as_markup():
    name = '"><script>alert(1)</script> $x$ --> 日本語'
    svg = to_inline_svg(draw([Panel(name, [IntervalMark(name, name, 1.0, 0.5, 2.0)])], ink=""), name)
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == name and root.get("role") == "img"
    assert {element.tag.split("}")[-1] for element in root.iter() if isinstance(element.tag, str)}.isdisjoint(
        ["script"]
    )
    assert "<script" not in re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    assert "currentColor" in svg and "#010203" not in svg and not svg.startswith("<?xml")


def test_very_many_dots_are_a_picture_inside_the_drawing():
    many = draw([Panel("ms", [IntervalMark("a", "", 0.5, 0.4, 0.6, None, list(np.linspace(0, 1, 20_000)))])])
    assert len(to_bytes(many, "svg", dpi=100)) < 300_000
