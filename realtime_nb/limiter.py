"""Who may go to a server now: a bound on sessions at once and on tokens per minute, shared by all that use it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from .allowance import Allowance
from .errors import SettingsError
from .progress import Progress

#: Called with why something waits, and with an empty text when it does not any more.
OnWait = Callable[[str], None]


@dataclass
class _Server:
    """What goes on at one server with one key."""

    open: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


@dataclass
class _Model:
    """What goes on at one model there; those who ask wait in a line."""

    allowance: Allowance = field(default_factory=Allowance)
    line: asyncio.Lock = field(default_factory=asyncio.Lock)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Limiter:
    """Bounds what all sessions that share it do at a server. Who has to wait waits, first come, first served.

    Every session uses that of `realtime_nb.bounds`, unless it gets one of its own: ``RealtimeSession(limiter=…)``.
    Sessions at different addresses, or with different keys, do not stand in each other's way.

    Parameters
    ----------
    max_sessions : int, default 100
        How many sockets may be open at once, or requests be under way; 1 or more. May be changed at any time.

    Raises
    ------
    SettingsError
        If `max_sessions` is no whole number above 0.

    Examples
    --------
    >>> limiter = Limiter(max_sessions=3)
    >>> limiter
    Limiter(max_sessions=3, 0 open, 0 waiting)
    """

    def __init__(self, max_sessions: int = 100):
        self._servers: dict[Hashable, _Server] = defaultdict(_Server)
        self._models: dict[Hashable, _Model] = defaultdict(_Model)
        self.max_sessions = max_sessions

    @property
    def max_sessions(self) -> int:
        """How many may be open at once."""
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
        """How many are open now."""
        return sum(server.open for server in list(self._servers.values()))

    @property
    def waiting(self) -> int:
        """How many wait for a place now."""
        return sum(len(server.waiting) for server in list(self._servers.values()))

    # --- on the I/O thread ---

    async def enter(self, server_key: Hashable, on_wait: OnWait) -> None:
        """Take a place at a server; wait for one where there is none."""
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
                self.leave(server_key)  # It was given a place in the same moment.
            elif place in server.waiting:
                server.waiting.remove(place)
            raise
        finally:
            on_wait("")

    def leave(self, server_key: Hashable) -> None:
        """Give a place back; whoever waits longest takes it."""
        server = self._servers[server_key]
        server.open -= 1
        self._fill(server)

    def _fill(self, server: _Server) -> None:
        """Give places that are free to those who wait."""
        while server.waiting and server.open < self.max_sessions:
            place = server.waiting.popleft()
            if not place.done():
                server.open += 1
                place.set_result(None)

    async def admit(self, model_key: Hashable, tokens: float, on_wait: OnWait) -> None:
        """Wait until a request that takes about so many tokens may be made."""
        model = self._models[model_key]
        waited = False
        try:
            async with model.line:  # Its waiters are served in order.
                while (wait_s := model.allowance.wait_s(tokens, time.monotonic())) > 0:
                    waited = True
                    why = f"Waiting about {max(1, round(wait_s))} s: the server's rate limit"
                    on_wait(why)
                    model.changed.clear()
                    with contextlib.suppress(TimeoutError), Progress(why):
                        await asyncio.wait_for(model.changed.wait(), wait_s)
                model.allowance.take(tokens, time.monotonic())
        finally:
            if waited:
                on_wait("")

    def told(self, model_key: Hashable, limit: float, remaining: float, reset_s: float) -> None:
        """Take what a server says that is left of a minute's tokens."""
        model = self._models[model_key]
        model.allowance.told(limit, remaining, reset_s, time.monotonic())
        model.changed.set()

    def accepted(self, model_key: Hashable) -> None:
        """Note that a request went through."""
        self._models[model_key].allowance.accepted()

    def refused(self, model_key: Hashable, retry_after_s: float | None = None) -> None:
        """Note that a server refused a request because there were too many: all who ask for the same wait a while."""
        model = self._models[model_key]
        model.allowance.refused(time.monotonic(), retry_after_s)
        model.changed.set()

    def __repr__(self) -> str:
        return f"Limiter(max_sessions={self.max_sessions}, {self.open} open, {self.waiting} waiting)"
