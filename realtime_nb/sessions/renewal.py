"""Keep a session alive across connections: send the history to a new one, and go on.

Source: Realtime API: sessions end after 60 minutes (30 at Azure) with ``session_expired`` and close code 1001; nothing
is resumed by the server. ``session.update`` does not extend a session.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from ..conversation.history import items_of
from ..errors import ConnectionLost, RealtimeError, ServerError, SettingsError
from ..protocol import events as ev
from ..protocol.items import Item
from ..protocol.local_events import SessionRenewed, StateChanged
from .connection import Connection
from .input import SpokenInput
from .tool_calls import ToolTurns

#: Waits before the attempts to restore, in seconds; each varies by a quarter, so that not all come at once.
_WAITS_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
#: A connection that was used, or lasted this long, resets the count of attempts.
_STEADY_MS = 60_000.0
#: The share of its lifetime after which a session is renewed at the latest: 55 of 60 minutes.
_SHARE = 11 / 12
#: How long a session must be quiet before it is renewed, and how often to check.
_QUIET_MS = 1_000.0
_LOOK_EVERY_S = 0.25
#: How long a server may take to confirm the history.
_CARRY_WAIT_S = 20.0
_SILENT_EVENTS = (ev.RateLimitsUpdated, StateChanged)


class Renewal:
    """Renews a connection before its time is over, restores it after a break, and sends it the history.

    Everything here runs on the I/O thread, except the constructor.
    """

    def __init__(
        self,
        connection: Connection,
        spoken: SpokenInput,
        turns: ToolTurns,
        attempt: Callable[[], Awaitable[None]],
        *,
        restore: bool,
        rotate_minutes: float | None,
    ):
        if rotate_minutes is not None and rotate_minutes <= 0:
            raise SettingsError(f"rotate_minutes={rotate_minutes!r} must be positive, or None for never")
        self._connection = connection
        self._session_events = connection.session_events
        self._spoken = spoken
        self._turns = turns
        self._attempt = attempt
        self._restore = restore
        self._rotate_minutes = rotate_minutes
        self._began_ms: float | None = None
        self._busy_ms = 0.0
        self._tries = 0
        self._reason = ""
        self._message = ""
        self._timer: asyncio.TimerHandle | None = None
        self.in_words: set[str] = set()
        """The person's items that the server got as words."""
        self.unknown: set[str] = set()
        """Items of the record that the server did not get."""
        connection.on_open, connection.on_lost = self._carry, self._healing
        self._session_events.listen(self._on_event)

    def knows(self, item_id: str) -> bool:
        """Return whether the server has an item."""
        return item_id not in self.unknown

    # --- when ---

    def _on_event(self, event: Any, elapsed_ms: float) -> None:
        if not isinstance(event, _SILENT_EVENTS):
            self._busy_ms = elapsed_ms
        if isinstance(event, ev.ResponseDone):
            self._tries = 0
        elif isinstance(event, StateChanged) and event.state != "open" and self._timer is not None:
            self._timer.cancel()

    def _due_in_s(self) -> float | None:
        """Return when the connection must be renewed."""
        if not self._restore or self._rotate_minutes is None:
            return None
        ends_at = self._connection.protocol.session.get("expires_at")
        left_s = ends_at - time.time() if isinstance(ends_at, int | float) else 0.0
        due_s = self._rotate_minutes * 60
        # A server's clock may be off by more than a session lasts.
        return min(due_s, left_s * _SHARE) if left_s > 0 else due_s

    def _look(self) -> None:
        """Renew the connection if nothing is going on."""
        if self._connection.is_ready and self._is_quiet():
            self._reason, self._message = "rotated", ""
            self._connection.renew(self._attempt)
        else:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._look)

    def _is_quiet(self) -> bool:
        since_ms = self._session_events.elapsed_ms - self._busy_ms
        speaks = any(turn.is_speaking for turn in self._session_events.conversation)
        return since_ms >= _QUIET_MS and self._connection.protocol.is_idle and not speaks and not self._turns.is_busy

    def _healing(self, error: RealtimeError) -> Callable[[], Awaitable[None]] | None:
        """Return a function that reopens a broken connection; `None` if trying again is of no use."""
        if not self._restore or not _is_passing(error):
            return None
        if self._began_ms is not None and self._session_events.elapsed_ms - self._began_ms > _STEADY_MS:
            self._tries = 0
        if self._tries >= len(_WAITS_S):
            return None
        self._reason, self._message = "restored", str(error)
        return self._heal

    def replace(self, message: str) -> None:
        """Replace this connection, because a late answer may still come on it."""
        if self._connection.is_ready:
            self._reason, self._message = "restored", message
            self._session_events.give_up(ConnectionLost(f"the connection was replaced: {message}"))
            self._connection.renew(self._heal)

    async def _heal(self) -> None:
        while True:
            wait_s = _WAITS_S[self._tries] * random.uniform(0.75, 1.25)
            self._tries += 1
            await asyncio.sleep(wait_s)
            try:
                return await self._attempt()
            except RealtimeError as error:
                if not _is_passing(error, opening=True) or self._tries >= len(_WAITS_S):
                    raise

    # --- what the new one is sent ---

    async def _carry(self) -> None:
        """Send the history to a connection that has just been opened."""
        is_first, age_ms = self._began_ms is None, self._age_ms()
        reason, message = self._reason or "reopened", self._message
        turns = self._session_events.conversation.turns
        told: list[Item] = []
        if is_first or self._restore:
            told = items_of(turns, with_sound=is_first, encode=self._spoken.encoded)
            told = await self._confirmed(told)
        self.in_words = {item.id for item in told if isinstance(item.id, str) and _is_written(item)}
        known = {item.id for item in told}
        left_out = [turn.item_id for turn in turns if turn.item_id not in known]
        self.unknown = set(left_out)
        if not is_first and turns:
            self._session_events.announce(
                SessionRenewed(reason=reason, carried=len(told), left_out=left_out, age_ms=age_ms, message=message)
            )
        self._reason = self._message = ""
        self._began_ms = self._busy_ms = self._session_events.elapsed_ms
        if (due_s := self._due_in_s()) is not None:
            self._timer = asyncio.get_running_loop().call_later(due_s, self._look)

    def _age_ms(self) -> float | None:
        return None if self._began_ms is None else self._session_events.elapsed_ms - self._began_ms

    async def _confirmed(self, items: list[Item]) -> list[Item]:
        """Create items, and return the ones that the server accepted."""
        waiting = {self._connection.protocol.create_item(item): item for item in items}
        taken: set[str] = set()

        def confirmed(event: Any) -> bool | None:
            if isinstance(event, ev.Error):
                waiting.pop(event.error.event_id or "", None)
            elif isinstance(event, ev.ConversationItemAdded) and isinstance(event.item.id, str):
                taken.add(event.item.id)
            return all(item.id in taken for item in waiting.values()) or None

        if not waiting:
            return []
        watch = self._session_events.watch(confirmed)
        self._connection.flush()
        try:
            await asyncio.wait_for(watch, _CARRY_WAIT_S)
        except TimeoutError:
            within = f"within {_CARRY_WAIT_S:g} s"
            self._session_events.remark(
                f"the server did not confirm the whole history {within}: the model may not know all of it"
            )
        return [item for item in items if item.id in taken]


def _is_written(item: Item) -> bool:
    return item.role == "user" and all(part.type != "input_audio" for part in item.content or ())


def _is_passing(error: RealtimeError, *, opening: bool = False) -> bool:
    """Return whether it may help to connect again."""
    if isinstance(error, ServerError):
        return error.code == "session_expired"
    # While a connection opens, a server that cannot be reached gives no code.
    return isinstance(error, ConnectionLost) and (error.code in error.PASSING or (opening and error.code is None))
