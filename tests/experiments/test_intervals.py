"""Means and medians of groups, against scipy's bootstrap on data that are known."""

import numpy as np
import pytest
from scipy import stats

from realtime_nb.errors import SettingsError
from realtime_nb.speech.statistics import examples_needed, interval_of, pass_hat_k

# Of a standard error: twice what an end over 2,000 resamples varies by, sqrt(0.025 · 0.975 / 2000) / φ(1.96) = 0.06;
# scipy's are over 50,000.
TOLERANCE = 0.12
DATA = {
    "even": np.random.default_rng(1).normal(500, 80, 30),
    "long to the right": np.random.default_rng(2).lognormal(6, 0.6, 30),
    "long to the left": 2_000 - np.random.default_rng(2).lognormal(6, 0.6, 30),
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
def test_shares_have_wilsons_interval(right):
    found = interval_of([[1.0]] * right + [[0.0]] * (30 - right), is_binary=True)
    theirs = stats.binomtest(right, 30).proportion_ci(method="wilson")
    assert (found.center, found.low, found.high) == pytest.approx((right / 30, theirs.low, theirs.high))


def test_repeats_that_all_agree_tell_no_more_than_one():
    once = interval_of([[1.0], [0.0], [1.0]], is_binary=True)
    assert interval_of([[1.0] * 5, [0.0] * 5, [1.0] * 5], is_binary=True) == once
    for values in (DATA["even"][:7], DATA["even"]):
        once, often = (interval_of([[value] * count for value in values]) for count in (1, 4))
        assert often[:3] == pytest.approx(once[:3]) and often[3:] == once[3:]


@pytest.mark.parametrize("count", [2, 3, 29])
def test_the_mean_of_few_has_the_t_interval(count):
    data = np.random.default_rng(3).normal(0, 1, count)
    found = interval_of([[value] for value in data])
    theirs = stats.ttest_1samp(data, 0).confidence_interval()
    assert found.method == "t" and (found.low, found.high) == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize(("count", "ranks"), [(5, None), (6, (1, 6)), (12, (3, 10)), (29, (9, 21))])
def test_the_median_of_few_lies_between_two_of_them_as_tables_of_the_sign_test_say(count, ranks):
    data = np.random.default_rng(4).permutation(np.arange(1.0, count + 1))
    found = interval_of([[value] for value in data], "median")
    assert (found.low, found.high) == (ranks or (None, None))


def test_examples_with_more_answers_weigh_more_as_in_the_mean_of_all():
    found = interval_of([[0.0, 0.0, 0.0], [4.0], [1.0, 1.0]])
    assert found.center == 1.0 and found.low < 0.0 < 4.0 < found.high
    assert interval_of([[0.0, 0.0, 0.0], [4.0], [1.0, 1.0]], within=(0.0, 5.0))[1:3] == (0.0, found.high)


def test_one_example_gives_a_center_without_an_interval_and_none_gives_nothing():
    assert interval_of([[1.0, 3.0]]) == (2.0, None, None, 1, "")
    assert interval_of([[], []]) is None


@pytest.mark.parametrize("count", [3, 40])
def test_equal_values_give_no_interval(count):
    assert interval_of([[0.5]] * count) == (0.5, None, None, count, "")


@pytest.mark.parametrize(("count", "method"), [(29, "t"), (30, "bootstrap"), (999, "bootstrap"), (1_000, "t")])
def test_means_of_few_and_of_very_many_have_t_intervals_and_others_the_bootstraps(count, method):
    assert interval_of([[float(n)] for n in range(count)]).method == method


def test_from_a_thousand_examples_the_t_interval_is_scipys_bootstrap():
    data = np.random.default_rng(6).lognormal(6, 0.6, 1_000)
    found = interval_of([[value] for value in data])
    theirs = stats.bootstrap((data,), np.mean, method="percentile", rng=np.random.default_rng(0), batch=500)
    tolerance = TOLERANCE * theirs.standard_error
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval), abs=tolerance)


# How often intervals hold the true value, in samples drawn from known distributions; each share over 1,000 samples is
# within 0.02 of the truth.
TRUE_MEANS = {"normal": 5.0, "uniform": 0.5, "lognormal": float(np.exp(0.18))}


def drawn(name, count, seed):
    random = np.random.default_rng(seed)
    return {"normal": lambda: random.normal(5, 1, count), "uniform": lambda: random.random(count)}.get(
        name, lambda: random.lognormal(0, 0.6, count)
    )()


@pytest.mark.parametrize(
    ("name", "count", "at_least"),
    [
        *(("normal", count, 0.93) for count in (3, 5, 12, 29)),
        *(("uniform", count, 0.91) for count in (3, 12)),
        *(("lognormal", count, 0.88) for count in (3, 12)),  # A long tail, as times have.
    ],
)
def test_intervals_of_few_cover_the_mean(name, count, at_least):
    found = [interval_of([[value] for value in drawn(name, count, seed)]) for seed in range(1_000)]
    assert at_least <= np.mean([each.low <= TRUE_MEANS[name] <= each.high for each in found]) <= 0.98


def test_intervals_of_few_cover_the_mean_if_answers_to_an_example_are_alike():
    def covers(seed):
        random = np.random.default_rng(seed)
        found = interval_of([random.normal(center, 0.3, 4) for center in random.normal(5, 1, 6)])
        return found.low <= 5 <= found.high

    assert 0.93 <= np.mean([covers(seed) for seed in range(1_000)]) <= 0.97


@pytest.mark.parametrize("count", [6, 29])
def test_intervals_of_few_cover_the_median(count):
    found = [interval_of([[value] for value in drawn("lognormal", count, seed)], "median") for seed in range(200)]
    assert 0.93 <= np.mean([each.low <= 1.0 <= each.high for each in found])


@pytest.mark.parametrize("count", [30, 100])
def test_intervals_of_many_cover_the_median_if_answers_to_an_example_are_alike(count):
    def covers(seed):
        random = np.random.default_rng(seed)
        centers, answers = random.normal(0, 1, count), random.integers(1, 5, count)
        found = interval_of(
            [random.normal(*each) for each in zip(centers, [0.3] * count, answers, strict=True)], "median"
        )
        return found.low <= 0 <= found.high

    assert 0.91 <= np.mean([covers(seed) for seed in range(600)]) <= 0.98


def test_the_median_of_many_equal_values_is_not_sure_if_hardly_more_than_half_are_equal():
    assert interval_of([[0.0]] * 52 + [[1.0]] * 48, "median")[:3] == (0.0, 0.0, 1.0)
    assert interval_of([[0.0]] * 90 + [[1.0]] * 10, "median")[:3] == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("count", [5, 12, 29])
def test_intervals_of_shares_cover_them(share, count):
    chances = stats.binom.pmf(np.arange(count + 1), count, share)
    found = [interval_of([[1.0]] * right + [[0.0]] * (count - right), is_binary=True) for right in range(count + 1)]
    held = [each.low <= share <= each.high for each in found]
    assert (chances * held).sum() >= 0.83  # Wilson's lowest, for shares near 0 or 1; 0.95 on average.


def test_a_wanted_width_needs_as_many_examples_as_make_it():
    values = [[value] for value in np.random.default_rng(5).normal(0, 1, 20)]
    for half_width in (0.9, 0.2, 0.05):
        needed = examples_needed(values, half_width)
        spread = np.std(values, ddof=1)
        reach = [stats.t.ppf(0.975, count - 1) * spread / count**0.5 for count in (needed - 1, needed)]
        assert reach[1] <= half_width < reach[0]
    # Nothing was wrong yet, but something may be: as if 2 of 14 were.
    assert examples_needed([[1.0]] * 10, 0.1, is_binary=True) == 50
    assert examples_needed([[2.0]] * 10, 0.1) is None and examples_needed([[1.0]], 0.1) is None


def test_pass_hat_k_is_the_chance_that_k_tries_of_a_task_all_succeed():
    tries = [[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0], [1, 1]]
    assert [np.mean(pass_hat_k(tries, k)) for k in (1, 2, 4)] == pytest.approx([2.5 / 4, (1 + 1 / 6 + 1) / 4, 1 / 3])
    with pytest.raises(SettingsError, match="0 or 1"):
        pass_hat_k([[0.5]], 1)
