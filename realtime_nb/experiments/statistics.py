"""Groups of rows, their means and medians, the differences between them, and 95 % intervals."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import SettingsError
from ..pricing.cost import format_usd
from ..speech.statistics import RESAMPLES, paired_difference
from .folder import measures_of
from .metrics import value_of

# --- Rows of results grouped by system, condition or other columns, in the order of the run; and their measures -------

Row = dict[str, Any]

#: The columns that tell one answer from another.
FACTORS = ("system", "condition", "repeat", "example_id")

_LABELS = {
    "completed": "share answered",
    "wer": "word errors in the transcript",
    "cer": "character errors in the transcript",
    "task_success": "successful tasks",
    "tool_call_correctness": "right tool called",
    "tool_call_arg_correctness": "right arguments",
    "latency_first_audio_ms": "first audio, ms after the question",
    "latency_first_audible_ms": "first audible sample, ms after the question",
    "latency_response_done_ms": "answer complete, ms after the question",
    "turn_gap_ms": "silence between question and answer, ms",
    "keywords_found": "expected keywords in the answers",
    "response_rate": "turns that were answered",
    "interruption_stop_ms": "silent after an interruption, ms",
    "yield_rate": "interruptions yielded to",
    "false_barge_in_rate": "backchannels that stopped an answer",
    "heard_fraction": "share of the audio that was heard",
    "wasted_usd": "cost of audio not heard, US$",
    "cost_usd": "cost of an answer, US$",
    "judge_cost_usd": "cost of judging an answer, US$",
    "user_cost_usd": "cost of the simulated user, US$",
    "cost_per_minute_usd": "cost of a minute of talk, US$",
    "output_s": "length of the answer, s",
}
#: Measures of quality other than grades; all are shares, except for word errors, which may exceed 1.
_QUALITIES = (
    *("completed", "wer", "task_success", "tool_call_correctness", "tool_call_arg_correctness", "keywords_found"),
    *("response_rate", "yield_rate", "false_barge_in_rate"),
)
_SHARES = {*_QUALITIES, "cer", "heard_fraction"}
_UNITS = {"_ms": "ms", "_usd": "US$", "_s": "s", "_hz": "Hz", "_db": "dB", "_wpm": "words/min"}


def named_columns(by: str | Sequence[str], rows: Sequence[Row]) -> list[str]:
    """Return the columns that make groups; raise if one does not exist."""
    columns = [by] if isinstance(by, str) else list(by)
    known = dict.fromkeys(name for row in rows for name in row)
    if not columns or not rows or any(name not in known for name in columns):
        raise SettingsError(f"by={columns} must name columns of the results: {', '.join(known) or 'there are none'}")
    return columns


def grouped(rows: Sequence[Row], columns: Sequence[str], about: Mapping[str, Any]) -> dict[tuple[Any, ...], list[Row]]:
    """Return rows by their values in columns; systems and conditions in the order of the run."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name) for name in columns), []).append(row)
    places = []
    for index, column in enumerate(columns):
        given = {"system": about["systems"], "condition": list(about["conditions"])}.get(column, [])
        levels = dict.fromkeys([*given, *(key[index] for key in groups)])
        places.append({level: place for place, level in enumerate(levels)})
    order = sorted(groups, key=lambda key: [place[value] for place, value in zip(places, key, strict=True)])
    return {key: groups[key] for key in order}


def by_example(rows: Iterable[Row], measure: str) -> list[list[float]]:
    """Return the values of a measure, example by example."""
    found: dict[Any, list[float]] = {}
    for row in rows:
        value = value_of(row, measure)
        if value is not None:
            found.setdefault(row["example_id"], []).append(value)
    return list(found.values())


def measured(rows: list[Row]) -> list[str]:
    """Return the measures that rows have; ``completed`` first if any failed."""
    failed = any(row["status"] != "completed" for row in rows)
    return [*(["completed"] if failed else []), *measures_of(rows)]


def is_binary(rows: Iterable[Row], measure: str) -> bool:
    """Return whether a measure is a grade that is always 0 or 1."""
    is_grade = measure.startswith("grade_") or (measure in _QUALITIES and measure != "wer")
    return is_grade and all(value_of(row, measure) in (None, 0.0, 1.0) for row in rows)


def is_share(measure: str) -> bool:
    """Return whether a measure is shown in percent; grades are not, unless all are 0 or 1."""
    return measure in _SHARES


def graded(rows: list[Row]) -> list[str]:
    """Return the measures of quality: grades, correctness, word errors."""
    return [name for name in measured(rows) if name.startswith("grade_") or name in _QUALITIES]


def label_of(measure: str) -> str:
    """Return a measure's label, in words, with its unit."""
    if measure in _LABELS:
        return _LABELS[measure]
    name = measure.removeprefix("grade_")
    unit = next((unit for unit in _UNITS if name.endswith(unit)), "")
    words = name.removesuffix(unit).replace("_", " ")
    return f"{words}, {_UNITS[unit]}" if unit else words


# --- Intervals of a group's mean or median, if answers to the same example are alike ----------------------------------

Statistic = Literal["mean", "median"]

#: The normal distribution's 97.5th percentile.
_Z = 1.959963984540054
#: Resamples are made in blocks of this many numbers, to bound memory.
_BLOCK = 4_000_000


class Interval(NamedTuple):
    """A mean or median, and its 95 % interval."""

    center: float
    low: float | None
    """`None` if there is only one example, which gives no interval."""
    high: float | None
    examples: int
    """The number of examples behind it."""


def interval_of(
    values: Sequence[Sequence[float]], statistic: Statistic = "mean", *, is_binary: bool = False, seed: int = 0
) -> Interval | None:
    """Estimate a group's mean or median.

    `None` if there are no values.

    The bootstrap's percentile method with 2,000 resamples, in which whole examples are drawn with all their repeats
    (Efron & Tibshirani 1993, §13.3; for clusters Davison & Hinkley 1997, §3.8). Where values are right or
    wrong and the same in all repeats of an example, the mean's is Wilson's score interval (Wilson 1927): it has a width
    even where all are right.
    """
    found = [list(each) for each in values if len(each)]
    if not found:
        return None
    pooled = np.concatenate([np.asarray(each, float) for each in found])
    center = float(pooled.mean() if statistic == "mean" else np.median(pooled))
    if len(found) < 2:
        return Interval(center, None, None, len(found))
    if is_binary and statistic == "mean" and all(min(each) == max(each) for each in found):
        return Interval(center, *_wilson(sum(each[0] for each in found), len(found)), len(found))
    low, high = np.percentile(_resampled(found, statistic, seed), (2.5, 97.5))
    return Interval(center, float(low), float(high), len(found))


def _wilson(right: float, count: int) -> tuple[float, float]:
    share, weight = right / count, _Z**2 / count
    middle = (share + weight / 2) / (1 + weight)
    reach = math.sqrt(weight * (share * (1 - share) + weight / 4)) / (1 + weight)
    # Rounding must not put the interval beyond 0 or 1, or the share outside the interval.
    return max(0.0, min(middle - reach, share)), min(1.0, max(middle + reach, share))


def _resampled(values: Sequence[Sequence[float]], statistic: Statistic, seed: int) -> npt.NDArray[np.float64]:
    """Return the statistic of each resample."""
    table = np.full((len(values), max(map(len, values))), np.nan)
    for row, each in zip(table, values, strict=True):
        row[: len(each)] = each
    ragged = bool(np.isnan(table).any())
    compute: Callable[..., Any]
    if statistic == "mean":
        compute = np.nanmean if ragged else np.mean
    else:
        compute = np.nanmedian if ragged else np.median
    random = np.random.default_rng(seed)
    block = max(1, _BLOCK // table.size)
    found: list[npt.NDArray[np.float64]] = []
    for start in range(0, RESAMPLES, block):
        count = min(block, RESAMPLES - start)
        drawn = table[random.integers(len(table), size=(count, len(table)))]
        found.append(compute(drawn.reshape(count, -1), axis=1))
    return np.concatenate(found)


# --- The means of groups of rows, and the differences between them ----------------------------------------------------


def summarise(
    rows: Sequence[Row],
    about: Mapping[str, Any],
    by: str | Sequence[str],
    *,
    baseline: Any = None,
    seed: int = 0,
) -> list[Row]:
    """Return a row for each group and measure; see `Results.summary`."""
    columns = named_columns(by, rows)
    groups = grouped(rows, columns, about)
    levels = list(dict.fromkeys(key[0] for key in groups))
    reference = levels[0] if baseline is None else baseline
    if reference not in levels:
        raise SettingsError(f"baseline={baseline!r} is not one of {', '.join(map(str, levels))}")
    paired_by = [name for name in FACTORS if name not in columns]
    measures = measured(list(rows))
    binary = {measure: is_binary(rows, measure) for measure in measures}
    found: list[Row] = []
    for key, group in groups.items():
        base = groups.get((reference, *key[1:]), []) if key[0] != reference else []
        for measure in measures:
            values = by_example(group, measure)
            if values:
                found.append(
                    dict(zip(columns, key, strict=True))
                    | {"measure": measure}
                    | _center_of(values, binary[measure], seed)
                    | difference_of(group, base, measure, paired_by, seed)
                )
    return found


def _center_of(values: list[list[float]], is_binary: bool, seed: int) -> Row:
    pooled = np.concatenate(values)
    interval = interval_of(values, is_binary=is_binary, seed=seed)
    assert interval is not None
    return {
        "count": len(pooled),
        "mean": interval.center,
        "mean_low": interval.low,
        "mean_high": interval.high,
        "median": float(np.median(pooled)),
        "p95": float(np.percentile(pooled, 95)),
    }


def difference_of(
    rows: Sequence[Row], base: Sequence[Row], measure: str, paired_by: Sequence[str], seed: int
) -> dict[str, float | int | None]:
    """Return the paired difference between rows and a baseline's."""
    ours, theirs = ({tuple(row[name] for name in paired_by): row for row in each} for each in (rows, base))
    differences: dict[Any, list[float]] = {}
    for key in sorted(ours.keys() & theirs.keys(), key=str):
        values = value_of(ours[key], measure), value_of(theirs[key], measure)
        if values[0] is not None and values[1] is not None:
            differences.setdefault(ours[key]["example_id"], []).append(values[0] - values[1])
    found = paired_difference([sum(each) / len(each) for each in differences.values()], seed)
    if found is None:
        return {"difference": None, "low": None, "high": None, "effect": None, "pairs": len(differences)}
    return {
        "difference": found.mean,
        "low": found.low,
        "high": found.high,
        "effect": found.effect,
        "pairs": found.pairs,
    }


# --- Results as a table for print: a line for each group, each figure with its interval -------------------------------

LATENCY = "latency_first_audible_ms"
COST = "cost_usd"
_OF_CONVERSATIONS = ("interruption_stop_ms", "heard_fraction")
#: Measures of time show their median, because a few slow answers distort the mean.
_BY_MEDIAN = ("_ms",)


def main_measures(rows: list[Row]) -> list[str]:
    """Return the measures that a table shows by default: grades, the first audible sample, the cost."""
    known = measured(rows)
    found = [name for name in [*graded(rows), LATENCY, *_OF_CONVERSATIONS] if name in known and name != "completed"]
    # If everything is free, as with the local voice, the cost says nothing.
    return [*found, COST] if any(row.get(COST) for row in rows) else found


def format_value(value: float | None, measure: str) -> str:
    """Write a measure's value, without the unit that its heading has."""
    if value is None or np.isnan(value):
        return "–"
    return re.sub(r"^-(\D*0\D?0*\D?)$", r"\1", _written(value, measure))  # A value that is rounded to zero has no sign.


def _written(value: float, measure: str) -> str:
    if is_share(measure):
        return f"{value:.0%}"
    if measure.endswith("_usd"):
        return format_usd(value)
    if measure.endswith(("_ms", "_tokens")):
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) < 1_000 else f"{value:,.0f}"


def format_interval(center: float | None, low: float | None, high: float | None, measure: str) -> str:
    """Write a value, and its interval unless that has no width: ``532 [393, 610]``."""
    text = format_value(center, measure)
    if low is None or high is None or np.isnan(low) or low == high:
        return text
    ends = [format_value(end, measure).removesuffix("%").removeprefix("$") for end in (low, high)]
    return f"{text} [{', '.join(ends)}]"


def format_difference(difference: float, low: float, high: float, measure: str) -> str:
    """Write a difference and its interval: ``+319 [236, 402]``, ``−5 [−9, −1] points`` of percent."""
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
    """Return headings and lines, all text: first the groups' names, then how many were answered."""
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
    shown_as = "completed" if is_binary else measure  # A share of right answers.
    text = format_interval(found.center, found.low, found.high, shown_as) if found else "–"
    if not by_median:
        return [text]
    return [text, format_value(float(np.percentile(np.concatenate(values), 95)), measure) if values else "–"]
