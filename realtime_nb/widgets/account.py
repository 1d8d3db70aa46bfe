"""What a session has used, as its page shows it."""

from __future__ import annotations

from typing import Any

from ..pricing import format_usd
from ..sessions.bounds import bounds
from ..tokens import Usage
from ..turns import Reply


class Account:
    """Follows one session.

    Parameters
    ----------
    session : Session
        What it is about.
    """

    def __init__(self, session: Any):
        self._session = session
        self._read = Usage()
        self._counted: set[str] = set()
        for reply in session.conversation.replies:
            self._count(reply)

    def on_event(self, event: Any) -> None:
        """Count the cache where an answer is done."""
        if event.type == "response.done":
            self._count(self._session.conversation.reply(event.response.id))

    def _count(self, reply: Reply | None) -> None:
        if reply is not None and reply.done and reply.usage and reply.response_id not in self._counted:
            self._counted.add(reply.response_id)
            self._read += reply.usage

    def message(self) -> dict[str, Any]:
        """Return what the page is told: texts, and how full each bound is, 0 to 1, `None` without one.

        Of the session's bound and that of all sessions of the kernel, the fuller one is shown.
        """
        own = self._session.bounds
        spent_usd, max_usd, whose = own.spent_usd, own.max_usd, ""
        if _share(bounds.spent_usd, bounds.max_usd) > _share(own.spent_usd, own.max_usd):
            spent_usd, max_usd, whose = bounds.spent_usd, bounds.max_usd, " in all sessions"
        minutes, max_minutes = own.minutes, own.max_minutes
        if _share(bounds.minutes, bounds.max_minutes) > _share(own.minutes, own.max_minutes):
            minutes, max_minutes = bounds.minutes, bounds.max_minutes
        limit = "" if max_usd is None else f" of {format_usd(max_usd)}"
        share = self._read.cached_share
        cached = "" if share is None else f"cached {share:.0%}"
        return {
            "kind": "account",
            "spent": f"{format_usd(spent_usd)}{limit}{whose}",
            "spent_share": None if max_usd is None else min(1.0, _share(spent_usd, max_usd)),
            "minutes": minutes,
            "max_minutes": max_minutes,
            "cached": cached,
        }


def _share(used: float | None, limit: float | None) -> float:
    return 0.0 if limit is None or used is None else used / limit
