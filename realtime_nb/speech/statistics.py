"""The difference between two systems on the same questions, with its 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

#: How many resamples each bootstrap draws.
RESAMPLES = 2_000


class PairedDifference(NamedTuple):
    """The mean of paired differences, with its interval and effect size."""

    mean: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""
    effect: float | None
    """The mean over the standard deviation of the differences; `None` if they do not differ from each other."""
    pairs: int
    """How many pairs there are."""


def paired_difference(differences: Sequence[float], seed: int = 0) -> PairedDifference | None:
    """Estimate the mean of paired differences.

    `None` for fewer than two pairs, which give no interval.

    The interval is the bootstrap's: percentile method, 2,000 resamples (Efron & Tibshirani 1993, §13.3). The effect
    size is Cohen's *d_z* (Cohen 1988, §2.3.5; Lakens 2013, formula 6): about 0.2 is small, 0.5 medium, 0.8 large.
    """
    values = np.asarray(differences, float)
    if len(values) < 2:
        return None
    means = np.random.default_rng(seed).choice(values, (RESAMPLES, len(values))).mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    # A spread that comes only from rounding equal differences does not count.
    effect = mean / spread if spread > 1e-9 * np.abs(values).max() else None
    return PairedDifference(mean, float(low), float(high), effect, len(values))
