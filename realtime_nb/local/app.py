"""The local voice as a server: HTTP and WebSocket on one port, guarded by a key."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute

from .access import Access, is_loopback
from .api_errors import ApiError
from .brain import Brain
from .ears import LocalEars
from .realtime import Door
from .realtime_session import Parts
from .rule_brain import RuleBrain
from .synthesizer import Synthesizer

# 15 MiB of audio is 20 MiB of base64, and an event around it.
LARGEST_MESSAGE = 24 * 1024 * 1024
REALTIME_PATHS = ("/v1/realtime", "/openai/v1/realtime", "/openai/realtime")


def create_app(parts: Parts, *, api_key: str, host: str = "127.0.0.1", max_sessions: int = 100) -> Starlette:
    """Return the ASGI application.

    Parameters
    ----------
    parts : Parts
        Brain, voice and ears.
    api_key : str
        Whoever holds it may come in.
    host : str, default "127.0.0.1"
        Where the application is reached; on loopback, requests to other names are refused.
    max_sessions : int, default 100
        Realtime sessions at once.
    """
    door = Door(parts, max_sessions=max_sessions)

    async def models(request: Request) -> JSONResponse:
        model = {"id": parts.brain.name, "object": "model", "created": 0, "owned_by": "realtime_nb"}
        return JSONResponse({"object": "list", "data": [model]})

    async def not_found(request: Request, error: Exception) -> JSONResponse:
        refusal = ApiError(f"Invalid URL ({request.method} {request.url.path})", status=404)
        return JSONResponse(refusal.body(), status_code=404)

    return Starlette(
        routes=[
            *(WebSocketRoute(path, door.connect) for path in REALTIME_PATHS),
            Route("/v1/models", models),
        ],
        middleware=[Middleware(Access, api_key=api_key, loopback_only=is_loopback(host))],
        exception_handlers={404: not_found},
    )


@contextlib.asynccontextmanager
async def local_parts(brain: Brain | None = None, *, open_vocabulary: bool = True) -> AsyncGenerator[Parts, None]:
    """Hold a brain, a voice and ears for a server's lifetime; they get ready in the background."""
    async with Synthesizer() as voice:
        ears = LocalEars(open_vocabulary=open_vocabulary)
        warming = asyncio.create_task(ears.warm_up())
        try:
            yield Parts(brain or RuleBrain(), voice, ears)
        finally:
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)
            ears.close()


class _Server(uvicorn.Server):
    """Takes no signals: whoever runs it says when it ends."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


class LocalServer:
    """The server inside a running event loop.

    Parameters
    ----------
    host : str, default "127.0.0.1"
    port : int, default 0
        0 takes any free one.
    api_key : str, optional
        By default a random one is made.
    brain : Brain, optional
        Who answers; by default rules.
    max_sessions : int, default 100
    open_vocabulary : bool, default True
        Whether the generic model of English may listen too.

    Examples
    --------
    >>> async def main():
    ...     async with LocalServer() as server:
    ...         print(server.url, server.api_key)
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        brain: Brain | None = None,
        max_sessions: int = 100,
        open_vocabulary: bool = True,
    ):
        self.host = host
        self.api_key = api_key or secrets.token_urlsafe(24)
        self._brain = brain
        self._max_sessions = max_sessions
        self._open_vocabulary = open_vocabulary
        self._socket = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._stack = contextlib.AsyncExitStack()

    @property
    def url(self) -> str:
        """Base URL, as OpenAI clients take it."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self._socket.getsockname()[1]}/v1"

    async def __aenter__(self) -> LocalServer:
        parts = await self._stack.enter_async_context(local_parts(self._brain, open_vocabulary=self._open_vocabulary))
        app = create_app(parts, api_key=self.api_key, host=self.host, max_sessions=self._max_sessions)
        self._server = _Server(
            uvicorn.Config(
                app,
                http="h11",
                ws="websockets-sansio",
                ws_max_size=LARGEST_MESSAGE,
                ws_per_message_deflate=False,
                # A client may be busy for long; loopback tells when it is gone.
                ws_ping_timeout=None,
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        await self._task
        await self._stack.aclose()


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    api_key: str | None = None,
    brain: Brain | None = None,
    max_sessions: int = 100,
    open_vocabulary: bool = True,
    with_parent: bool = False,
) -> None:
    """Run the server until SIGTERM or SIGINT; its first line on stdout is JSON with url, api_key and pid.

    Parameters
    ----------
    host, port, api_key, brain, max_sessions, open_vocabulary
        As for `LocalServer`.
    with_parent : bool, default False
        Whether to end with the process that started this one, or when stdin closes.
    """
    server = LocalServer(
        host=host,
        port=port,
        api_key=api_key,
        brain=brain,
        max_sessions=max_sessions,
        open_vocabulary=open_vocabulary,
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(server, with_parent))


async def _serve(server: LocalServer, with_parent: bool) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    if sys.platform != "win32":
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
    async with server:
        print(json.dumps({"url": server.url, "api_key": server.api_key, "pid": os.getpid()}), flush=True)
        if with_parent:
            watch = threading.Thread(target=_watch_parent, args=(lambda: loop.call_soon_threadsafe(ended.set),))
            watch.daemon = True
            watch.start()
        await ended.wait()


def _watch_parent(on_end: Callable[[], object]) -> None:
    """Call `on_end` once stdin is at its end, or the parent is gone although somebody else holds stdin open."""
    parent = os.getppid()

    def poll() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        on_end()

    threading.Thread(target=poll, daemon=True).start()
    while os.read(0, 4096):
        pass
    on_end()
