"""How sure one may be of a group's mean or median, where answers to the same example are alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ..paired import RESAMPLES

Statistic = Literal["mean", "median"]

#: The normal distribution's 97.5th percentile.
_Z = 1.959963984540054
#: Resamples are made in blocks of so many numbers, to bound memory.
_BLOCK = 4_000_000


class Interval(NamedTuple):
    """A mean or median, and its 95 % interval."""

    center: float
    low: float | None
    """`None` where one example is all there is, of which nothing can be said."""
    high: float | None
    examples: int
    """How many examples it rests on."""


def interval_of(
    values: Sequence[Sequence[float]], statistic: Statistic = "mean", *, is_binary: bool = False, seed: int = 0
) -> Interval | None:
    """Estimate a group's mean or median.

    Parameters
    ----------
    values : sequence of sequences of float
        One for each example: what was measured of it, repeat by repeat.
    statistic : {"mean", "median"}, default "mean"
        Of all values together.
    is_binary : bool, default False
        Whether each value is right or wrong, 1 or 0.
    seed : int, default 0
        Of the resampling.

    Returns
    -------
    interval : Interval or None
        `None` where there are no values.

    Notes
    -----
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
    # Rounding must not leave the interval, or the share outside of it.
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
