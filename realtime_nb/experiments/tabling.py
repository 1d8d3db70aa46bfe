"""Results as a table that one could print: a line for each group, each figure with its interval."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..pricing import format_usd
from .groups import Row, by_example, graded, grouped, is_binary, is_share, label_of, measured, named_columns
from .intervals import interval_of

LATENCY = "latency_first_audible_ms"
COST = "cost_usd"
_OF_CONVERSATIONS = ("interruption_stop_ms", "heard_fraction")
#: Measures of time are told by their median, since a few slow answers carry their mean away.
_BY_MEDIAN = ("_ms",)


def main_measures(rows: list[Row]) -> list[str]:
    """Return what a table shows unless told otherwise: what was graded, the first audible sample, the cost."""
    known = measured(rows)
    found = [name for name in [*graded(rows), LATENCY, *_OF_CONVERSATIONS] if name in known and name != "completed"]
    # Where everything is free, as the local voice is, a cost tells nothing.
    return [*found, COST] if any(row.get(COST) for row in rows) else found


def format_value(value: float | None, measure: str) -> str:
    """Write a measure's value, without the unit that its heading has."""
    if value is None or np.isnan(value):
        return "–"
    return re.sub(r"^-(\D*0\D?0*\D?)$", r"\1", _written(value, measure))  # What is rounded to nothing has no sign.


def _written(value: float, measure: str) -> str:
    if is_share(measure):
        return f"{value:.0%}"
    if measure.endswith("_usd"):
        return format_usd(value)
    if measure.endswith(("_ms", "_tokens")):
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) < 1_000 else f"{value:,.0f}"


def format_interval(center: float | None, low: float | None, high: float | None, measure: str) -> str:
    """Write a value and its interval, where that has a width: ``532 [393, 610]``."""
    text = format_value(center, measure)
    if low is None or high is None or np.isnan(low) or low == high:
        return text
    ends = [format_value(end, measure).removesuffix("%").removeprefix("$") for end in (low, high)]
    return f"{text} [{', '.join(ends)}]"


def format_difference(difference: float, low: float, high: float, measure: str) -> str:
    """Write how far apart two are: ``+319 [236, 402]``, ``−5 [−9, −1] points`` of percent."""
    text = format_interval(difference, low, high, measure)
    if measure.endswith("_usd"):
        text = text.replace("$-", "-$")
    if is_share(measure):
        text = f"{text.replace('%', '')} points"
    return f"{'+' if difference > 0 else ''}{text}".replace("-", "−")


def tabulate(
    rows: Sequence[Row],
    about: Mapping[str, Any],
    by: str | Sequence[str],
    measures: Sequence[str] = (),
    *,
    seed: int = 0,
) -> tuple[list[str], list[list[str]]]:
    """Return headings and lines, all text; the groups' names come first, then how many were answered."""
    columns = named_columns(by, rows)
    found = list(measures) or main_measures(list(rows))
    binary = {name: is_binary(rows, name) for name in found}
    headings = [*columns, "answered"]
    for measure in found:
        headings.append(f"{label_of(measure)}{', median' if measure.endswith(_BY_MEDIAN) else ''}")
        headings += ["95th percentile"] if measure.endswith(_BY_MEDIAN) else []
    lines = []
    for key, group in grouped(rows, columns, about).items():
        answered = sum(row["status"] == "completed" for row in group)
        line = [*map(str, key), f"{answered} of {len(group)}"]
        for measure in found:
            line += _cells(by_example(group, measure), measure, binary[measure], seed)
        lines.append(line)
    return headings, lines


def _cells(values: list[list[float]], measure: str, is_binary: bool, seed: int) -> list[str]:
    by_median = measure.endswith(_BY_MEDIAN)
    found = interval_of(values, "median" if by_median else "mean", is_binary=is_binary, seed=seed)
    shown_as = "completed" if is_binary else measure  # Right or wrong: a share.
    text = format_interval(found.center, found.low, found.high, shown_as) if found else "–"
    if not by_median:
        return [text]
    return [text, format_value(float(np.percentile(np.concatenate(values), 95)), measure) if values else "–"]
