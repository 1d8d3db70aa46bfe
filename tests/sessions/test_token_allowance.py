import pytest

from realtime_nb.sessions.rate_limit import LONGEST_PAUSE_S, LONGEST_WAIT_S, TokenAllowance


def told(limit=1000, remaining=100, reset_s=60, now=0.0):
    allowance = TokenAllowance()
    allowance.told(limit, remaining, reset_s, now)
    return allowance


def test_all_goes_through_until_the_server_has_told_of_a_limit():
    allowance = TokenAllowance()
    allowance.take(1e9, 0.0)
    assert allowance.wait_s(1e9, 0.0) == 0


def test_what_is_left_goes_through_and_the_rest_comes_back_evenly():
    allowance = told()
    assert allowance.wait_s(100, 0.0) == 0
    assert allowance.wait_s(250, 0.0) == pytest.approx(10)  # 900 tokens in 60 s are 15 a second.
    assert allowance.wait_s(250, 10.0) == pytest.approx(0)
    assert allowance.wait_s(1000, 60.0) == 0


def test_what_is_asked_for_at_once_is_not_counted_on_twice():
    allowance = told(remaining=500)
    allowance.take(400, 0.0)
    assert allowance.wait_s(100, 0.0) == 0
    assert allowance.wait_s(400, 0.0) > 0


def test_tokens_that_are_taken_from_a_full_allowance_come_back_within_a_minute():
    allowance = told(remaining=1000, reset_s=0)
    allowance.take(1000, 5.0)
    assert allowance.wait_s(500, 5.0) == pytest.approx(30)
    assert allowance.wait_s(500, 35.0) == 0


def test_a_request_beyond_the_limit_waits_for_all_of_it_and_not_for_ever():
    assert told().wait_s(10_000, 0.0) == pytest.approx(60)
    assert told().wait_s(10_000, 60.0) == 0


def test_pauses_after_refusals_grow_until_one_goes_through():
    allowance = TokenAllowance()
    assert [allowance.refused(1000.0 * n) for n in range(8)] == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert allowance.wait_s(0, 7000.0) == LONGEST_PAUSE_S
    allowance.accepted()
    assert allowance.refused(9000.0) == 1


def test_many_that_are_refused_at_once_are_one_refusal():
    allowance = TokenAllowance()
    assert [allowance.refused(0.001 * n) for n in range(40)] == pytest.approx([1 - 0.001 * n for n in range(40)])
    pauses = [allowance.refused(1.0 + 0.001 * n) for n in range(40)]
    assert pauses[0] == 2 and allowance.wait_s(0, 2.0) == 1


def test_a_server_that_says_how_long_to_wait_is_taken_at_its_word():
    allowance = TokenAllowance()
    assert allowance.refused(0.0, retry_after_s=7) == 7
    assert allowance.wait_s(0, 3.0) == 4


def test_a_server_that_says_0_again_and_again_is_not_asked_all_the_time():
    allowance = TokenAllowance()
    pauses, now = [], 0.0
    for _ in range(12):
        pauses.append(allowance.refused(now, retry_after_s=0))
        now += pauses[-1] + 0.001
    assert pauses[0] == 0 and 5 < pauses[-1] < 8
    assert sum(pauses) < 60


@pytest.mark.parametrize("wish", [1e9, float("inf")])
def test_no_wish_of_a_server_holds_more_than_two_minutes(wish):
    assert TokenAllowance().refused(0.0, retry_after_s=wish) == LONGEST_WAIT_S
    assert told(remaining=0, reset_s=wish).wait_s(500, 0.0) <= LONGEST_WAIT_S
    nearly_full = told(limit=1e9, remaining=1e9 - 1, reset_s=wish)
    nearly_full.take(1e8, 0.0)
    assert nearly_full.wait_s(1e9, 0.0) <= LONGEST_WAIT_S


@pytest.mark.parametrize(
    "odd",
    [
        {"limit": float("nan")},
        {"limit": 0},
        {"limit": -5},
        {"limit": float("inf")},
        {"remaining": float("nan")},
        {"reset_s": float("nan")},
        {"remaining": -100, "reset_s": -5},
    ],
)
def test_odd_numbers_of_a_server_hold_nobody(odd):
    allowance = told(**odd)
    allowance.take(10, 0.0)
    assert 0 <= allowance.wait_s(10, 0.0) <= 60
    assert allowance.wait_s(10, 1e6) == 0
