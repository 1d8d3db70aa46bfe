"""Rows of results by system, condition or whatever else, in the order of the run; and what is measured of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import SettingsError
from .folder import measures_of
from .metrics import value_of

Row = dict[str, Any]

#: What tells one answer from another.
FACTORS = ("system", "condition", "repeat", "example_id")

_LABELS = {
    "completed": "share answered",
    "wer": "word errors in what was heard",
    "cer": "character errors in what was heard",
    "task_success": "tasks that came out right",
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
    "wasted_usd": "cost of what was not heard, US$",
    "cost_usd": "cost of an answer, US$",
    "judge_cost_usd": "cost of judging an answer, US$",
    "user_cost_usd": "cost of the simulated user, US$",
    "cost_per_minute_usd": "cost of a minute of talk, US$",
    "output_s": "length of the answer, s",
}
#: Measures that say how good answers are, beside grades; all are shares, but for word errors, which may exceed 1.
_QUALITIES = (
    *("completed", "wer", "task_success", "tool_call_correctness", "tool_call_arg_correctness", "keywords_found"),
    *("response_rate", "yield_rate", "false_barge_in_rate"),
)
_SHARES = {*_QUALITIES, "cer", "heard_fraction"}
_UNITS = {"_ms": "ms", "_usd": "US$", "_s": "s", "_hz": "Hz", "_db": "dB", "_wpm": "words/min"}


def named_columns(by: str | Sequence[str], rows: Sequence[Row]) -> list[str]:
    """Return the columns that make groups; raise where there are none such."""
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
    """Return what was measured, example by example."""
    found: dict[Any, list[float]] = {}
    for row in rows:
        value = value_of(row, measure)
        if value is not None:
            found.setdefault(row["example_id"], []).append(value)
    return list(found.values())


def measured(rows: list[Row]) -> list[str]:
    """Return the measures that rows have; ``completed`` first where something failed."""
    failed = any(row["status"] != "completed" for row in rows)
    return [*(["completed"] if failed else []), *measures_of(rows)]


def is_binary(rows: Iterable[Row], measure: str) -> bool:
    """Return whether a measure is a grade, and everywhere 0 or 1."""
    is_grade = measure.startswith("grade_") or (measure in _QUALITIES and measure != "wer")
    return is_grade and all(value_of(row, measure) in (None, 0.0, 1.0) for row in rows)


def is_share(measure: str) -> bool:
    """Return whether a measure is told in percent; grades are not, unless all are right or wrong."""
    return measure in _SHARES


def graded(rows: list[Row]) -> list[str]:
    """Return the measures that say how good answers are: grades, what is right, word errors."""
    return [name for name in measured(rows) if name.startswith("grade_") or name in _QUALITIES]


def label_of(measure: str) -> str:
    """Return what a measure is, in words, with its unit."""
    if measure in _LABELS:
        return _LABELS[measure]
    name = measure.removeprefix("grade_")
    unit = next((unit for unit in _UNITS if name.endswith(unit)), "")
    words = name.removesuffix(unit).replace("_", " ")
    return f"{words}, {_UNITS[unit]}" if unit else words
