import numpy as np
import pytest
from scipy import stats

from realtime_nb.speech.statistics import paired_difference


def test_the_interval_is_that_of_scipys_bootstrap():
    differences = np.random.default_rng(1).normal(30, 20, 40)
    found = paired_difference(differences)
    theirs = stats.bootstrap(
        (differences,), np.mean, method="percentile", n_resamples=2_000, rng=np.random.default_rng(0)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.7)
    assert found.mean == pytest.approx(differences.mean()) and found.pairs == 40


@pytest.mark.parametrize("sign", [1, -1])
def test_each_end_is_the_bound_of_scipys_one_sided_test(sign):
    # Long to one side, so that the ends are not at the same distance. Scipy's are over 50,000 resamples. The tolerance
    # is 0.12 of a standard error, twice what an end over 2,000 varies by: sqrt(0.025 · 0.975 / 2000) / φ(1.96) = 0.06.
    differences = sign * np.random.default_rng(4).lognormal(3, 0.7, 40)
    found = paired_difference(differences)
    theirs = {
        side: stats.bootstrap(
            (differences,),
            np.mean,
            method="percentile",
            confidence_level=0.975,
            alternative=side,
            n_resamples=50_000,
            batch=10_000,
            rng=np.random.default_rng(0),
        )
        for side in ("greater", "less")
    }
    tolerance = 0.12 * theirs["less"].standard_error
    assert found.low == pytest.approx(theirs["greater"].confidence_interval.low, abs=tolerance)
    assert found.high == pytest.approx(theirs["less"].confidence_interval.high, abs=tolerance)
    assert np.sign([found.low, found.high]).tolist() == [sign, sign]


def test_the_effect_size_is_that_of_students_sleep_data():
    # Student 1908, "The Probable Error of a Mean", Biometrika 6, table of hours of sleep gained by ten patients with
    # two drugs: mean difference 1.58, paired t 4.0621 with 9 degrees of freedom; d_z = t / √10 = 1.2846.
    first = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    second = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
    found = paired_difference(second - first)
    assert found.mean == pytest.approx(1.58) and found.effect == pytest.approx(1.2846, abs=5e-5)


def test_the_effect_size_is_that_of_the_paired_t_test():
    differences = np.random.default_rng(2).normal(1, 2, 25)
    assert paired_difference(differences).effect * 5 == pytest.approx(stats.ttest_1samp(differences, 0).statistic)


def test_equal_differences_have_no_effect_size_and_no_width():
    found = paired_difference([0.1 + 0.2, 0.3, 0.3])
    assert found.effect is None and found.low == pytest.approx(found.high)


@pytest.mark.parametrize("differences", [[], [1.0]])
def test_of_fewer_than_two_pairs_nothing_can_be_said(differences):
    assert paired_difference(differences) is None
