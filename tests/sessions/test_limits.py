import math

import pytest

from realtime_nb.errors import SettingsError
from realtime_nb.sessions.budget import Limits


def used(limits, usd=0.0, minutes=0.0):
    limits._spent_usd, limits._minutes = usd, minutes
    return limits


def test_without_bounds_nothing_is_ever_reached():
    assert used(Limits(), 1e6, 1e6).reached(idle_minutes=1e6) is None
    assert Limits().next_check_s() == math.inf


@pytest.mark.parametrize("name", ["max_usd", "max_minutes", "idle_minutes"])
@pytest.mark.parametrize("value", [0, -1, "5", True, math.nan, math.inf])
def test_a_bound_that_is_none_is_refused_at_once_and_later(name, value):
    with pytest.raises(SettingsError, match=name):
        Limits(**{name: value})
    limits = Limits()
    with pytest.raises(SettingsError, match=name):
        setattr(limits, name, value)
    assert getattr(limits, name) is None


def test_the_last_cent_may_be_spent_but_no_more():
    limits = Limits(max_usd=0.01)
    assert used(limits, 0.00999).reached() is None
    error = used(limits, 0.01).reached()
    assert error.bound == "max_usd"
    assert str(error) == (
        "stopped: $0.0100 of $0.0100 are spent; to go on, raise session.bounds.max_usd and connect again"
    )


def test_dollars_that_nobody_knows_stop_a_session_that_has_a_bound_on_them():
    assert used(Limits(), None).reached() is None
    assert "use_prices" in str(used(Limits(max_usd=1), None).reached())


def test_minutes_and_silence_are_bounds_of_their_own():
    limits = Limits(max_minutes=2, idle_minutes=0.5, where="realtime_nb.bounds")
    assert used(limits, minutes=1.9).reached(0.4) is None
    assert "raise realtime_nb.bounds.max_minutes" in str(used(limits, minutes=2).reached())
    error = used(limits, minutes=1).reached(0.5)
    assert (error.bound, str(error)) == (
        "idle_minutes",
        "stopped: nothing happened for 0.5 minutes (realtime_nb.bounds.idle_minutes); connect again to go on",
    )


def test_the_next_look_is_due_when_the_nearest_bound_of_time_is():
    limits = used(Limits(max_minutes=2, idle_minutes=0.5), minutes=1.0)
    assert limits.next_check_s(idle_minutes=0.25) == pytest.approx(15)
    limits.idle_minutes = None
    assert limits.next_check_s() == pytest.approx(60)
    assert used(limits, minutes=3).next_check_s() == 0


def test_it_says_what_is_used():
    limits = used(Limits(max_usd=1, idle_minutes=5), 0.25, 1.5)
    assert repr(limits) == "Limits($0.2500 of $1.00, 1.5 of any number of minutes, closed after 5 idle minutes)"
