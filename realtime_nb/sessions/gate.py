"""A session's way through the limiter: a place at its server, and its turn to ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Any

from ..backends import Backend
from ..errors import ServerError
from ..limiter import Limiter
from ..turns import Reply
from ..wire import events as ev
from ..wire.local import Waiting
from .journal import Journal

#: For how long a request that the server refuses again and again is sent again.
REFUSED_FOR_S = 600.0


class Gate:
    """One session's doorkeeper; it shows in the journal why the session waits. It lives on the I/O thread.

    Parameters
    ----------
    journal : Journal
        Where waiting is told, and where the server's limits are read.
    limiter : callable
        Returns the limiter that holds now.
    """

    def __init__(self, journal: Journal, limiter: Callable[[], Limiter]):
        self._journal = journal
        self._limiter = limiter
        self._place: tuple[Limiter, Hashable] | None = None
        self._model: tuple[Limiter, Hashable] | None = None
        self._refused_since_s: float | None = None
        journal.listen(self._on_event)

    async def enter(self, backend: Backend) -> None:
        """Take a place at a server, if there is none yet; wait where all are taken."""
        if self._place is not None:
            return
        limiter, key = self._limiter(), _server_key(backend)
        await limiter.enter(key, self._on_wait)
        self._place = limiter, key

    def leave(self) -> None:
        """Give the place back; does nothing without one."""
        place, self._place = self._place, None
        if place is not None:
            limiter, key = place
            limiter.leave(key)

    async def admit(self, backend: Backend, model: str) -> None:
        """Wait until the server is likely to let another request through."""
        limiter, key = self._model = self._limiter(), (*_server_key(backend), model)
        usage = next((reply.usage for reply in reversed(self._journal.conversation.replies) if reply.usage), None)
        # The conversation is read again each time, so that the last answer says about what the next one takes.
        await limiter.admit(key, usage.input_tokens + usage.output_tokens if usage else 0, self._on_wait)

    async def admit_again(self) -> None:
        """Wait until what was refused is likely to be let through; its tokens are counted already."""
        if self._model is not None:
            limiter, key = self._model
            await limiter.admit(key, 0, self._on_wait)

    def is_refused(self, reply: Reply) -> bool:
        """Whether a reply failed because there were too many requests; the next one will wait."""
        error = reply.error or {}
        return reply.status == "failed" and self.refuses(ServerError("", code=str(error.get("code") or "")))

    def refuses(self, error: ServerError) -> bool:
        """Whether an error says that there were too many requests; the next one will wait.

        Not where that would take too long: where the server asks for more than a session waits, or has refused all
        that was asked for some minutes.
        """
        if not error.is_rate_limit or error.is_for_later:
            return False
        now_s = time.monotonic()
        if self._refused_since_s is None:
            self._refused_since_s = now_s
        if now_s - self._refused_since_s > REFUSED_FOR_S:
            self._refused_since_s = None
            return False
        if self._model is not None:
            limiter, key = self._model
            limiter.refused(key, error.retry_after_s)
        return True

    @staticmethod
    def _is_failed(event: ev.SessionCreated | ev.ResponseDone) -> bool:
        return isinstance(event, ev.ResponseDone) and event.response.status == "failed"

    def _on_wait(self, why: str) -> None:
        self._journal.announce(Waiting(message=why))

    def _on_event(self, event: Any, elapsed_ms: float) -> None:
        if isinstance(event, ev.SessionCreated | ev.ResponseDone) and not self._is_failed(event):
            self._refused_since_s = None
        if self._model is None:
            return
        limiter, key = self._model
        if isinstance(event, ev.RateLimitsUpdated):
            for row in event.rate_limits:
                if row.name == "tokens" and None not in (row.limit, row.remaining):
                    limiter.told(key, row.limit or 0, row.remaining or 0, row.reset_seconds or 0.0)
        elif isinstance(event, ev.ResponseDone) and event.response.status == "completed":
            limiter.accepted(key)


def _server_key(backend: Backend) -> tuple[Hashable, ...]:
    return backend.name, backend.base_url, hash((backend.api_key, backend.user, backend.query))
