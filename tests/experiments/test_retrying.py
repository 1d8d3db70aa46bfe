"""Retries, and what a row says about them."""

import pytest

from realtime_nb.errors import (
    AudioError,
    BudgetReached,
    ConnectionLost,
    InputFlagged,
    MissingKey,
    RemoteProtocolError,
    ServerError,
    SettingsError,
)
from realtime_nb.experiments.retrying import after, may_pass, wait_s


@pytest.mark.parametrize(
    "error",
    [
        ConnectionLost("cannot be reached"),
        ConnectionLost("broke off", code=1006),
        ConnectionLost("going away", code=1001),
        ServerError("slow down", code="rate_limit_exceeded"),
        ServerError("HTTP 429", code="too_many_requests"),
        ServerError("oops", error_type="server_error"),
        ServerError("oops", code="server_error"),
        ServerError("too much", code="slow_down"),
        ServerError("an hour", code="session_expired"),
    ],
    ids=str,
)
def test_lost_connections_and_server_faults_are_retried(error):
    assert may_pass(error)


@pytest.mark.parametrize(
    "error",
    [
        None,
        ConnectionLost("policy", code=1008),
        ConnectionLost("peaceful", code=1000),
        ConnectionLost("invalid_request_error.invalid_api_key", code=4000),
        ServerError("no", code="invalid_api_key"),
        ServerError("no money", code="insufficient_quota", error_type="server_error"),
        ServerError("no such voice", code="invalid_value", error_type="invalid_request_error"),
        ServerError("flagged", code="content_filter", error_type="invalid_request_error"),
        InputFlagged("rude"),
        BudgetReached("max_usd", "spent"),
        MissingKey("openai", "OPENAI_API_KEY"),
        SettingsError("no"),
        AudioError("silent"),
        RemoteProtocolError("not JSON"),
        TimeoutError(),
        ValueError("a grader's"),
    ],
    ids=str,
)
def test_refusals_flags_our_own_faults_and_timeouts_are_not_retried(error):
    assert not may_pass(error)


def test_waits_grow_and_the_servers_word_counts():
    lost = ConnectionLost("gone")
    assert 0.3 < wait_s(1, lost) < 0.7 < wait_s(2, lost) < 1.4 < wait_s(3, lost)
    assert wait_s(1, ServerError("wait", code="too_many_requests", retry_after_s=7.0)) == 7.0
    assert wait_s(9, ServerError("wait", code="too_many_requests", retry_after_s=7e9)) == 30.0


def failed(cost_usd=0.0, **more):
    return {"failure_stage": "response", "error_type": "Lost", "error_message": "gone", "cost_usd": cost_usd} | more


def test_a_row_says_what_its_attempts_cost_and_why_they_failed():
    assert after({"cost_usd": 0.5}, []) == {"cost_usd": 0.5, "attempts": 1}
    row = after({"cost_usd": 0.5}, [failed(0.25), failed(0.125)])
    assert (row["attempts"], row["cost_usd"], row["retried_cost_usd"]) == (3, 0.875, 0.375)
    assert row["retried_errors"] == "response: Lost: gone; response: Lost: gone"
    again = after(row, [failed(1.0, attempts=2)])
    assert (again["attempts"], again["cost_usd"], again["retried_cost_usd"]) == (5, 1.875, 1.375)
    assert after({"cost_usd": 0.5}, [failed(None)])["cost_usd"] is None
    thought = after({"cost_usd": 0.5, "user_cost_usd": 0.25}, [failed(user_cost_usd=0.5), failed()])
    assert thought["user_cost_usd"] == 0.75 and "user_cost_usd" not in row
    assert after({"cost_usd": 0.5}, [failed(user_cost_usd=None)])["user_cost_usd"] is None
    unmade = after({}, [{"failure_stage": "session", "error_type": "E", "error_message": "e"}])
    assert (unmade["cost_usd"], unmade["retried_cost_usd"]) == (0.0, 0.0)
