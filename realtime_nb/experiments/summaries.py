"""What groups of rows come to, and how far apart they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import SettingsError
from ..paired import paired_difference
from .groups import FACTORS, Row, by_example, grouped, is_binary, measured, named_columns
from .intervals import interval_of
from .metrics import value_of


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
    """Return how far rows are from a baseline's, paired."""
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
