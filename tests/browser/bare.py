"""A page without Jupyter: real widgets in this process, and their JavaScript in a real browser, joined by our own comm.

The page gets each widget's state, runs its module as anywidget would, and carries comm messages over a WebSocket.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import comm
from comm.base_comm import BaseComm
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

HERE = Path(__file__).parent
STATIC = Path(__file__).parents[2] / "realtime_nb" / "widgets" / "static"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


class PageComm(BaseComm):
    """The kernel's end of a widget's comm."""

    page: BarePage

    def publish_msg(self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any) -> None:
        if msg_type == "comm_open":
            self.page.comms[self.comm_id] = self
        elif msg_type == "comm_close":
            self.page.comms.pop(self.comm_id, None)
        self.page.tell({"type": msg_type, "comm_id": self.comm_id, "data": data, "buffers": _to_text(buffers)})


async def _until_gone(connection: ServerConnection) -> AsyncIterator[Any]:
    with contextlib.suppress(ConnectionClosed):
        async for text in connection:
            yield text


class BarePage:
    """Serves the page and carries the comm messages; `url` is its address, `handlers` runs where ipykernel's would."""

    def __init__(self) -> None:
        self.comms: dict[str, PageComm] = {}
        self.port = 0
        self.policy = ""
        """Content security policy of the page."""
        self.permissions = ""
        """What the page may not have, as its header ``Permissions-Policy``."""
        self.upstream_messages = 0
        self.started = threading.Event()
        """Set when all widgets of the page run. Asking the page itself would count as a gesture of the person."""
        self.held: list[dict[str, Any]] | None = None
        self._connections: list[ServerConnection] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="bare-page", daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(30)

    async def _serve(self) -> Any:
        server = await serve(self._carry, "127.0.0.1", 0, process_request=self._answer, max_size=None)
        self.port = server.sockets[0].getsockname()[1]
        return server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/bare.html"

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        name = request.path.partition("?")[0].lstrip("/")
        if name == "comm":
            return None
        path = next((p for p in (HERE / name, STATIC / name) if name and p.is_file()), None)
        if path is None:
            return connection.respond(HTTPStatus.NOT_FOUND, name)
        headers = Headers([("Content-Type", _TYPES.get(path.suffix, "text/plain") + "; charset=utf-8")])
        body = path.read_bytes()
        headers["Content-Length"] = str(len(body))
        headers["Connection"] = "close"
        if self.policy:
            headers["Content-Security-Policy"] = self.policy
        if self.permissions:
            headers["Permissions-Policy"] = self.permissions
        return Response(200, "OK", headers, body)

    async def _carry(self, connection: ServerConnection) -> None:
        from ipywidgets.widgets.widget import _instances, _remove_buffers

        self._connections.append(connection)
        for comm_id in list(self.comms):
            state, _, _ = _remove_buffers(_instances[comm_id].get_state())  # Ours are without buffers.
            await connection.send(json.dumps({"type": "comm_open", "comm_id": comm_id, "data": {"state": state}}))
        await connection.send(json.dumps({"type": "ready"}))
        async for text in _until_gone(connection):
            if text == "started":
                self.started.set()
                continue
            message = json.loads(text)
            if self.held is not None:
                self.held.append(message)
            else:
                self._deliver(message)

    def _deliver(self, message: dict[str, Any]) -> None:
        self.upstream_messages += 1
        buffers = [memoryview(base64.b64decode(text)) for text in message["buffers"]]
        if target := self.comms.get(message["comm_id"]):
            target.handle_msg({"content": {"data": message["data"]}, "buffers": buffers})

    def block(self) -> None:
        """Do as a kernel whose main thread runs a cell: take messages, deliver none."""
        self.held = []

    def unblock(self) -> None:
        """Deliver the messages that came meanwhile."""

        def deliver() -> None:
            held, self.held = self.held or [], None
            for message in held:
                self._deliver(message)

        self._loop.call_soon_threadsafe(deliver)

    def tell(self, message: dict[str, Any]) -> None:
        def send() -> None:
            broadcast(self._connections, json.dumps(message, default=str))

        self._loop.call_soon_threadsafe(send)

    def close(self) -> None:
        async def stop() -> None:
            self._server.close()
            await self._server.wait_closed()

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


#: How long a busy machine may take for anything: tests wait for states, and this is when they give up.
WAIT_S = 40.0


def until(condition: Callable[[], Any], timeout_s: float = WAIT_S) -> Any:
    """Wait for a condition of this process; the browser runs on meanwhile."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(0.01)
    return value


def _to_text(buffers: Any) -> list[str]:
    return [base64.b64encode(bytes(b)).decode() for b in buffers or []]


def use_page_comms(monkeypatch: Any, page: BarePage) -> None:
    """Let the widgets made from now on talk to the page."""
    monkeypatch.setattr(PageComm, "page", page, raising=False)
    monkeypatch.setattr(comm, "create_comm", PageComm)
