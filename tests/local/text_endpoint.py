"""Servers on loopback that answer as Ollama, LM Studio and llama.cpp's server do; their models say what is scripted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

CHAT = "/v1/chat/completions"


class TextEndpoint:
    """Answers each path with JSON, bytes or, where it is `None`, never; streams `deltas`, one list an answer.

    An answer of `None` keeps silent, one of bytes is sent as it is; after the last the last again.
    """

    def __init__(self, paths: dict[str, Any], *answers: list[dict[str, Any]] | bytes | None):
        self.paths = paths
        self.answers = list(answers) or [words("I am a model.")]
        self.requests: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.port = 0

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        self.asked.append(path)
        if path == CHAT:
            return await self._chat(request)
        told = self.paths.get(path, 404)
        if callable(told):
            told = told(await request.json())
        if told is None:
            await asyncio.Event().wait()
        if isinstance(told, int):
            return JSONResponse({"error": "no"}, told)
        return Response(told) if isinstance(told, bytes) else JSONResponse(told)

    async def _chat(self, request: Request) -> Response:
        self.requests.append(await request.json())
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(said, bytes):
            return Response(said, media_type="text/event-stream")
        return StreamingResponse(self._stream(said), media_type="text/event-stream")

    async def _stream(self, deltas: list[dict[str, Any]] | None) -> AsyncIterator[str]:
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
        for delta in deltas or ():
            if delta == HANG:
                await asyncio.Event().wait()
            yield f"data: {json.dumps({**chunk, 'choices': [{'index': 0, 'delta': delta}]})}\n\n"
        if deltas is None:
            await asyncio.Event().wait()
        yield "data: [DONE]\n\n"

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[TextEndpoint]:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        app = Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST"])])
        config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=0)
        self.server = uvicorn.Server(config)
        self.server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
        self.task = asyncio.create_task(self.server.serve(sockets=[listener]))
        try:
            yield self
        finally:
            await self.stop()

    async def stop(self) -> None:
        self.server.should_exit = True
        await self.task


#: A delta at which the model stands still.
HANG: dict[str, Any] = {"hang": True}


def words(*pieces: str) -> list[dict[str, Any]]:
    return [{"content": piece} for piece in pieces]


def ollama_paths(models: dict[str, Any], *, loaded: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what Ollama answers of `models`: by name what ``/api/show`` tells, or a list of capabilities."""
    shown = {name: {"capabilities": told} if isinstance(told, list) else told for name, told in models.items()}
    remote = {name: told for name, told in shown.items() if "remote_host" in told}
    return {
        "/api/version": {"version": "0.12.3"},
        "/api/tags": {"models": [{"name": name, **remote.get(name, {})} for name in shown]},
        "/api/ps": {"models": [{"name": name} for name in loaded]},
        "/api/show": lambda asked: shown[asked["model"]],
    }
