"""Means and medians of groups, against scipy's bootstrap on data that are known."""

import numpy as np
import pytest
from scipy import stats

from realtime_nb.experiments.statistics import interval_of

# Of a standard error: twice what an end over 2,000 resamples varies by, sqrt(0.025 · 0.975 / 2000) / φ(1.96) = 0.06;
# scipy's are over 50,000.
TOLERANCE = 0.12
DATA = {
    "even": np.random.default_rng(1).normal(500, 80, 30),
    "long to the right": np.random.default_rng(2).lognormal(6, 0.6, 30),
    "long to the left": 2_000 - np.random.default_rng(2).lognormal(6, 0.6, 30),
    "few": np.random.default_rng(3).normal(0, 1, 5),
}


@pytest.mark.parametrize("statistic", ["mean", "median"])
@pytest.mark.parametrize("name", DATA)
def test_both_ends_are_those_of_scipys_bootstrap(name, statistic):
    data = DATA[name]
    found = interval_of([[value] for value in data], statistic)
    theirs = stats.bootstrap(
        (data,),
        getattr(np, statistic),
        method="percentile",
        n_resamples=50_000,
        batch=10_000,
        rng=np.random.default_rng(0),
    )
    assert found.center == pytest.approx(getattr(np, statistic)(data)) and found.examples == len(data)
    tolerance = TOLERANCE * theirs.standard_error * (3 if statistic == "median" else 1)  # A median jumps.
    assert found.low == pytest.approx(theirs.confidence_interval.low, abs=tolerance)
    assert found.high == pytest.approx(theirs.confidence_interval.high, abs=tolerance)


@pytest.mark.parametrize("right", [0, 3, 30])
def test_what_is_right_or_wrong_has_wilsons_interval(right):
    found = interval_of([[1.0]] * right + [[0.0]] * (30 - right), is_binary=True)
    theirs = stats.binomtest(right, 30).proportion_ci(method="wilson")
    assert (found.center, found.low, found.high) == pytest.approx((right / 30, theirs.low, theirs.high))


def test_repeats_that_all_agree_tell_no_more_than_one():
    once = interval_of([[1.0], [0.0], [1.0]], is_binary=True)
    assert interval_of([[1.0] * 5, [0.0] * 5, [1.0] * 5], is_binary=True) == once
    values = [100.0, 200.0, 350.0, 900.0]
    assert interval_of([[value] for value in values]) == interval_of([[value] * 4 for value in values])


def test_examples_with_more_answers_weigh_more_as_in_the_mean_of_all():
    found = interval_of([[0.0, 0.0, 0.0], [4.0]])
    assert (found.center, found.low, found.high) == (1.0, 0.0, 4.0)


def test_of_one_example_only_its_center_is_known_and_of_none_nothing():
    assert interval_of([[1.0, 3.0]]) == (2.0, None, None, 1)
    assert interval_of([[], []]) is None


def test_many_examples_are_resampled_in_blocks_with_the_same_result(monkeypatch):
    values = [[float(n)] for n in range(20)]
    whole = interval_of(values)
    monkeypatch.setattr("realtime_nb.experiments.statistics._BLOCK", 700)
    assert interval_of(values) == whole
