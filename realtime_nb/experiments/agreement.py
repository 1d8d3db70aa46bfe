"""How far graders agree with people, and with each other."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import SettingsError
from ..texts import read_text
from .metrics import value_of

Row = dict[str, Any]
#: The columns with which a label can name its answers.
_NAMES = ("cell_id", "example_id", "system", "condition", "repeat")


class Kappa(NamedTuple):
    """Cohen's kappa of two series of verdicts, with its 95 % interval."""

    agreement: float
    """The share of equal verdicts."""
    kappa: float | None
    """``(agreement - chance) / (1 - chance)``; `None` if both always give the same verdict, so chance is 1."""
    low: float | None
    high: float | None


def kappa_of(ours: Sequence[bool], theirs: Sequence[bool], examples: Sequence[Any]) -> Kappa:
    """Compare two series of verdicts (Cohen 1960).

    The interval is the jackknife's, which leaves out one example at a time with all its answers, with Student's t
    distribution (Efron & Tibshirani 1993, §11).
    """
    pairs = np.column_stack([np.asarray(ours, bool), np.asarray(theirs, bool)]).astype(float)
    sums = _sums(pairs)
    clusters = np.unique(np.asarray(list(map(str, examples))), return_inverse=True)[1]
    each = np.stack([_sums(pairs[clusters == number]) for number in range(clusters.max() + 1)])
    center = float(_kappa(sums[None])[0])
    low = high = None
    without = _kappa(sums - each)
    if math.isfinite(center) and len(each) > 2 and np.isfinite(without).all():
        from scipy.stats import t

        count = len(each)
        error = math.sqrt((count - 1) / count * float(np.square(without - without.mean()).sum()))
        reach = float(t.ppf(0.975, count - 1)) * error
        low, high = max(-1.0, center - reach), min(1.0, center + reach)
    return Kappa(float(sums[1] / sums[0]), center if math.isfinite(center) else None, low, high)


def _sums(pairs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how many pairs there are, how many are equal, and how often either is true."""
    return np.array([len(pairs), (pairs[:, 0] == pairs[:, 1]).sum(), pairs[:, 0].sum(), pairs[:, 1].sum()])


def _kappa(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        count, equal, one, other = sums.T
        chance = (one * other + (count - one) * (count - other)) / count**2
        found: npt.NDArray[np.float64] = (equal / count - chance) / (1 - chance)
    return np.where(np.isclose(chance, 1), np.nan, found)


def read_labels(labels: Any) -> list[Row]:
    """Return labels as rows: of a data frame, a CSV file, a sequence of mappings, or a mapping by ``cell_id``."""
    if isinstance(labels, str | Path):
        try:
            return list(csv.DictReader(read_text(Path(labels)).splitlines()))
        except OSError as error:
            raise SettingsError(f"labels={str(labels)!r} cannot be read: {error.strerror or error}") from None
    if hasattr(labels, "to_dict") and hasattr(labels, "columns"):
        return [dict(row) for row in labels.to_dict("records")]
    if isinstance(labels, Mapping):
        return [{"cell_id": name, **told} for name, told in labels.items()]
    return [dict(row) for row in labels]


def agreements(rows: Sequence[Row], labels: Sequence[Row] | None, threshold: float) -> list[Row]:
    """Return a row for each criterion and grader, or, without labels, for each two graders; see `Results.agreement`."""
    graders = list(dict.fromkeys(name for row in rows for name in row if name.startswith("grade_")))
    if labels is None:
        graded = [(row, row) for row in rows]
        compared = [(one, other) for place, one in enumerate(graders) for other in graders[place + 1 :]]
        names = ("grader", "other", "grader_met", "other_met")
    else:
        graded = _labelled(rows, labels)
        criteria = [name for name in dict.fromkeys(name for row in labels for name in row) if name not in _NAMES]
        compared = [(grader, each) for each in criteria for grader in graders if _is_of(grader, each)]
        names = ("grader", "criterion", "grader_met", "people_met")
        if not compared:
            told = ", ".join(name.removeprefix("grade_") for name in graders) or "none"
            raise SettingsError(f"labels have the columns {criteria}, but the graders are {told}: give them one's name")
    return [found for one, other in compared if (found := _compared(graded, one, other, threshold, names))]


def _is_of(grader: str, criterion: str) -> bool:
    """Return whether a grader judges a criterion: it is named after it, perhaps with a judge's name behind."""
    name, criterion = grader.removeprefix("grade_"), criterion.removeprefix("grade_")
    return name == criterion or name.startswith(f"{criterion}_")


def _labelled(rows: Sequence[Row], labels: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Return each answer with its labels; several people may label one."""
    known = [name for name in _NAMES if any(name in label for label in labels)]
    if not known:
        raise SettingsError(f"labels must say which answer they are for: give a column {' or '.join(_NAMES[:2])}")
    found: list[tuple[Row, Row]] = []
    by_names: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        by_names.setdefault(tuple(str(row.get(name)) for name in known), []).append(row)
    for label in labels:
        found += [(row, label) for row in by_names.get(tuple(str(label.get(name)) for name in known), [])]
    if not found:
        raise SettingsError(f"no label names an answer of these results by {', '.join(known)}")
    return found


def _compared(
    graded: Sequence[tuple[Row, Row]], one: str, other: str, threshold: float, names: Sequence[str]
) -> Row | None:
    pairs = [(value_of(row, one), _number(label.get(other)), row["example_id"]) for row, label in graded]
    known = [(a >= threshold, b >= threshold, each) for a, b, each in pairs if a is not None and b is not None]
    if not known:
        return None
    ours, theirs, examples = zip(*known, strict=True)
    found = kappa_of(ours, theirs, examples)
    return {
        names[0]: one.removeprefix("grade_"),
        names[1]: other.removeprefix("grade_"),
        "count": len(known),
        "agreement": found.agreement,
        "kappa": found.kappa,
        "low": found.low,
        "high": found.high,
        names[2]: sum(ours) / len(ours),
        names[3]: sum(theirs) / len(theirs),
    }


def _number(value: Any) -> float | None:
    """Return a label as a number; words such as "yes" and "fail" count as 1 and 0."""
    if isinstance(value, str):
        text = value.strip().lower()
        if text in ("yes", "true", "pass", "met", "no", "false", "fail", "not met"):
            return float(text in ("yes", "true", "pass", "met"))
        if not text:
            return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        if value is None:
            return None
        raise SettingsError(f"the label {value!r} is neither a number nor yes or no") from None
    return number if math.isfinite(number) else None
