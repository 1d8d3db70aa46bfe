"""What waits to be sent to one client, in order and bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ...protocol.events import Error, ServerEvent, Unknown, encode
from ..api_errors import ApiError
from .conversation_state import new_id

#: Once a client leaves this much unread, nothing more is read from it and nothing more is said to it.
FULL_BYTES = 1_000_000
EXPIRED = "Your session hit the maximum duration of 60 minutes."


class Outbox:
    """Messages for one client.

    `put` never waits. Who can wait does so in `room`: the reading of the client's messages and the pieces of an
    answer, so that a client that does not read bounds itself.
    """

    def __init__(self) -> None:
        self._messages: deque[str | BaseException | None] = deque()
        self.expired = False
        """True if the session's time is over, and the client was told."""
        self._bytes = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def put(self, event: ServerEvent | dict[str, Any]) -> None:
        """Add an event, with an id of its own."""
        if isinstance(event, dict):
            event["event_id"] = new_id("event")
            message = encode(Unknown(type=event["type"], data=event))
        else:
            message = encode(msgspec.structs.replace(event, event_id=new_id("event")))
        self._messages.append(message)
        self._bytes += len(message)
        self._filled.set()
        if self._bytes > FULL_BYTES:
            self._emptied.clear()

    def end(self) -> None:
        """Let `run` return once everything is sent."""
        self._messages.append(None)
        self._filled.set()

    def fail(self, error: BaseException) -> None:
        """Let `run` raise once everything is sent."""
        self._messages.append(error)
        self._filled.set()

    def expire(self) -> None:
        """Tell the client that its time is over, and end."""
        self.put(Error(error=ApiError(EXPIRED, code="session_expired").detail()))
        self.expired = True
        self.end()

    async def room(self) -> None:
        """Wait until the client has taken most of what it was sent."""
        await self._emptied.wait()

    async def run(self, send: Callable[[str], Awaitable[None]]) -> None:
        """Send messages as they come, until `end`."""
        while True:
            await self._filled.wait()
            while self._messages:
                message = self._messages.popleft()
                if message is None:
                    return
                if isinstance(message, BaseException):
                    raise message
                await send(message)
                self._bytes -= len(message)
                if self._bytes <= FULL_BYTES // 2:
                    self._emptied.set()
            self._filled.clear()
