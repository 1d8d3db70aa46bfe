"""Limit sessions at once and tokens per minute, and pause after a refusal."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import defaultdict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from ..conversation.records import Reply
from ..display import Progress
from ..errors import ServerError, SettingsError
from ..protocol import events as ev
from ..protocol.local_events import Waiting
from .backend import Backend
from .event_log import SessionEvents

# --- A server's allowance: tokens that come back with time, and pauses after a refusal. Times are arguments -----------

#: Seconds of the first pause after a refusal that does not name one; each further pause is twice as long.
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
#: The longest wait that a server may ask for.
LONGEST_WAIT_S = ServerError.LONGEST_WAIT_S


class TokenAllowance:
    """One model's tokens at one server, as the server last reported them.

    Until it has, everything is let through. Source: Realtime API, ``rate_limits.updated``: ``reset_seconds`` is the
    time until all of ``limit`` is there again; in between, tokens are assumed to come back evenly.
    """

    def __init__(self) -> None:
        self._limit = 0.0
        self._remaining = 0.0
        self._full_at = 0.0
        self._told_at: float | None = None
        self._paused_until = 0.0
        self._refusals = 0

    def told(self, limit: float, remaining: float, reset_s: float, now: float) -> None:
        """Take the server's report of what is left."""
        if not all(map(math.isfinite, (limit, remaining))) or math.isnan(reset_s) or limit <= 0:
            return
        self._limit, self._remaining = limit, max(0.0, min(remaining, limit))
        self._told_at, self._full_at = now, now + min(LONGEST_WAIT_S, max(0.0, reset_s))

    def refused(self, now: float, retry_after_s: float | None = None) -> float:
        """Note a refusal; return the seconds for which to ask nothing.

        Requests sent at once are refused together and count once: only a refusal after the pause makes the next one
        longer.
        """
        pause_s = 0.0
        if now >= self._paused_until:
            pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._refusals, 10))
            if retry_after_s is not None:
                # Follow the server's number, but do not ask all the time if it keeps saying 0.
                pause_s = pause_s / 8 if self._refusals else 0.0
            self._refusals += 1
        if retry_after_s is not None:
            pause_s = max(pause_s, min(retry_after_s, LONGEST_WAIT_S))
        self._paused_until = max(self._paused_until, now + pause_s)
        return self._paused_until - now

    def accepted(self) -> None:
        """Note a success: the next refusal starts with a short pause again."""
        self._refusals = 0

    def wait_s(self, tokens: float, now: float) -> float:
        """Return the seconds to wait before asking for this many tokens; 0 if that is possible now."""
        paused_s = max(0.0, self._paused_until - now)
        # More than the limit is never available at once: then the full limit must do.
        missing = min(tokens, self._limit) - self._left(now)
        if self._told_at is None or missing <= 0 or self._full_at <= now:
            return paused_s
        back_per_s = (self._limit - self._left(now)) / (self._full_at - now)
        return max(paused_s, missing / back_per_s)

    def take(self, tokens: float, now: float) -> None:
        """Count tokens as used before the server does: requests sent at once must not all rely on them."""
        if self._told_at is None:
            return
        left, limit = self._left(now), self._limit
        per_s = (limit - left) / (self._full_at - now) if self._full_at > now else limit / 60
        self._remaining, self._told_at = max(0.0, left - tokens), now
        full_s = (limit - self._remaining) / per_s if per_s > 0 else 60
        self._full_at = now + min(LONGEST_WAIT_S, full_s)

    def _left(self, now: float) -> float:
        if self._told_at is None or now >= self._full_at:
            return self._limit
        share = (now - self._told_at) / (self._full_at - self._told_at)
        return self._remaining + (self._limit - self._remaining) * share


# --- A bound on sessions at once and on tokens per minute, shared by all sessions that use it -------------------------

#: Called with the reason for a wait, and with an empty text when the wait is over.
OnWait = Callable[[str], None]


@dataclass
class _ServerPlaces:
    """The open places of one server with one key."""

    open: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


@dataclass
class _Model:
    """One model at a server; its requests wait in a queue."""

    allowance: TokenAllowance = field(default_factory=TokenAllowance)
    line: asyncio.Lock = field(default_factory=asyncio.Lock)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Limiter:
    """Limits how many of the sessions that share it are open, and their tokens per minute; they wait in order.

    Every session uses the one in `realtime_nb.bounds`, unless you give it another: ``RealtimeSession(limiter=…)``.
    Sessions at different addresses, or with different keys, do not wait for each other.

    Parameters
    ----------
    max_sessions : int, default 100
        How many sockets or requests may be open at once; 1 or more. You can change it at any time.

    Raises
    ------
    SettingsError
        If `max_sessions` is not a whole number above 0.

    Examples
    --------
    >>> limiter = Limiter(max_sessions=3)
    >>> limiter
    Limiter(max_sessions=3, 0 open, 0 waiting)
    """

    def __init__(self, max_sessions: int = 100):
        self._servers: dict[Hashable, _ServerPlaces] = defaultdict(_ServerPlaces)
        self._models: dict[Hashable, _Model] = defaultdict(_Model)
        self.max_sessions = max_sessions

    @property
    def max_sessions(self) -> int:
        """How many sessions may be open at once."""
        return self._max_sessions

    @max_sessions.setter
    def max_sessions(self, count: int) -> None:
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise SettingsError(f"max_sessions={count!r} must be a whole number of at least 1")
        self._max_sessions = count
        for server in list(self._servers.values()):
            for place in list(server.waiting)[:1]:
                place.get_loop().call_soon_threadsafe(self._fill, server)

    @property
    def open(self) -> int:
        """How many sessions are open now."""
        return sum(server.open for server in list(self._servers.values()))

    @property
    def waiting(self) -> int:
        """How many sessions wait for a place now."""
        return sum(len(server.waiting) for server in list(self._servers.values()))

    # --- on the I/O thread ---

    async def enter(self, server_key: Hashable, on_wait: OnWait) -> None:
        """Take a place at a server; wait until one is free."""
        server = self._servers[server_key]
        if server.open < self.max_sessions and not server.waiting:
            server.open += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        server.waiting.append(place)
        ahead = len(server.waiting) - 1
        before = f", {ahead} before this one" if ahead else ""
        on_wait(f"Waiting for a free session: {server.open} of {self.max_sessions} are in use{before}")
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave(server_key)  # It got a place at the same moment.
            elif place in server.waiting:
                server.waiting.remove(place)
            raise
        finally:
            on_wait("")

    def leave(self, server_key: Hashable) -> None:
        """Give a place back; the session that has waited longest takes it."""
        server = self._servers[server_key]
        server.open -= 1
        self._fill(server)

    def _fill(self, server: _ServerPlaces) -> None:
        """Give free places to waiting sessions."""
        while server.waiting and server.open < self.max_sessions:
            place = server.waiting.popleft()
            if not place.done():
                server.open += 1
                place.set_result(None)

    async def admit(self, model_key: Hashable, tokens: float, on_wait: OnWait) -> None:
        """Wait until a request of about this many tokens may be made."""
        model = self._models[model_key]
        waited = False
        try:
            async with model.line:  # Its waiters are served in order.
                while (wait_s := model.allowance.wait_s(tokens, time.monotonic())) > 0:
                    waited = True
                    why = f"Waiting about {max(1, round(wait_s))} s: the server's rate limit"
                    on_wait(why)
                    model.changed.clear()
                    with contextlib.suppress(TimeoutError), Progress(why):  # The time is over, as it should be.
                        await asyncio.wait_for(model.changed.wait(), wait_s)
                model.allowance.take(tokens, time.monotonic())
        finally:
            if waited:
                on_wait("")

    def told(self, model_key: Hashable, limit: float, remaining: float, reset_s: float) -> None:
        """Take a server's report of the tokens left in a minute."""
        model = self._models[model_key]
        model.allowance.told(limit, remaining, reset_s, time.monotonic())
        model.changed.set()

    def accepted(self, model_key: Hashable) -> None:
        """Note that a request went through."""
        self._models[model_key].allowance.accepted()

    def refused(self, model_key: Hashable, retry_after_s: float | None = None) -> None:
        """Note a refusal because of too many requests: all requests for the same pause."""
        model = self._models[model_key]
        model.allowance.refused(time.monotonic(), retry_after_s)
        model.changed.set()

    def __repr__(self) -> str:
        return f"Limiter(max_sessions={self.max_sessions}, {self.open} open, {self.waiting} waiting)"


# --- How a session uses the limiter: it gets a place at its server, and its turn to ask -------------------------------

#: How long to resend a request that the server keeps refusing.
REFUSED_FOR_S = 600.0


class Admission:
    """Asks a limiter for one session, and announces in its events why it waits. Runs on the I/O thread."""

    def __init__(self, session_events: SessionEvents, limiter: Callable[[], Limiter]):
        self._session_events = session_events
        self._limiter = limiter
        self._place: tuple[Limiter, Hashable] | None = None
        self._model: tuple[Limiter, Hashable] | None = None
        self._refused_since_s: float | None = None
        session_events.listen(self._on_event)

    async def enter(self, backend: Backend) -> None:
        """Take a place at a server, unless there is one already; wait until one is free."""
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
        usage = next(
            (reply.usage for reply in reversed(self._session_events.conversation.replies) if reply.usage), None
        )
        # Each answer reads the conversation again, so the last one's usage is a good guess for the next one.
        await limiter.admit(key, usage.input_tokens + usage.output_tokens if usage else 0, self._on_wait)

    async def admit_again(self) -> None:
        """Wait until a refused request is likely to go through; its tokens are counted already."""
        if self._model is not None:
            limiter, key = self._model
            await limiter.admit(key, 0, self._on_wait)

    def is_refused(self, reply: Reply) -> bool:
        """Return whether a reply failed because of too many requests; then the next one waits."""
        error = reply.error or {}
        return reply.status == "failed" and self.refuses(ServerError("", code=str(error.get("code") or "")))

    def refuses(self, error: ServerError) -> bool:
        """Return whether an error says that there were too many requests; then the next one waits.

        `False` if the wait would be too long: if the server asks for more than a session accepts, or has refused every
        request for some minutes.
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
        self._session_events.announce(Waiting(message=why))

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
