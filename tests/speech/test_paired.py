import numpy as np
import pytest
from scipy import stats

from realtime_nb.speech.statistics import (
    holm,
    paired_difference,
    paired_p_value,
    unpaired_difference,
    unpaired_p_value,
)


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


def test_equal_differences_have_no_effect_size_and_no_interval():
    found = paired_difference([0.1 + 0.2, 0.3, 0.3])
    assert (found.effect, found.low, found.high) == (None, None, None)


@pytest.mark.parametrize("differences", [[], [1.0]])
def test_fewer_than_two_pairs_have_no_interval(differences):
    assert paired_difference(differences) is None


def test_few_pairs_have_the_interval_of_the_paired_t_test():
    differences = np.random.default_rng(2).normal(1, 2, 5)
    found, theirs = paired_difference(differences), stats.ttest_1samp(differences, 0).confidence_interval()
    assert found.method == "t" and (found.low, found.high) == pytest.approx((theirs.low, theirs.high))


def chances(share, other, count):
    """Return how likely each number of pairs is that are right only here, and only there."""
    for more in range(count + 1):
        for fewer in range(count + 1 - more):
            outcome = [more, fewer, count - more - fewer]
            yield more, fewer, stats.multinomial.pmf(outcome, count, [share, other, 1 - share - other])


@pytest.mark.parametrize("count", [5, 10, 25])
@pytest.mark.parametrize(
    ("share", "other"), [(0.02, 0.02), (0.1, 0.1), (0.3, 0.1), (0.25, 0.25), (0.5, 0.1), (0.9, 0.0)]
)
def test_differences_of_right_and_wrong_are_covered_at_all_sizes(share, other, count):
    held = 0.0
    for more, fewer, chance in chances(share, other, count):
        pairs = [1.0] * more + [-1.0] * fewer + [0.0] * (count - more - fewer)
        found = paired_difference(pairs, is_binary=True)
        held += chance * (found.low <= share - other <= found.high)
    assert held >= 0.915


def test_ties_of_right_and_wrong_leave_room_for_a_difference():
    found = paired_difference([0.0] * 12, is_binary=True)
    reach = 1.96**2 / (12 + 1.96**2)  # Tango 1998, where no pair differs.
    assert (found.low, found.high, found.method) == (
        pytest.approx(-reach, abs=1e-4),
        pytest.approx(reach, abs=1e-4),
        "Tango",
    )
    assert paired_difference([1.0] * 8, is_binary=True).high == 1.0


def test_different_examples_are_compared_by_welchs_interval_and_newcombes():
    one, other = np.random.default_rng(1).normal(5, 1, 12), np.random.default_rng(2).normal(4, 3, 7)
    found = unpaired_difference(one[:, None], other[:, None])
    theirs = stats.ttest_ind(one, other, equal_var=False).confidence_interval()
    assert found.method == "Welch" and (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    # Newcombe 1998, table II, case (a): 56 of 70 against 48 of 80, by method 10.
    shares = [[[1.0]] * right + [[0.0]] * (count - right) for right, count in ((56, 70), (48, 80))]
    found = unpaired_difference(*shares, is_binary=True)
    assert (found.center, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert unpaired_difference([[1.0]], [[2.0], [3.0]]) is None


def test_p_values_are_those_of_the_exact_tests():
    # 1 pair right only here, 9 only there: McNemar's exact p is 2 · (1 + 10) / 2¹⁰.
    assert paired_p_value([1.0] + [-1.0] * 9 + [0.0] * 20, "mcnemar") == pytest.approx(22 / 1024)
    assert paired_p_value([0.0, 0.0], "sign") == 1.0
    # All 2⁵ ways to sign five differences: only two are as far from 0.
    assert paired_p_value([1.0, 2.0, 3.0, 4.0, 5.0], "permutation") == pytest.approx(2 / 32)
    assert unpaired_p_value([[1.0], [2.0], [3.0]], [[4.0], [5.0], [6.0]]) == pytest.approx(2 / 20)
    assert paired_p_value([1.0], "permutation") is None


def test_holms_correction_leaves_out_what_is_missing():
    assert holm([0.01, None, 0.04, 0.03, 0.005]) == pytest.approx([0.03, None, 0.06, 0.06, 0.02])
