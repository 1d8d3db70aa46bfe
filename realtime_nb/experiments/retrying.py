"""Ask again after passing errors, and record that in the row."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from ..display import Progress
from ..errors import ConnectionLost, ServerError
from .stopping import wait_unless_stopped

#: The first wait before a question is asked again, in seconds, which doubles each time; and the longest.
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0


def may_pass(error: Exception | None) -> bool:
    """Return whether it may help to ask the same again in another session.

    True if a connection was lost, a server was busy or at fault, or a session expired; false if a request was flagged,
    refused or cannot be read, or if an answer took too long.
    """
    if isinstance(error, ServerError):
        return error.is_passing or error.code == "session_expired"
    # A server that cannot be reached has no code.
    return isinstance(error, ConnectionLost) and (error.code is None or error.code in error.PASSING)


def wait_s(attempts: int, error: Exception | None) -> float:
    """Return how long to wait after this many attempts, or longer if the server asks for it."""
    asked_s = getattr(error, "retry_after_s", None) or 0.0
    # Random, so that not all cells ask at once.
    own_s = _FIRST_WAIT_S * 2 ** (attempts - 1) * random.uniform(0.75, 1.25)
    return float(min(_LONGEST_WAIT_S, max(asked_s, own_s)))


def pause(attempts: int, error: Exception | None) -> bool:
    """Wait, and show it; return true if the cell was stopped meanwhile."""
    seconds = wait_s(attempts, error)
    with Progress(f"Waiting about {max(1, round(seconds))} s to ask again: the server was busy, or was lost"):
        return wait_unless_stopped(seconds)


def after(row: dict[str, Any], earlier: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a row with its earlier attempts added: their number, their cost and their errors.

    ``cost_usd`` and ``user_cost_usd`` are the costs of all attempts, ``retried_cost_usd`` is that of the earlier ones,
    and ``retried_errors`` says why they failed.
    """
    attempts = row.get("attempts", 1) + sum(each.get("attempts", 1) for each in earlier)
    if not earlier:
        return row | {"attempts": attempts}
    before = [each.get("cost_usd", 0.0) for each in earlier]
    before_usd = None if None in before else sum(before)
    own_usd = row.get("cost_usd", 0.0)
    retried = [before_usd, row.get("retried_cost_usd", 0.0)]
    users = [each["user_cost_usd"] for each in (row, *earlier) if "user_cost_usd" in each]
    if users:
        row = row | {"user_cost_usd": None if None in users else sum(users)}
    every = (row, *earlier)
    if any("cost_at_most_usd" in each for each in every):
        most = [each.get("cost_at_most_usd", each.get("cost_usd", 0.0)) for each in every]
        row = row | {"cost_at_most_usd": None if None in most else sum(most)}
    if remarks := list(dict.fromkeys(each["cost_remarks"] for each in every if each.get("cost_remarks"))):
        row = row | {"cost_remarks": "; ".join(remarks)}
    errors = [f"{each['failure_stage']}: {each['error_type']}: {each['error_message']}" for each in earlier]
    return row | {
        "attempts": attempts,
        "cost_usd": None if None in (before_usd, own_usd) else before_usd + own_usd,
        "retried_cost_usd": None if None in retried else sum(retried),
        "retried_errors": "; ".join([*errors, *filter(None, [row.get("retried_errors")])]),
    }
