"""The local voice as a server: HTTP and WebSocket on one port, guarded by a key."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterator
from typing import Any, TypedDict, Unpack

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import SettingsError
from ..protocol.parts import DEFAULT_MODEL
from ..secrecy import Secret, check_key
from ..strangers import ACCEPTED_AT_ONCE, FewLines, Strangers
from .access import Access, is_loopback
from .api_errors import ApiError
from .brains.brain import Brain
from .brains.local_brain import LocalBrain
from .brains.rule_brain import RuleBrain
from .brains.script_brain import ScriptBrain
from .endpoints import moderations
from .endpoints.chat_answer import ChatEndpoint
from .endpoints.chat_request import AUDIO_LIFETIME_S, ChatAudioStore
from .endpoints.http_body import Handler, answering, json_response, not_found, wrong_method
from .endpoints.speech import SpeechEndpoint
from .endpoints.transcriptions import TranscriptionEndpoint
from .faults import with_faults
from .realtime.session import Parts
from .realtime.session_settings import LIFETIME_S
from .realtime.socket import RealtimeSocket
from .recognition.ears import open_ears
from .recognition.turn_model import TurnModel
from .synthesis.synthesizer import Synthesizer

# 15 MiB of audio is 20 MiB of base64, and an event around it.
LARGEST_MESSAGE = 24 * 1024 * 1024
_WAITING = 1024
_few_lines = FewLines()
REALTIME_PATHS = ("/v1/realtime", "/openai/v1/realtime", "/openai/realtime")


class ServerOptions(TypedDict, total=False):
    """Options of `LocalServer` and `serve`."""

    host: str
    """Address to listen on; 127.0.0.1 by default."""
    port: int
    """Port to listen on; 0, the default, takes any free one."""
    api_key: str | None
    """Key that clients must send; a random one by default."""
    brain: Brain | None
    """The brain that answers; by default `RuleBrain`."""
    max_sessions: int
    """Realtime sessions at once; 100 by default."""
    ears: str
    """What listens: "pocketsphinx", or a Whisper model, as `realtime_nb.local.recognition.ears.find_folder` takes it;
    by default the recogniser that is installed."""
    voice: str
    """File of the neural voice, as `realtime_nb.local.synthesis.voice_files` takes it; by default hibari's."""
    open_vocabulary: bool
    """Whether PocketSphinx's general English model may listen too, while there is time; true by default."""
    faults: Collection[str]
    """Faults to simulate, from `realtime_nb.local.faults.FAULTS`; none by default. For tests of clients."""
    lifetime_s: float
    """How long a Realtime session may last; an hour by default, as in the API."""
    lifetime_turns: int
    """The number of responses after which a Realtime session expires; no limit by default."""
    audio_lifetime_s: float
    """How long Chat Completions may refer to an answer by its audio id; an hour by default, as in the API."""
    strangers: Strangers
    """The bounds for connections that show no key: by default 128 of them, for 10 s each."""


def create_app(
    parts: Parts,
    *,
    api_key: str,
    host: str = "127.0.0.1",
    max_sessions: int = 100,
    faults: Collection[str] = (),
    lifetime_s: float = LIFETIME_S,
    lifetime_turns: int | None = None,
    audio_lifetime_s: float = AUDIO_LIFETIME_S,
    strangers: Strangers | None = None,
) -> Starlette:
    """Return the ASGI application.

    `host`: where the application is reached; on loopback, requests to other names are refused.
    """
    realtime_socket = RealtimeSocket(
        parts, max_sessions=max_sessions, faults=faults, lifetime_s=lifetime_s, lifetime_turns=lifetime_turns
    )
    return Starlette(
        routes=[
            *(WebSocketRoute(path, realtime_socket.connect) for path in REALTIME_PATHS),
            *http_routes(with_faults(parts, faults), audio_lifetime_s=audio_lifetime_s),
        ],
        middleware=[
            Middleware(
                Access,
                api_key=api_key,
                loopback_only=is_loopback(host),
                strangers=strangers or Strangers(),
            )
        ],
        exception_handlers={404: not_found, 405: wrong_method},
    )


@contextlib.asynccontextmanager
async def local_parts(
    brain: Brain | None = None, *, ears: str = "", voice: str | None = None, open_vocabulary: bool = True
) -> AsyncGenerator[Parts, None]:
    """Hold a brain, a voice and a recognizer for a server's lifetime; they get ready in the background.

    Raises `SettingsError` if `ears` is not something that can listen, or `voice` cannot speak.
    """
    async with Synthesizer(voice) as synthesizer:
        others: list[Brain] = [RuleBrain(), ScriptBrain()]
        brain = brain or others[0]
        recognizer = await open_ears(ears, open_vocabulary=open_vocabulary)
        turn_model = TurnModel()
        works = [synthesizer.warm_up(), recognizer.warm_up(brain.vocabulary)]
        warming = [asyncio.create_task(work) for work in works]
        if isinstance(brain, LocalBrain):
            warming.append(asyncio.create_task(brain.search()))
        try:
            brains = {other.name: other for other in (*others, brain)}
            yield Parts(brain, synthesizer, recognizer, brains, turn_model)
        finally:
            for task in warming:
                task.cancel()
            await asyncio.gather(*warming, return_exceptions=True)
            if isinstance(brain, LocalBrain):
                await brain.close()
            recognizer.close()
            turn_model.close()


def _is_no_refusal(record: logging.LogRecord) -> bool:
    # If a WebSocket was answered over HTTP, by the ASGI extension, uvicorn thinks that it was forgotten.
    return "without completing handshake" not in record.getMessage()


class _QuietServer(uvicorn.Server):
    """Ignores signals: the code that runs it decides when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        # asyncio accepts at most a backlog's worth at once; the system may keep more waiting.
        for listening in sockets or ():
            listening.listen(_WAITING)


def _http_protocol(strangers: Strangers) -> type[H11Protocol]:
    """Return uvicorn's protocol, whose connections are strangers until they have shown a key."""

    class Protocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            strangers.arrived(transport)

    return Protocol


class LocalServer:
    """The server inside a running event loop.

    Raises `SettingsError` if it cannot listen on that host and port, or the key cannot be sent; and, on entering, if
    `ears` or `voice` cannot be loaded.

    Examples
    --------
    >>> async def main():
    ...     async with LocalServer() as server:
    ...         print(server.url, server.api_key)
    """

    def __init__(self, **options: Unpack[ServerOptions]):
        self._options = options
        self.host = options.get("host", "127.0.0.1")
        self.api_key = options["api_key"] = Secret.of_key(options.get("api_key") or secrets.token_urlsafe(24))
        check_key(self.api_key)
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        port = options.get("port", 0)
        try:
            self._socket = socket.create_server((self.host, port), family=family)
        except (OSError, OverflowError) as error:
            reason = error.strerror.partition(" (")[0] if isinstance(error, OSError) and error.strerror else error
            raise SettingsError(
                f"cannot listen on host={self.host!r}, port={port} ({reason}): choose another port, or 0 for a free one"
            ) from error
        # Accepted sockets inherit this. asyncio sets it only if a socket's protocol is given, which it is not here.
        # Without it each small event may wait 40 ms for the client's acknowledgement of the one before.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stack = contextlib.AsyncExitStack()

    @property
    def url(self) -> str:
        """Base URL, as OpenAI clients take it."""
        # Clients cannot connect to the address that means "all addresses" on every system.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)
        name = f"[{host}]" if ":" in host else host
        return f"http://{name}:{self._socket.getsockname()[1]}/v1"

    async def __aenter__(self) -> LocalServer:
        options = self._options
        made = local_parts(
            options.get("brain"),
            ears=options.get("ears", ""),
            voice=options.get("voice"),
            open_vocabulary=options.get("open_vocabulary", True),
        )
        try:
            parts = await self._stack.enter_async_context(made)
        except BaseException:
            self._socket.close()
            raise
        logger = logging.getLogger("uvicorn.error")
        for rule in (_is_no_refusal, _few_lines):
            logger.addFilter(rule)
        strangers = options.get("strangers") or Strangers()
        app = create_app(
            parts,
            api_key=self.api_key,
            host=self.host,
            max_sessions=options.get("max_sessions", 100),
            faults=options.get("faults", ()),
            lifetime_s=options.get("lifetime_s", LIFETIME_S),
            lifetime_turns=options.get("lifetime_turns"),
            audio_lifetime_s=options.get("audio_lifetime_s", AUDIO_LIFETIME_S),
            strangers=strangers,
        )
        self._server = _QuietServer(
            uvicorn.Config(
                app,
                http=_http_protocol(strangers),
                backlog=ACCEPTED_AT_ONCE,
                ws="websockets-sansio",
                ws_max_size=LARGEST_MESSAGE,
                ws_per_message_deflate=False,
                # A client may be busy for a long time; on loopback the socket shows when it is gone.
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


def serve(*, with_parent: bool = False, **options: Unpack[ServerOptions]) -> None:
    """Run the server until SIGTERM or SIGINT; its first line on stdout is JSON with url, api_key and pid.

    `with_parent`: whether to end with the process that started this one, or when stdin closes.
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(LocalServer(**options), with_parent))


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
    """Call `on_end` when stdin ends, or when the parent is gone although another process holds stdin open."""
    parent = os.getppid()

    def poll() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        on_end()

    threading.Thread(target=poll, daemon=True).start()
    while os.read(0, 4096):
        pass
    on_end()


# --- The routes of the HTTP endpoints ---------------------------------------------------------------------------------

#: OpenAI's, and Azure's.
PREFIXES = ("/v1", "/openai/v1")


def http_routes(parts: Parts, *, audio_lifetime_s: float = AUDIO_LIFETIME_S) -> list[Route]:
    """Return the routes of all endpoints."""
    chat = ChatEndpoint(parts, ChatAudioStore(lifetime_s=audio_lifetime_s))
    models = ModelsEndpoint(parts)
    posts: dict[str, Handler] = {
        "/chat/completions": chat.post,
        "/audio/transcriptions": TranscriptionEndpoint(parts.recognizer, parts.brain).post,
        "/audio/speech": SpeechEndpoint(parts.voice).post,
        "/moderations": moderations.post,
    }
    gets: dict[str, Handler] = {"/models": models.list, "/models/{model:path}": models.get}
    routes = [
        Route(f"{prefix}{path}", answering(handler), methods=[method])
        for prefix in PREFIXES
        for method, handlers in (("POST", posts), ("GET", gets))
        for path, handler in handlers.items()
    ]
    # Azure's older form. Its clients put the model into the body as well.
    deployed = (path for path in posts if path.startswith(("/chat", "/audio")))
    return routes + [
        Route(f"/openai/deployments/{{deployment}}{path}", answering(posts[path]), methods=["POST"])
        for path in deployed
    ]


# --- ``GET /v1/models`` -----------------------------------------------------------------------------------------------

# Requests may name other models, too: the same parts answer. Source of the shape: the API reference, "List models";
# ``parts`` is this server's own. The default model is answered by the server's brain, whichever that is.
RECOGNIZER = "local-transcribe"
SYNTHESIZER = "local-tts"


class ModelsEndpoint:
    """The endpoint that lists the models."""

    def __init__(self, parts: Parts):
        self._parts = parts
        self._names = list(dict.fromkeys([DEFAULT_MODEL, parts.brain.name, *parts.others, RECOGNIZER, SYNTHESIZER]))

    async def list(self, request: Request) -> Response:
        """Answer with all models."""
        return json_response({"object": "list", "data": [self._model(name) for name in self._names]})

    async def get(self, request: Request) -> Response:
        """Answer with one model."""
        name = request.path_params["model"]
        if name not in self._names:
            raise ApiError(
                f"The model '{name}' does not exist or you do not have access to it.",
                code="model_not_found",
                param="model",
                status=404,
            )
        return json_response(self._model(name))

    def _model(self, name: str) -> dict[str, Any]:
        model = {"id": name, "object": "model", "created": 0, "owned_by": "realtime_nb", "shutdown_date": None}
        return {**model, "parts": self._parts.answering(name).to_dict()}
