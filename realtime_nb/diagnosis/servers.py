"""The chosen backend, asked for real: its HTTP endpoint and its Realtime socket, once each and in vain, so for free."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from ..backends import Backend
from ..errors import ConnectionLost, MissingExtra, RealtimeError, ServerError
from ..secrecy import bare_address, hide
from ..sessions.http import Api, told_by_sdk
from ..sessions.realtime import RealtimeSession
from ..sessions.transport import LOOK, Transport
from ..wire.events import Error, SessionCreated, decode_server
from .facts import Answer, Clock, Server

#: How long one request may take.
TIMEOUT_S = 8.0
#: The Date header has whole seconds, cut off.
_DATE_RESOLUTION_MS = 1000.0
_QUESTION = "What is two plus three?"


def find_server(backend: Backend | str | None, api_key: str | None) -> tuple[Backend | None, Server]:
    """Return the backend that sessions would use, or why there is none; blocks where the local voice must start."""
    name = backend.name if isinstance(backend, Backend) else str(backend or "the default backend")
    try:
        found = Backend.find(backend, api_key=api_key)
        located = found.located()
    except (RealtimeError, OSError) as error:
        code = "missing_extra" if isinstance(error, MissingExtra) else ""
        return None, Server("local" if code else hide(_bare(name)), error=hide(str(error)))
    host = urlsplit(located.base_url).netloc
    return located, Server(found.name, found.model, host, keyed=bool(located.api_key))


def _bare(name: str) -> str:
    bare = bare_address(name)
    return urlsplit(bare).hostname or bare if "://" in bare else bare


async def ask_http(backend: Backend, timeout_s: float = TIMEOUT_S) -> tuple[Answer, Clock | None]:
    """Ask for the model by the SDK, as chats and chains do; the answer's date tells the server's clock."""
    api = Api(backend)
    clock = None

    async def ask() -> str:
        nonlocal clock
        client = (await api.client()).with_options(timeout=timeout_s, max_retries=0)
        async with told_by_sdk():
            sent_s = time.time()
            # Azure names deployments where others name models; its list of models says whether the key is right.
            models = client.models.with_raw_response
            answer = await (models.list() if backend.azure else models.retrieve(backend.model))
            clock = _clock(answer.headers.get("date"), sent_s, time.time())
        return ""

    try:
        await api.client()  # Loading the SDK is no part of how long the server takes.
        return await _answer(backend, ask, timeout_s), clock
    finally:
        await api.close()


async def ask_realtime(backend: Backend, timeout_s: float = TIMEOUT_S) -> Answer:
    """Open a Realtime session, wait until the server says that it is there, and leave."""

    async def ask() -> str:
        async with await Transport.open(backend.realtime_url(backend.model), backend.headers()) as transport:
            async for message in transport:
                event = decode_server(message)
                if isinstance(event, SessionCreated):
                    return ""
                if isinstance(event, Error):
                    raise ServerError(str(event.error.message), code=str(event.error.code or "refused"))
        raise ConnectionLost("the server closed the socket before the session began")

    return await _answer(backend, ask, timeout_s)


async def ask_local(backend: Backend, timeout_s: float = 3 * TIMEOUT_S) -> Answer:
    """Put a question to the local voice, which costs nothing, and listen to the answer."""

    async def ask() -> str:
        session = RealtimeSession(backend=backend)
        try:
            reply = await session.ask(_QUESTION)
        finally:
            await session.close()
        if reply.audio is None:
            raise ServerError(f"asked {_QUESTION!r}, it kept silent: {reply.error or reply.status}")
        return f"asked {_QUESTION!r}, it said {reply.transcript!r} ({reply.audio.duration_s:.1f} s)"

    return await _answer(backend, ask, timeout_s)


async def _answer(backend: Backend, ask: Callable[[], Awaitable[str]], timeout_s: float) -> Answer:
    """Return what came of a request, in words that hold no key."""
    began_s = time.monotonic()
    said = error = code = ""
    try:
        async with asyncio.timeout(timeout_s):
            said = await ask()
    except TimeoutError:
        error, code = f"no answer within {timeout_s:g} s", "unreachable"
    except ConnectionLost as lost:
        error, code = str(lost).removesuffix(f": {LOOK}"), "unreachable"
    except ServerError as refused:
        error, code = refused.message, refused.code or "refused"
    except (RealtimeError, OSError, ValueError) as fault:
        error, code = f"{type(fault).__name__}: {fault}", "unreachable"
    return Answer(hide(error), code, (time.monotonic() - began_s) * 1000, said)


def _clock(date: str | None, sent_s: float, received_s: float) -> Clock | None:
    try:
        served_ms = parsedate_to_datetime(date or "").timestamp() * 1000 + _DATE_RESOLUTION_MS / 2
    except ValueError:
        return None
    between_ms = (sent_s + received_s) * 500
    return Clock(served_ms - between_ms, (received_s - sent_s) * 500 + _DATE_RESOLUTION_MS / 2)
