"""Events that wait to be sent to one client."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ...protocol.events import Error, ServerEvent, Unknown, encode
from ..api_errors import ApiError
from .conversation_state import new_id

#: If this much waits, the server stops reading from the client and pauses its answers.
FULL_BYTES = 1_000_000
EXPIRED = "Your session hit the maximum duration of 60 minutes."


class Outbox:
    """The events for one client, in order.

    `put` never waits. Before you read the client's next message, or go on with an answer, wait in `room`: a client that
    reads slowly then slows down its own session, and does not fill the memory.
    """

    def __init__(self) -> None:
        self._messages: deque[str | BaseException | None] = deque()
        self.expired = False
        """True after `expire`."""
        self._bytes = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def put(self, event: ServerEvent | dict[str, Any]) -> None:
        """Add an event, and give it an id."""
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
        """Let `run` return when everything is sent."""
        self._messages.append(None)
        self._filled.set()

    def fail(self, error: BaseException) -> None:
        """Let `run` raise an error when everything is sent."""
        self._messages.append(error)
        self._filled.set()

    def expire(self) -> None:
        """Tell the client that its session has expired, and end."""
        self.put(Error(error=ApiError(EXPIRED, code="session_expired").detail()))
        self.expired = True
        self.end()

    async def room(self) -> None:
        """Wait until the client has read most of what it was sent."""
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
