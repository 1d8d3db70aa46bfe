import numpy as np
import pytest
from scipy import stats

from realtime_nb.paired import paired_difference


def test_the_interval_is_that_of_scipys_bootstrap():
    differences = np.random.default_rng(1).normal(30, 20, 40)
    found = paired_difference(differences)
    theirs = stats.bootstrap(
        (differences,), np.mean, method="percentile", n_resamples=2_000, rng=np.random.default_rng(0)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.7)
    assert found.mean == pytest.approx(differences.mean()) and found.pairs == 40


def test_the_effect_size_is_that_of_the_paired_t_test():
    differences = np.random.default_rng(2).normal(1, 2, 25)
    assert paired_difference(differences).effect * 5 == pytest.approx(stats.ttest_1samp(differences, 0).statistic)


def test_equal_differences_have_no_effect_size_and_no_width():
    found = paired_difference([0.1 + 0.2, 0.3, 0.3])
    assert found.effect is None and found.low == pytest.approx(found.high)


@pytest.mark.parametrize("differences", [[], [1.0]])
def test_of_fewer_than_two_pairs_nothing_can_be_said(differences):
    assert paired_difference(differences) is None
