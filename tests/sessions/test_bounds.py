import pytest

from realtime_nb.errors import SettingsError
from realtime_nb.sessions.budget import KernelBounds, Limits, SessionBounds, check_priced, taken_apart


def used(bounds, usd, minutes):
    bounds._spent_usd, bounds._minutes = usd, minutes


def test_the_kernel_adds_up_what_sessions_use_while_and_after_they_are_open():
    kernel, first, second = KernelBounds(), SessionBounds(), SessionBounds()
    kernel.opened(first)
    kernel.opened(second)
    used(first, 0.25, 1.0)
    used(second, 0.5, 2.0)
    assert (kernel.spent_usd, kernel.minutes) == (0.75, 3.0)
    kernel.closed(first)
    assert (kernel.spent_usd, kernel.minutes) == (0.75, 3.0)
    kernel.opened(first)
    used(first, 0.5, 1.5)
    assert (kernel.spent_usd, kernel.minutes) == (1.0, 3.5)


def test_a_kernel_whose_account_begins_again_forgets_what_was():
    kernel, session = KernelBounds(), SessionBounds()
    kernel.opened(session)
    used(session, 3.0, 9.0)
    kernel.reset()
    assert (kernel.spent_usd, kernel.minutes) == (0.0, 0.0)
    used(session, 3.5, 10.0)
    kernel.closed(session)
    assert (kernel.spent_usd, kernel.minutes) == (0.5, 1.0)


def test_a_price_that_is_not_known_makes_the_sum_unknown():
    kernel, session = KernelBounds(), SessionBounds()
    kernel.opened(session)
    used(session, None, 1.0)
    assert kernel.spent_usd is None
    kernel.closed(session)
    assert kernel.spent_usd is None


def test_a_bound_on_dollars_that_cannot_be_kept_is_refused():
    check_priced(Limits(max_usd=1), "max_usd", ["gpt-realtime-2.1", "local-rules"])
    check_priced(Limits(), "max_usd", ["nobodys-model"])
    with pytest.raises(SettingsError, match=r"max_usd=1 cannot be kept: the price of nobodys-model is not known"):
        check_priced(Limits(max_usd=1), "max_usd", ["nobodys-model"])


def test_bounds_are_told_from_settings():
    given = {"max_usd": 1, "voice": "marin", "limiter": None}
    assert taken_apart(given) == ({"max_usd": 1, "limiter": None}, {"voice": "marin"})
