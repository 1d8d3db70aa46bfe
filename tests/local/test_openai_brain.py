"""The brain behind a text endpoint, against a real endpoint on this machine that speaks Chat Completions."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from local_session import Client
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route
from test_rule_brain import CALL, assistant, result, user
from test_tool_matching import TOOLS

from realtime_nb.local.api_errors import ApiError
from realtime_nb.local.brains.brain import CallTool, Context, Say
from realtime_nb.local.brains.openai_brain import OpenAICompatibleBrain, messages_of
from realtime_nb.local.realtime.conversation_state import ItemState, MessagePart


class Endpoint:
    """Streams given answers, and keeps the requests."""

    def __init__(self, *deltas: dict[str, Any], refuses: bool = False):
        self.deltas = deltas
        self.refuses = refuses
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.cut = asyncio.Event()
        self.hangs = False

    async def answer(self, request: Request):
        self.requests.append(await request.json())
        self.keys.append(request.headers["authorization"])
        if self.refuses:
            return JSONResponse({"error": {"message": "no such model"}}, 404)
        return StreamingResponse(self.stream(), media_type="text/event-stream")

    async def stream(self) -> AsyncIterator[str]:
        try:
            for delta in self.deltas:
                chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
                yield f"data: {json.dumps({**chunk, 'choices': [{'index': 0, 'delta': delta}]})}\n\n"
            if self.hangs:
                await asyncio.Event().wait()
            yield f"data: {json.dumps({**chunk, 'choices': []})}\n\n"
            yield "data: [DONE]\n\n"
        finally:
            self.cut.set()

    @contextlib.asynccontextmanager
    async def brain(self) -> AsyncIterator[OpenAICompatibleBrain]:
        listener = socket.create_server(("127.0.0.1", 0))
        app = Starlette(routes=[Route("/v1/chat/completions", self.answer, methods=["POST"])])
        config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
        task = asyncio.create_task(server.serve(sockets=[listener]))
        brain = OpenAICompatibleBrain(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", "tiny", "the-key")
        try:
            yield brain
        finally:
            await brain.close()
            server.should_exit = True
            await task


def respond(endpoint, *entries, **context):
    async def main():
        async with endpoint.brain() as brain:
            return [action async for action in brain.respond(Context(entries, **context))]

    return asyncio.run(main())


def words(*pieces):
    return [{"content": piece} for piece in pieces]


def test_sentences_are_said_as_they_are_written():
    endpoint = Endpoint(*words("Hel", "lo there. How", " are", " you? I am", " fine"))
    assert respond(endpoint, user("hi"), instructions="Be kind.") == [
        Say("Hello there. "),
        Say("How are you? "),
        Say("I am fine"),
    ]
    (request,) = endpoint.requests
    assert request["messages"][0]["content"].startswith("Be kind.")
    assert request["messages"][1:] == [{"role": "user", "content": "hi"}]
    assert (request["model"], request["stream"], "tools" in request) == ("tiny", True, False)
    assert endpoint.keys == ["Bearer the-key"]


def test_tools_go_through():
    def call(index, **function):
        return {"tool_calls": [{"index": index, "id": "x", "type": "function", "function": function}]}

    endpoint = Endpoint(
        *words("One moment."),
        call(0, name="get_weather", arguments='{"ci'),
        call(0, arguments='ty": "Paris"}'),
        call(1, name="set_timer", arguments=""),
    )
    assert respond(endpoint, user("weather?"), tools=TOOLS, required_tool="get_weather") == [
        Say("One moment."),
        CallTool("get_weather", '{"city": "Paris"}'),
        CallTool("set_timer", "{}"),
    ]
    (request,) = endpoint.requests
    assert request["tools"][0]["function"]["name"] == "get_weather"
    assert "type" not in request["tools"][0]["function"]
    assert request["tool_choice"] == {"type": "function", "function": {"name": "get_weather"}}


def test_a_refusal_fails_the_response():
    endpoint = Endpoint(refuses=True)
    with pytest.raises(ApiError, match=r"The text model tiny did not answer: .*no such model"):
        respond(endpoint, user("hi"))


def test_an_endpoint_that_is_not_there():
    async def main():
        brain = OpenAICompatibleBrain("http://127.0.0.1:9/v1", "tiny")
        try:
            return [action async for action in brain.respond(Context([user("hi")]))]
        finally:
            await brain.close()

    with pytest.raises(ApiError, match="did not answer"):
        asyncio.run(main())


def test_a_cancelled_answer_stops_the_endpoint():
    async def main():
        endpoint = Endpoint(*words("Once upon a time. ", "There was a stone."))
        endpoint.hangs = True
        async with endpoint.brain() as brain, Client(brain=brain) as client:
            await client.say("tell me a story")
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            await client.send("response.cancel")
            done = (await client.until("response.done"))["response"]
            assert done["status"] == "cancelled"
            async with asyncio.timeout(10):
                await endpoint.cut.wait()

    asyncio.run(main())


def test_a_conversation_becomes_messages():
    picture = ItemState("item_2", "message", role="user")
    picture.parts = [
        MessagePart("input_text", text="Look:"),
        MessagePart("input_image", image_url="data:image/png;base64,AA=="),
    ]
    heard = ItemState("item_3", "message", role="user", parts=[MessagePart("input_audio", heard="hello there")])
    entries = [heard, assistant("Hi."), picture, assistant("One moment."), CALL, result("12"), user("")]
    system, *messages = messages_of(Context(entries))
    assert "spoken aloud" in system["content"]
    assert messages == [
        {"role": "user", "content": "hello there"},
        {"role": "assistant", "content": "Hi."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "auto"}},
            ],
        },
        {
            "role": "assistant",
            "content": "One moment.",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "12"},
    ]
