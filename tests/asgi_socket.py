"""A WebSocket to an ASGI application in this process, down to the messages that the application sees."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit


class Refused(Exception):
    """The application answered over HTTP instead of accepting."""

    def __init__(self, status: int, body: Any):
        super().__init__(status, body)
        self.status = status
        self.body = body


class Closed(Exception):
    """The application closed the socket."""

    def __init__(self, code: int, reason: str):
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Socket:
    """One connection; `Refused` if it is not accepted."""

    def __init__(self, app: Any, path: str, headers: dict[str, str] | None = None, subprotocols: tuple[str, ...] = ()):
        parts = urlsplit(path)
        given = {"host": "127.0.0.1:8000", **(headers or {})}
        self._scope = {
            "type": "websocket",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
            "subprotocols": list(subprotocols),
            "scheme": "ws",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 9),
            "extensions": {"websocket.http.response": {}},
            "asgi": {"version": "3.0", "spec_version": "2.4"},
        }
        self._app = app
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.subprotocol: str | None = None

    async def __aenter__(self) -> Socket:
        self._task = asyncio.create_task(self._app(self._scope, self._to_app.get, self._from_app.put))
        self._to_app.put_nowait({"type": "websocket.connect"})
        message = await self._message()
        if message["type"] == "websocket.http.response.start":
            body = (await self._message())["body"]
            await self._task
            raise Refused(message["status"], json.loads(body))
        assert message["type"] == "websocket.accept"
        self.subprotocol = message["subprotocol"]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        async with asyncio.timeout(10):
            await asyncio.gather(self._task, return_exceptions=True)

    async def ended(self) -> BaseException | None:
        """Wait until the application is done with the socket; return what it raised."""
        async with asyncio.timeout(10):
            await asyncio.wait([self._task])
        return self._task.exception()

    async def _message(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            return await self._from_app.get()

    async def receive(self) -> dict[str, Any]:
        message = await self._message()
        if message["type"] == "websocket.close":
            raise Closed(message["code"], message["reason"])
        event: dict[str, Any] = json.loads(message["text"])
        return event

    async def until(self, kind: str) -> dict[str, Any]:
        while (event := await self.receive())["type"] != kind:
            pass
        return event

    def send(self, kind: str, **fields: Any) -> None:
        self._to_app.put_nowait({"type": "websocket.receive", "text": json.dumps({"type": kind, **fields})})

    def close(self) -> None:
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1000})
