"""Groups of rows, their means and medians, and the differences between them, with intervals and tests."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

import numpy as np

from ..errors import SettingsError
from ..pricing.cost import format_usd
from ..speech.statistics import (
    FEW,
    Statistic,
    Test,
    examples_needed,
    holm,
    interval_of,
    paired_difference,
    paired_p_value,
    pass_hat_k,
    ratio_of,
    unpaired_difference,
    unpaired_p_value,
)
from ..speech.words import ErrorCounts, Normaliser, count_errors
from .metrics import WORD_COUNTS, measures_of, value_of, values_of

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
    "vocal_tic_selectivity": "coughs and fillers that changed nothing",
    "non_directed_selectivity": "words to others that changed nothing",
    "agent_interruption_rate": "turns that were answered too early",
    "take_over_rate": "turns that were taken over",
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
    *("response_rate", "yield_rate", "false_barge_in_rate", "vocal_tic_selectivity", "non_directed_selectivity"),
)
_SHARES = {*_QUALITIES, "cer", "heard_fraction", "agent_interruption_rate", "take_over_rate"}
_UNITS = {"_ms": "ms", "_usd": "US$", "_s": "s", "_hz": "Hz", "_db": "dB", "_wpm": "words/min"}


def named_columns(by: str | Sequence[str], rows: Sequence[Row]) -> list[str]:
    """Return the columns that make groups; raise if one does not exist."""
    columns = [by] if isinstance(by, str) else list(by)
    known = dict.fromkeys(name for names in dict.fromkeys(map(tuple, rows)) for name in names)
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


def by_example(rows: Sequence[Row], measure: str) -> list[list[float]]:
    """Return the values of a measure, example by example."""
    found: dict[Any, list[float]] = {}
    for row, value in zip(rows, values_of(rows, measure).tolist(), strict=True):
        if not math.isnan(value):
            found.setdefault(row["example_id"], []).append(value)
    return list(found.values())


def measured(rows: list[Row]) -> list[str]:
    """Return the measures that rows have; ``completed`` first if any failed."""
    failed = any(row["status"] != "completed" for row in rows)
    return [*(["completed"] if failed else []), *measures_of(rows)]


def is_binary(rows: Sequence[Row], measure: str) -> bool:
    """Return whether a measure is a grade that is always 0 or 1."""
    is_grade = measure.startswith("grade_") or (measure in _QUALITIES and measure != "wer")
    if not is_grade:
        return False
    values = values_of(rows, measure)
    return bool(np.isin(values[~np.isnan(values)], (0.0, 1.0)).all())


def within(measure: str, *, is_binary: bool = False) -> tuple[float, float]:
    """Return the least and the highest value that a measure can have."""
    if is_binary or (measure in _SHARES and measure not in ("wer", "cer")):
        return 0.0, 1.0
    is_amount = measure in _SHARES or measure.endswith(("_ms", "_s", "_usd", "_tokens"))
    return (0.0 if is_amount and measure != "turn_gap_ms" else -math.inf), math.inf


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


# --- The means of groups of rows, and the differences between them ----------------------------------------------------


def summarise(
    rows: Sequence[Row],
    about: Mapping[str, Any],
    by: str | Sequence[str],
    *,
    baseline: Any = None,
    measures: Sequence[str] = (),
    test: Test | None = None,
    seed: int = 0,
) -> list[Row]:
    """Return a row for each group and measure; see `Results.summary`."""
    if test not in (None, *get_args(Test)):
        raise SettingsError(f"test={test!r} is not one of {', '.join(get_args(Test))}")
    columns = named_columns(by, rows)
    groups = grouped(rows, columns, about)
    known = measured(list(rows))
    for name in measures:
        if name not in known:
            raise SettingsError(f"measure={name!r} is not one of {', '.join(known) or 'any: nothing was measured'}")
    bases = _bases(groups, baseline)
    paired_by = [name for name in FACTORS if name not in columns]
    binary = {measure: is_binary(rows, measure) for measure in known}
    found: list[Row] = []
    for key, group in groups.items():
        compared = compared_rows(group, bases[key], paired_by, may_be_unpaired=True)
        for measure in measures or known:
            values = by_example(group, measure)
            if values:
                row = dict(zip(columns, key, strict=True)) | {"measure": measure}
                row |= _center_of(values, measure, binary[measure], seed)
                row |= difference_of(compared, measure, is_binary=binary[measure], test=test, seed=seed)
                found.append(row | {"caveat": caveat_of(row["examples"], row["pairs"])})
    if test is not None:
        for row, corrected in zip(found, holm([row["p"] for row in found]), strict=True):
            row["p_holm"] = corrected
    return found


def _bases(groups: Mapping[tuple[Any, ...], list[Row]], baseline: Any) -> dict[tuple[Any, ...], list[Row]]:
    """Return the rows to compare each group with: those that differ in the first column only; none for the baseline."""
    levels = list(dict.fromkeys(key[0] for key in groups))
    reference = levels[0] if baseline is None else baseline
    if reference not in levels:
        raise SettingsError(f"baseline={baseline!r} is not one of {', '.join(map(str, levels))}")
    return {key: groups.get((reference, *key[1:]), []) if key[0] != reference else [] for key in groups}


def caveat_of(examples: int, pairs: int = 0) -> str:
    """Return a caveat if there are few examples; empty otherwise."""
    fewest = min(filter(None, (examples, pairs)), default=0)
    if fewest >= FEW:
        return ""
    return f"{fewest} example{' is' if fewest == 1 else 's are'} few: only large differences show"


def _center_of(values: list[list[float]], measure: str, is_binary: bool, seed: int) -> Row:
    pooled = np.concatenate(values)
    interval = interval_of(values, is_binary=is_binary, within=within(measure, is_binary=is_binary), seed=seed)
    assert interval is not None
    return {
        "count": len(pooled),
        "examples": interval.examples,
        "mean": interval.center,
        "mean_low": interval.low,
        "mean_high": interval.high,
        "mean_method": interval.method,
        "median": float(np.median(pooled)),
        "p95": float(np.percentile(pooled, 95)),
        "p99": float(np.percentile(pooled, 99)),
    }


class ComparedRows(NamedTuple):
    """The rows of a group and of a baseline."""

    ours: Sequence[Row]
    theirs: Sequence[Row]
    are_paired: bool = True
    """True if they are pairs, in the same order; false if the two have no example in common."""


def compared_rows(
    rows: Sequence[Row], base: Sequence[Row], paired_by: Sequence[str], *, may_be_unpaired: bool = False
) -> ComparedRows:
    """Pair rows with a baseline's; or, if it may be, return all of them if they have no example in common."""
    if may_be_unpaired and base and not {row["example_id"] for row in rows} & {row["example_id"] for row in base}:
        return ComparedRows(rows, base, are_paired=False)
    ours, theirs = ({tuple(row[name] for name in paired_by): row for row in each} for each in (rows, base))
    keys = sorted(ours.keys() & theirs.keys(), key=str)
    return ComparedRows([ours[key] for key in keys], [theirs[key] for key in keys])


def difference_of(
    compared: ComparedRows, measure: str, *, is_binary: bool = False, test: Test | None = None, seed: int = 0
) -> Row:
    """Return the difference between a group and a baseline.

    McNemar's test is for pairs of right and wrong answers, so other measures have no such p-value.
    """
    differences = _differences(compared, measure) if compared.are_paired else {}
    found: Row = {
        "difference": None,
        "low": None,
        "high": None,
        "effect": None,
        "pairs": len(differences),
        "method": "",
    }
    p_value: float | None = None
    if not compared.are_paired:
        values = by_example(compared.ours, measure), by_example(compared.theirs, measure)
        apart = unpaired_difference(*values, is_binary=is_binary)
        if apart is not None:
            found |= {"difference": apart.center, "low": apart.low, "high": apart.high, "method": apart.method}
        if test == "permutation":
            p_value = unpaired_p_value(*values, seed)
    else:
        means = [sum(each) / len(each) for each in differences.values()]
        is_settled = is_binary and all(min(each) == max(each) for each in differences.values())
        paired = paired_difference(means, seed, is_binary=is_settled)
        if paired is not None:
            found |= {"difference": paired.mean} | {name: getattr(paired, name) for name in ("low", "high", "effect")}
            found["method"] = paired.method
        if test is not None and (is_settled or test != "mcnemar"):
            p_value = paired_p_value(means, test, seed)
    return found if test is None else found | {"p": p_value}


def _differences(compared: ComparedRows, measure: str) -> dict[Any, list[float]]:
    """Return the differences of paired rows, by example."""
    differences = values_of(compared.ours, measure) - values_of(compared.theirs, measure)
    found: dict[Any, list[float]] = {}
    for row, value in zip(compared.ours, differences.tolist(), strict=True):
        if not math.isnan(value):
            found.setdefault(row["example_id"], []).append(value)
    return found


def sizes_needed(
    rows: Sequence[Row],
    about: Mapping[str, Any],
    measure: str,
    half_width: float,
    by: str | Sequence[str],
    *,
    baseline: Any = None,
) -> Iterator[Row]:
    """Yield a row for each group; see `Results.sample_size`."""
    if not half_width > 0:
        raise SettingsError(f"half_width={half_width} must be positive")
    columns = named_columns(by, rows)
    known = measured(list(rows))
    if measure not in known:
        raise SettingsError(f"measure={measure!r} is not one of {', '.join(known) or 'any: nothing was measured'}")
    groups, binary = grouped(rows, columns, about), is_binary(rows, measure)
    bases = _bases(groups, baseline)
    paired_by = [name for name in FACTORS if name not in columns]
    for key, group in groups.items():
        values = by_example(group, measure)
        differences = list(_differences(compared_rows(group, bases[key], paired_by), measure).values())
        yield dict(zip(columns, key, strict=True)) | {
            "examples": len(values),
            "examples_needed": examples_needed(values, half_width, is_binary=binary),
            "pairs": len(differences),
            "pairs_needed": examples_needed(differences, half_width),
        }


def corpus_errors(
    rows: Sequence[Row], about: Mapping[str, Any], by: str | Sequence[str], normaliser: Normaliser, *, seed: int = 0
) -> Iterator[Row]:
    """Yield a row for each group; see `Results.word_errors`."""
    columns = named_columns(by, rows)
    for key, group in grouped(rows, columns, about).items():
        examples: dict[Any, list[ErrorCounts]] = {}
        for row in group:
            if value_of(row, "wer") is not None:
                examples.setdefault(row["example_id"], []).append(_counts(row, normaliser))
        counts = [each for found in examples.values() for each in found]
        summed = [ErrorCounts(*map(sum, zip(*found, strict=True))) for found in examples.values()]
        corpus = ratio_of([(sum(each[:3]), each.words) for each in summed], seed)
        if corpus is not None:
            yield dict(zip(columns, key, strict=True)) | {
                "normaliser": normaliser,
                "answers": len(counts),
                "examples": corpus.examples,
                **{name: sum(getattr(each, name) for each in counts) for name in ErrorCounts._fields},
                "wer": corpus.center,
                "low": corpus.low,
                "high": corpus.high,
                "method": corpus.method,
                "mean_of_answers": float(np.mean([each.rate for each in counts])),
                "caveat": caveat_of(corpus.examples),
            }


def _counts(row: Row, normaliser: Normaliser) -> ErrorCounts:
    """Return the errors in a row's transcript."""
    if normaliser == "realtime_nb" and all(row.get(name) is not None for name in WORD_COUNTS):
        return ErrorCounts(*(row[name] for name in WORD_COUNTS))
    # A scenario's turns are compared one by one.
    parts = [each for each in json.loads(row.get("turn_measures") or "[]") if each.get("wer") is not None] or [row]
    language = row.get("language") or "en"
    pairs = [(each.get("user_text") or "", each.get("heard") or "", language) for each in parts]
    return count_errors(pairs, normaliser)[0]


def passes(
    rows: Sequence[Row], about: Mapping[str, Any], measure: str, by: str | Sequence[str], *, seed: int = 0
) -> Iterator[Row]:
    """Yield a row for each group and number of tries; see `Results.pass_hat_k`."""
    columns = named_columns(by, rows)
    for key, group in grouped(rows, columns, about).items():
        tries = by_example(group, measure)
        for k in range(1, max(map(len, tries), default=0) + 1):
            likely = pass_hat_k(tries, k)
            settled = all(value in (0.0, 1.0) for each in likely for value in each)
            found = interval_of(likely, is_binary=settled, within=(0.0, 1.0), seed=seed)
            assert found is not None
            yield dict(zip(columns, key, strict=True)) | {
                "k": k,
                "pass_hat_k": found.center,
                "low": found.low,
                "high": found.high,
                "examples": found.examples,
                "method": found.method,
                "caveat": caveat_of(found.examples),
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


def format_difference(difference: float, low: float | None, high: float | None, measure: str) -> str:
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
    statistic: Statistic = "median" if by_median else "mean"
    possible = within(measure, is_binary=is_binary)
    found = interval_of(values, statistic, is_binary=is_binary, within=possible, seed=seed)
    shown_as = "completed" if is_binary else measure  # A share of right answers.
    text = format_interval(found.center, found.low, found.high, shown_as) if found else "–"
    if not by_median:
        return [text]
    return [text, format_value(float(np.percentile(np.concatenate(values), 95)), measure) if values else "–"]
