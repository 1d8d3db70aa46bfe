"""A timeline: a waterfall as picture and table, and the same in words."""

from __future__ import annotations

import base64
from typing import Any

from markupsafe import Markup

from ..conversation.timeline import STEPS, Timeline, Waterfall, percentile
from . import words
from .html import facts, joined, picture, section, table, unbroken
from .plots import BLUE, INK, PlotBar, bars

#: Steps in the page and in the kernel are green or purple, the server's are yellow or blue.
_COLOURS = {
    "capture": "#b565c9",
    "road": "#d9669e",
    "kernel": "#e0735f",
    "socket": "#a8763e",
    "turn detection": "#e0a526",
    "model first byte": BLUE,
    "playback pre-roll": "#1fa187",
    "leading silence": INK,
    "loudspeaker": "#57a845",
}
#: For the steps of a chain, whatever their names.
_STAGE_COLOUR = "#8f7ee6"
#: A picture shows at most this many replies; the figures count all of them.
_DRAWN = 24
_ASKED_LENGTH = 28


def timeline_bundle(timeline: Timeline) -> dict[str, Any]:
    """Return a timeline's MIME bundle."""
    bundle: dict[str, Any] = {"text/plain": timeline_text(timeline)}
    drawn = [each for each in timeline.waterfalls if each.steps]
    if not drawn:
        return bundle | {"text/html": section(bundle["text/plain"], title="Latency")}
    if len(timeline.waterfalls) == 1:
        png, figures = _waterfall(drawn[0]), _steps_table(drawn[0])
    else:
        png, figures = _stack(drawn[-_DRAWN:]), _summary_table(timeline)
    bundle["image/png"] = base64.b64encode(png).decode()
    remarks = joined(map(Markup("<div>{}</div>").format, _remarks(timeline)))
    bundle["text/html"] = section(
        facts(_totals(timeline)), picture(png, bundle["text/plain"]), figures, remarks, title="Latency"
    )
    return bundle


def timeline_text(timeline: Timeline) -> str:
    """Return a timeline as plain text."""
    if not timeline.waterfalls:
        return "No answers yet."
    lines = [_line(each) for each in timeline.waterfalls]
    if len(lines) > 1:
        totals = timeline.durations().items()
        lines += [
            f"{name}: p50 {_ms(percentile(v, 50))}, p95 {_ms(percentile(v, 95))} of {len(v)}" for name, v in totals
        ]
    return "\n".join([*lines, *_remarks(timeline)])


def _line(each: Waterfall) -> str:
    steps = ", ".join(f"{span.name} {_ms(span.duration_ms)}" for span in (*each.steps, *each.stages))
    asked = f"“{each.asked}”: " if each.asked else ""
    total = f"first audible sample after {_ms(each.total_ms)}" if each.total_ms is not None else "no audible sample"
    return f"{asked}{total}" + (f" ({steps})" if steps else "")


def _ms(value: float | None) -> str:
    """Return a time span, with a decimal if it is short."""
    if value is not None and 0 < value < 0.1:
        return "< 0.1 ms"
    return f"{value:.1f} ms" if value is not None and abs(value) < 10 else words.milliseconds(value)


def _totals(timeline: Timeline) -> list[tuple[str, str]]:
    totals = timeline.durations().get("total", [])
    if len(timeline.waterfalls) == 1:
        return [("first audible sample after", _ms(totals[0] if totals else None))]
    spread = [(f"first audible sample, p{p}", _ms(percentile(totals, p) if totals else None)) for p in (50, 95)]
    return [("answers", str(len(timeline.waterfalls))), *spread]


def _remarks(timeline: Timeline) -> list[str]:
    remarks = []
    clocks = [each.clock for each in timeline.waterfalls if each.clock is not None]
    if clocks:
        ahead = "ahead of" if clocks[-1].offset_ms >= 0 else "behind"
        error_ms = max(clock.error_ms for clock in clocks)
        remarks.append(
            f"The page's clock was {abs(clocks[-1].offset_ms):,.1f} ms {ahead} the kernel's, "
            f"give or take {error_ms:.1f} ms; the times are corrected for it."
        )
    if any(each.latency_is_estimate for each in timeline.waterfalls):
        remarks.append("The browser does not tell its latency to the loudspeaker: that step is an estimate.")
    if any(not each.is_played and each.total_ms is not None for each in timeline.waterfalls):
        remarks.append("An answer that no page played counts as played when it arrived.")
    if len(timeline.waterfalls) > _DRAWN:
        remarks.append(f"The picture has the last {_DRAWN} answers, the figures have all {len(timeline.waterfalls)}.")
    return remarks


def _steps_table(each: Waterfall) -> Markup:
    rows = [
        [_step(span.name), unbroken(_ms(span.start_ms)), unbroken(_ms(span.duration_ms))]
        for span in (*each.steps, *each.stages)
    ]
    return table(("step", "begins at", "takes"), rows)


def _summary_table(timeline: Timeline) -> Markup:
    rows = [
        [_step(name), str(len(values)), unbroken(_ms(percentile(values, 50))), unbroken(_ms(percentile(values, 95)))]
        for name, values in timeline.durations().items()
    ]
    return table(("step", "answers", "p50", "p95"), rows)


def _step(name: str) -> Markup:
    what = "until the first audible sample" if name == "total" else STEPS.get(name, "a step of the chain")
    return Markup("{}<br><small>{}</small>").format(name, what)


def _waterfall(each: Waterfall) -> bytes:
    """Draw one reply: a row for each step."""
    rows = [(s.name, [_bar(s, _COLOURS[s.name], _ms(s.duration_ms))]) for s in each.steps]
    rows += [(s.name, [_bar(s, _STAGE_COLOUR, _ms(s.duration_ms))]) for s in each.stages]
    return bars(rows, xlabel=_axis([each]))


def _stack(drawn: list[Waterfall]) -> bytes:
    """Draw several replies: a row for each, with its steps one after another and the stages of a chain below them."""
    rows = []
    for number, each in enumerate(drawn, 1):
        asked = each.asked if len(each.asked) <= _ASKED_LENGTH else each.asked[: _ASKED_LENGTH - 1] + "…"
        found = [_bar(span, _COLOURS[span.name]) for span in each.steps]
        found += [_bar(span, _STAGE_COLOUR)._replace(thin=True) for span in each.stages]
        rows.append((asked or f"answer {number}", found))
    used = {span.name for each in drawn for span in each.steps}
    legend = {name: colour for name, colour in _COLOURS.items() if name in used}
    if any(each.stages for each in drawn):
        legend["steps of the chain"] = _STAGE_COLOUR
    return bars(rows, xlabel=_axis(drawn), legend=legend)


def _bar(span: Any, colour: str, text: str = "") -> PlotBar:
    return PlotBar(span.start_ms, span.end_ms, colour, text)


def _axis(drawn: list[Waterfall]) -> str:
    first = {each.steps[0].name for each in drawn}
    if first == {"capture"}:
        return "ms after the last speech at the microphone"
    return "ms after the person had finished"
