"""Intervals and tests that hold at the sizes people use: of means, medians, shares, and the differences between them.

Every interval covers 95 %. Which method made it depends on the number of examples and the kind of values:

================  ==========================  =========================================================================
``method``        for                         source
================  ==========================  =========================================================================
t                 means, fewer than 30        Student 1908; of answers to the same examples: Cochran 1977, §6.3
                  examples or from 1,000
bootstrap         means, 30 to 999 examples   percentile method over whole examples, 2,000 resamples: Efron & Tibshirani
                                              1993, §13.3; Davison & Hinkley 1997, §3.8
order statistics  medians                     fewer than 30: Conover 1999, §3.2; below 6 examples none reaches 95 %.
                                              From 30, by the variance of the share below, over whole examples:
                                              Woodruff 1952
Wilson            shares of right answers     Wilson 1927
Tango             paired differences of       Tango 1998
                  right or wrong
Welch             unpaired differences        Welch 1947
Newcombe          unpaired differences of     Newcombe 1998, "Interval estimation for the difference between independent
                  shares                      proportions", method 10
================  ==========================  =========================================================================

With fewer than 30 examples the bootstrap's intervals are too narrow: at 3, the percentile method covers 74 %, and BCa
72 % (Hesterberg 2015). The t interval covers 95 % of normal data, and about 90 % of data with a long tail, such as
times. From 1,000 examples on, t interval and bootstrap differ by less than another seed would change the latter. There
is no interval if all values are equal, because they say nothing about others.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import SettingsError

Statistic = Literal["mean", "median"]
Test = Literal["permutation", "sign", "mcnemar"]

#: How many resamples each bootstrap draws.
RESAMPLES = 2_000
#: With fewer examples, the bootstrap's intervals are clearly too narrow.
FEW = 30
#: With so many, the t interval is as good, and takes no time.
MANY = 1_000
#: The normal distribution's 97.5th percentile.
_Z = 1.959963984540054

# --- One group: its mean, median or share -----------------------------------------------------------------------------


class Interval(NamedTuple):
    """A mean or median, and its 95 % interval."""

    center: float
    low: float | None
    """`None` if there is no interval: of one example, or of values that are all equal."""
    high: float | None
    examples: int
    """The number of examples behind it."""
    method: str = ""
    """How the interval was made: see `realtime_nb.speech.statistics`."""


def interval_of(
    values: Sequence[Sequence[float]],
    statistic: Statistic = "mean",
    *,
    is_binary: bool = False,
    within: tuple[float, float] = (-math.inf, math.inf),
    seed: int = 0,
) -> Interval | None:
    """Estimate a group's mean or median from the values of each example; `None` if there are none.

    `is_binary`: whether values are right or wrong. `within`: the least and the highest value that is possible.
    """
    found = [each for each in values if len(each)]
    if not found:
        return None
    pooled, counts = np.fromiter(chain.from_iterable(found), float), np.array(list(map(len, found)))
    center = float(pooled.mean() if statistic == "mean" else np.median(pooled))
    ends, method = _ends(pooled, counts, statistic, is_binary=is_binary, seed=seed)
    if ends is None:
        return Interval(center, None, None, len(found))
    # Rounding, or medians of unequal numbers of answers, must not put the center outside.
    low, high = max(within[0], min(ends[0], center)), min(within[1], max(ends[1], center))
    return Interval(center, low, high, len(found), method)


def _ends(
    pooled: npt.NDArray[Any], counts: npt.NDArray[Any], statistic: Statistic, *, is_binary: bool, seed: int
) -> tuple[tuple[float, float] | None, str]:
    """Return the ends of an interval, given the values of all examples, one after another, and how many each has."""
    begins = np.cumsum(counts) - counts
    if len(counts) < 2:
        return None, ""
    is_settled = bool((np.minimum.reduceat(pooled, begins) == np.maximum.reduceat(pooled, begins)).all())
    if is_binary and is_settled and statistic == "mean":
        return _wilson(round(pooled[begins].sum()), len(counts)), "Wilson"
    if not _vary(pooled):
        return None, ""
    if statistic == "mean":
        return _ratio_ends(np.add.reduceat(pooled, begins), counts, seed)
    return (_order_statistics if len(counts) < FEW else _woodruff)(pooled, begins), "order statistics"


def _vary(values: npt.NDArray[np.float64]) -> bool:
    """Return whether values differ by more than rounding."""
    return bool(np.ptp(values) > 1e-9 * np.abs(values).max())


def ratio_of(parts: Sequence[tuple[float, float]], seed: int = 0) -> Interval | None:
    """Estimate a ratio of sums over examples, such as a corpus's word error rate, which is at least 0.

    `None` without examples, or if all the denominators are 0. `parts`: numerator and denominator of each example.
    """
    sums, counts = np.array(parts, float).reshape(-1, 2).T
    if not counts.sum():
        return None
    center, examples = float(sums.sum() / counts.sum()), len(sums)
    if examples < 2 or not _vary(sums - center * counts):
        return Interval(center, None, None, examples)
    ends, method = _ratio_ends(sums, counts, seed)
    return Interval(center, max(0.0, ends[0]), ends[1], examples, method)


def _ratio_ends(sums: npt.NDArray[Any], counts: npt.NDArray[Any], seed: int) -> tuple[tuple[float, float], str]:
    """Return the interval of a ratio of sums, such as the mean of all answers; answers to one example are alike."""
    if not FEW <= len(sums) < MANY:
        return _ratio_t(sums, counts), "t"
    drawn = _resamples(len(sums), seed)
    low, high = np.percentile((drawn @ sums) / (drawn @ counts.astype(float)), (2.5, 97.5))
    return (float(low), float(high)), "bootstrap"


@functools.lru_cache(maxsize=8)
def _resamples(count: int, seed: int) -> npt.NDArray[np.int16]:
    """Return how often each of so many examples is drawn, a line for each resample; all measures have the same.

    They are those of `scipy.stats.bootstrap` with this seed, which takes a second to load.
    """
    drawn = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
    places = (drawn + count * np.arange(RESAMPLES)[:, None]).ravel()
    return np.bincount(places, minlength=RESAMPLES * count).reshape(RESAMPLES, count).astype(np.int16)


def _ratio_t(sums: npt.NDArray[Any], counts: npt.NDArray[Any]) -> tuple[float, float]:
    ratio = sums.sum() / counts.sum()
    variance = len(sums) / (len(sums) - 1) * ((sums - ratio * counts) ** 2).sum() / counts.sum() ** 2
    reach = _t_quantile(len(sums) - 1) * math.sqrt(variance)
    return float(ratio - reach), float(ratio + reach)


def _t_quantile(degrees: npt.ArrayLike) -> Any:
    from scipy.special import stdtrit

    return stdtrit(degrees, 0.975)


def _order_statistics(pooled: npt.NDArray[Any], begins: npt.NDArray[Any]) -> tuple[float, float] | None:
    from scipy import stats

    medians = [np.median(each) for each in np.split(pooled, begins[1:])]
    found = stats.quantile_test(medians, p=0.5).confidence_interval(0.95)
    return None if math.isnan(found.low) or math.isnan(found.high) else (float(found.low), float(found.high))


def _woodruff(pooled: npt.NDArray[Any], begins: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the interval of the median of all answers, from how far the share below it varies over examples."""
    counts, median = np.diff(begins, append=len(pooled)), np.median(pooled)
    # Equal values count on either side: more of them than of others must not make the share seem sure.
    shares = [
        _ratio_t(np.add.reduceat(side.astype(int), begins), counts) for side in (pooled < median, pooled <= median)
    ]
    reach = max(high - low for low, high in shares) / 2
    low, high = np.quantile(pooled, (max(0.0, 0.5 - reach), min(1.0, 0.5 + reach)))
    return float(low), float(high)


def _wilson(right: int, count: int) -> tuple[float, float]:
    from scipy import stats

    found = stats.binomtest(right, count).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def examples_needed(values: Sequence[Sequence[float]], half_width: float, *, is_binary: bool = False) -> int | None:
    """Return how many examples like these give a mean's interval that reaches `half_width` to either side.

    `None` if it cannot be told: of fewer than two examples, or of values that are all equal and not right or wrong.
    """
    means = np.array([float(np.mean(each)) for each in values if len(each)])
    if len(means) < 2:
        return None
    spread = float(means.std(ddof=1))
    if not _vary(means):
        if not is_binary:
            return None
        share = (means.sum() + 2) / (len(means) + 4)  # As if two more were right, and two wrong: Agresti & Coull 1998.
        spread = math.sqrt(share * (1 - share))
    # At least what the normal distribution says, and for few examples some more.
    first = max(2, math.ceil((_Z * spread / half_width) ** 2))
    counts = np.arange(first, first + 13)
    enough = _t_quantile(counts - 1) * spread / np.sqrt(counts) <= half_width
    return int(counts[enough.argmax()]) if enough.any() else int(counts[-1])


# --- Two groups: the difference on the same examples, or on different ones --------------------------------------------


class PairedDifference(NamedTuple):
    """The mean of paired differences, with its interval and effect size."""

    mean: float
    low: float | None
    """Lower end of the 95 % interval; `None` if all differences are equal, which gives no interval."""
    high: float | None
    """Upper end of the 95 % interval."""
    effect: float | None
    """The mean over the standard deviation of the differences; `None` if they do not differ from each other."""
    pairs: int
    """How many pairs there are."""
    method: str = ""
    """How the interval was made: see `realtime_nb.speech.statistics`."""


def paired_difference(
    differences: Sequence[float], seed: int = 0, *, is_binary: bool = False
) -> PairedDifference | None:
    """Estimate the mean of paired differences.

    `None` for fewer than two pairs, which give no interval. `is_binary`: whether each is a difference of right and
    wrong. The effect size is Cohen's *d_z* (Cohen 1988, §2.3.5; Lakens 2013, formula 6): about 0.2 is small, 0.5
    medium, 0.8 large.
    """
    values = np.asarray(differences, float)
    if len(values) < 2:
        return None
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    effect = mean / spread if _vary(values) else None
    if is_binary:
        low, high = _tango(int((values > 0).sum()), int((values < 0).sum()), len(values))
        return PairedDifference(mean, low, high, effect, len(values), "Tango")
    found = interval_of(values[:, None], seed=seed)  # type: ignore[arg-type]
    assert found is not None
    return PairedDifference(mean, found.low, found.high, effect, len(values), found.method)


@functools.lru_cache(maxsize=1_000)
def _tango(more: int, fewer: int, pairs: int) -> tuple[float, float]:
    """Return Tango's score interval: `more` pairs are right only here, `fewer` only there."""
    return _tango_low(more, fewer, pairs), -_tango_low(fewer, more, pairs)


def _tango_low(more: int, fewer: int, pairs: int) -> float:
    from scipy.optimize import brentq

    def excess(difference: float) -> float:
        """Return how much further off the data are than the interval's end, if this were the difference."""
        b = (2 * pairs - more + fewer) * difference - more - fewer
        product = 8 * pairs * fewer * difference * (1 - difference)
        only_there = (math.sqrt(max(0.0, b * b + product)) - b) / (4 * pairs)  # The most likely share of these.
        variance = pairs * max(0.0, 2 * only_there + difference * (1 - difference))
        return more - fewer - pairs * difference - _Z * math.sqrt(variance)

    # At the difference itself both may be 0, which is not an end.
    return float(brentq(excess, -1.0, (more - fewer) / pairs - 1e-9)) if fewer < pairs else -1.0


def unpaired_difference(
    ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]], *, is_binary: bool = False
) -> Interval | None:
    """Estimate the difference of two means of different examples; `None` if either has fewer than two.

    Each example counts once, with the mean of its answers. `is_binary`: whether values are right or wrong.
    """
    means = [np.array([float(np.mean(each)) for each in side if len(each)]) for side in (ours, theirs)]
    if min(map(len, means)) < 2:
        return None
    (one, other), examples = means, sum(map(len, means))
    center = float(one.mean() - other.mean())
    if is_binary and np.isin([*one, *other], (0, 1)).all():
        (low, high), (other_low, other_high) = (_wilson(round(side.sum()), len(side)) for side in means)
        below = math.hypot(one.mean() - low, other_high - other.mean())
        above = math.hypot(high - one.mean(), other.mean() - other_low)
        return Interval(center, max(-1.0, center - below), min(1.0, center + above), examples, "Newcombe")
    parts = [side.var(ddof=1) / len(side) for side in means]
    if not _vary(one) and not _vary(other):
        return Interval(center, None, None, examples)
    degrees = sum(parts) ** 2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, means, strict=True))
    reach = float(_t_quantile(degrees)) * math.sqrt(sum(parts))
    return Interval(center, center - reach, center + reach, examples, "Welch")


# --- Tests of differences: p-values, and their correction for many ----------------------------------------------------

#: The most permutations that are drawn; all of them are tried if there are fewer.
_PERMUTATIONS = 9_999


def paired_p_value(differences: Sequence[float], test: Test, seed: int = 0) -> float | None:
    """Return the two-sided p-value of paired differences; `None` for fewer than two.

    ``"sign"`` is the exact sign test; for right and wrong answers that is McNemar's exact test, ``"mcnemar"``;
    ``"permutation"`` changes the signs of the differences, in all ways or in 9,999 random ones.
    """
    from scipy import stats

    values = np.asarray(differences, float)
    if len(values) < 2:
        return None
    if test == "permutation":
        return float(_permuted((values,), "samples", np.mean, seed))
    unequal = values[values != 0]
    return float(stats.binomtest(int((unequal > 0).sum()), len(unequal)).pvalue) if len(unequal) else 1.0


def unpaired_p_value(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]], seed: int = 0) -> float | None:
    """Return the two-sided p-value of a permutation test between two groups of different examples."""
    means = [np.array([float(np.mean(each)) for each in side if len(each)]) for side in (ours, theirs)]
    if min(map(len, means)) < 2:
        return None

    def difference(one: Any, other: Any, axis: int) -> Any:
        return np.mean(one, axis=axis) - np.mean(other, axis=axis)

    return float(_permuted((means[0], means[1]), "independent", difference, seed))


def _permuted(data: tuple[Any, ...], kind: str, statistic: Any, seed: int) -> float:
    from scipy import stats

    found = stats.permutation_test(
        data,
        statistic,
        permutation_type=kind,
        n_resamples=_PERMUTATIONS,
        batch=1_000,
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values corrected for their number (Holm 1979); missing ones do not count."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        corrected[place] = highest
    return corrected


# --- Tasks tried several times ----------------------------------------------------------------------------------------


def pass_hat_k(tries: Sequence[Sequence[float]], k: int) -> list[list[float]]:
    """Return, for each example with at least `k` tries, how likely `k` of its tries all succeed.

    That is τ-bench's pass^k (Yao et al. 2024, arXiv 2406.12045): of ``n`` tries with ``c`` right ones,
    ``C(c, k) / C(n, k)``; its mean over the examples is the benchmark's figure.
    """
    if any(value not in (0, 1) for each in tries for value in each):
        raise SettingsError("pass^k needs a measure that is 0 or 1 in every answer")
    return [[math.comb(round(sum(each)), k) / math.comb(len(each), k)] for each in tries if len(each) >= k]
