"""Every field of every client event, null and of other types, against the real server over a real socket."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from local_http import Served, served
from local_session import silence
from websockets.asyncio.client import ClientConnection, connect

AUDIO = base64.b64encode(silence(200)).decode()
PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNgYGAAAAAEAAH2FzhVAAAAAElFTkSuQmCC"
)
TOOL: dict[str, Any] = {
    "type": "function",
    "name": "look_up",
    "description": "Look something up",
    "strict": False,
    "parameters": {
        "type": "object",
        "description": "What to look up",
        "properties": {"what": {"type": "string", "description": "A word", "enum": ["a", None], "default": None}},
        "additionalProperties": False,
    },
}
FORMAT = {"type": "audio/pcm", "rate": 24000}
VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": 30000,
    "create_response": True,
    "interrupt_response": True,
}
TRANSCRIPTION = {
    "model": "whisper-1",
    "language": "en",
    "languages": ["en"],
    "keywords": ["tide"],
    "prompt": "the sea",
    "delay": "low",
}
TEXT = {"type": "input_text", "text": "hello"}
SPEECH = {"type": "input_audio", "audio": AUDIO, "transcript": "hello"}
IMAGE = {"type": "input_image", "image_url": PICTURE, "detail": "low"}
MESSAGE = {
    "type": "message",
    "object": "realtime.item",
    "status": "completed",
    "role": "user",
    "content": [TEXT, SPEECH, IMAGE],
}
CALL = {"type": "function_call", "name": "look_up", "call_id": "call_1", "arguments": "{}", "status": "completed"}
OUTPUT_AUDIO = {"format": FORMAT, "voice": "marin", "speed": 1.0}
SESSION = {
    "type": "realtime",
    "model": "local-rules",
    "output_modalities": ["text"],
    "instructions": "Be kind.",
    "audio": {
        "input": {
            "format": FORMAT,
            "transcription": TRANSCRIPTION,
            "noise_reduction": {"type": "near_field", "strength": 0.5},
            "turn_detection": VAD,
        },
        "output": OUTPUT_AUDIO,
    },
    "tools": [TOOL],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "low"},
    "max_output_tokens": 100,
    "truncation": "auto",
    "tracing": {"workflow_name": "mine"},
    "include": ["item.input_audio_transcription.logprobs"],
    "prompt": {"id": "p", "version": "1", "variables": {"name": "value"}},
}
SEMANTIC = {"type": "semantic_vad", "eagerness": "low", "create_response": True, "interrupt_response": True}
RESPONSE = {
    "audio": {"output": OUTPUT_AUDIO},
    "conversation": "none",
    "input": [MESSAGE, CALL],
    "instructions": "Say hello.",
    "max_output_tokens": 50,
    "metadata": {"mine": "1"},
    "output_modalities": ["text"],
    "parallel_tool_calls": True,
    "reasoning": {"effort": "low"},
    "prompt": {"id": "p", "version": "1"},
    "tools": [TOOL],
    "tool_choice": "none",
}
EVENTS: dict[str, dict[str, Any]] = {
    "session": {"type": "session.update", "session": SESSION},
    "semantic turn detection": {
        "type": "session.update",
        "session": {"type": "realtime", "audio": {"input": {"turn_detection": SEMANTIC}}},
    },
    "append": {"type": "input_audio_buffer.append", "audio": AUDIO},
    "clear": {"type": "input_audio_buffer.clear"},
    "message": {"type": "conversation.item.create", "item": MESSAGE, "previous_item_id": "root"},
    "call": {"type": "conversation.item.create", "item": CALL, "previous_item_id": "root"},
    "response": {"type": "response.create", "response": RESPONSE},
}
# Where null is refused: fields that have to be there, as their own error says.
REQUIRED = {
    "type",
    "session",
    "session.type",
    "session.audio.input.noise_reduction.type",
    "session.audio.input.turn_detection.type",
    "session.audio.input.format.type",
    "session.audio.output.format.type",
    "response.audio.output.format.type",
    "session.tools[0].type",
    "session.tools[0].name",
    "response.tools[0].type",
    "response.tools[0].name",
    "audio",
    "item",
    *(f"{item}.{name}" for item in ("item", "response.input[0]") for name in ("type", "role", "content")),
    *(f"{item}.{name}" for item in ("item", "response.input[1]") for name in ("type", "name", "arguments")),
    *(
        f"{item}.content[{index}].{name}"
        for item in ("item", "response.input[0]")
        for index, own in enumerate(("text", "audio", "image_url"))
        for name in ("type", own)
    ),
}
# The client's own: the API does not look into them.
OPAQUE = ("metadata", "reasoning", "tracing", "prompt", "properties", "variables")
Path = tuple[str | int, ...]


def paths(data: Any, at: Path = ()) -> Iterator[Path]:
    inside: Any = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inside:
        if isinstance(key, str):
            yield (*at, key)
        if key not in OPAQUE:
            yield from paths(value, (*at, key))


def written(path: Path) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def changed(event: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    event = json.loads(json.dumps(event))  # not deepcopy, which keeps parts that are shared so
    at: Any = event
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return event


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as running:
        yield running


class Client:
    def __init__(self, socket: ClientConnection):
        self.socket = socket
        self.sent = 0

    async def send(self, event: dict[str, Any] | str) -> list[dict[str, Any]]:
        """Send an event; return the answers, up to the end of the response, if there is one."""
        self.sent += 1
        await self.socket.send(event if isinstance(event, str) else json.dumps(event))
        fence = f"fence_{self.sent}"
        await self.socket.send(json.dumps({"type": "conversation.item.delete", "item_id": "x", "event_id": fence}))
        happened: list[dict[str, Any]] = []
        async with asyncio.timeout(30):
            while True:
                received = json.loads(await self.socket.recv())
                if received["type"] == "error" and received["error"]["event_id"] == fence:
                    break
                happened.append(received)
            while sum(event["type"] == "response.created" for event in happened) > sum(
                event["type"] == "response.done" for event in happened
            ):
                happened.append(json.loads(await self.socket.recv()))
        return happened


def errors(happened: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event["error"] for event in happened if event["type"] == "error"]


@contextlib.asynccontextmanager
async def client(server: Served, query: str = "model=local-rules") -> AsyncIterator[Client]:
    url = f"{server.url.replace('http', 'ws')}/realtime?{query}"
    headers = {"Authorization": f"Bearer {server.api_key}"}
    async with connect(url, additional_headers=headers, proxy=None, max_size=None) as socket:
        await socket.recv()
        yield Client(socket)


@pytest.mark.parametrize("name", EVENTS)
def test_null_for_an_optional_field_means_absent(server, name):
    async def main():
        event = EVENTS[name]
        async with client(server) as mine:
            assert errors(await mine.send(event)) == []
            for path in [*paths(event), ("event_id",), ("item", "id")]:
                if path[0] not in event and path != ("event_id",):
                    continue
                refused = errors(await mine.send(changed(event, path, None)))
                where = written(path)
                if where in REQUIRED:
                    assert [error["param"] for error in refused] == [where], where
                    assert where in refused[0]["message"] or where == "type"
                else:
                    assert refused == [], where

    asyncio.run(main())


@pytest.mark.parametrize("name", EVENTS)
def test_a_field_of_another_type_is_an_error_event(server, name):
    async def main():
        event = EVENTS[name]
        async with client(server) as mine:
            for path in [*paths(event), ("event_id",)]:
                for value in (10**30, -1, 1.5, True, "text", [], [7], {"x": 7}):
                    for error in errors(await mine.send(changed(event, path, value))):
                        assert error["type"] == "invalid_request_error", (path, value, error)
            assert errors(await mine.send({"type": "input_audio_buffer.append", "audio": AUDIO})) == []
            response = {"conversation": "none", "output_modalities": ["audio"], "tool_choice": "none", "tools": []}
            happened = await mine.send({"type": "response.create", "response": response})

            assert happened[-1]["response"]["status"] in ("completed", "incomplete"), happened[-1]

    asyncio.run(main())


@pytest.mark.parametrize(
    "event",
    [
        {"type": "input_audio_buffer.commit", "event_id": None},
        {"type": "response.cancel", "event_id": None, "response_id": None},
        {"type": "conversation.item.truncate", "item_id": None, "content_index": 0, "audio_end_ms": 0},
        {"type": "conversation.item.truncate", "item_id": "x", "content_index": None, "audio_end_ms": 0},
        {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": None},
        {"type": "conversation.item.delete", "item_id": None},
        {"type": "conversation.item.retrieve", "item_id": None},
        {"type": None},
        {"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"voice": {"id": None}}}}},
        {"type": "response.create", "response": {"metadata": {"mine": None}}},
    ],
)
def test_what_is_refused_whatever_is_null_leaves_the_session_alive(server, event):
    async def main():
        async with client(server) as mine:
            (error,) = errors(await mine.send(event))
            assert error["type"] == "invalid_request_error"
            missing = [
                name for name, value in event.items() if value is None and name not in ("event_id", "response_id")
            ]
            assert not missing or error["param"] == missing[0]

    asyncio.run(main())


def test_null_turns_off_what_can_be_off_and_leaves_the_rest(server):
    async def main():
        async with client(server) as mine:
            await mine.send(EVENTS["session"])
            audio = {
                "input": {"turn_detection": None, "transcription": None, "noise_reduction": None, "format": None},
                "output": None,
            }
            change = {"type": "realtime", "audio": audio, "tools": None, "instructions": None, "prompt": None}
            happened = await mine.send({"type": "session.update", "session": change})
            session = happened[-1]["session"]
            assert [session["audio"]["input"][name] for name in audio["input"]] == [None, None, None, FORMAT]
            assert session["tools"] == [TOOL]  # with the null that is a value in it
            assert (session["instructions"], session["prompt"]) == ("Be kind.", None)
            assert session["audio"]["output"] == OUTPUT_AUDIO

    asyncio.run(main())


def test_null_in_a_transcription_session(server):
    async def main():
        async with client(server, "intent=transcription") as mine:
            change = {"type": "transcription", "instructions": None, "tools": None, "include": None}
            change["audio"] = {"input": {"turn_detection": {"type": "server_vad", "threshold": None}}, "output": None}
            happened = await mine.send({"type": "session.update", "session": change})
            assert [event["type"] for event in happened] == ["session.updated"]
            assert happened[0]["session"]["audio"]["input"]["turn_detection"]["threshold"] == 0.5

    asyncio.run(main())


def nested(depth: int) -> str:
    return '{"x":[' * depth + "1" + "]}" * depth


@pytest.mark.parametrize("depth", [60, 400, 2_000, 200_000])
@pytest.mark.parametrize(
    "around",
    [
        "%s",
        '{"event_id":"mine","type":"session.update","session":%s}',
        '{"event_id":"mine","type":"session.update","session":{"type":"realtime","tools":[{"type":"function","name":"f",'
        '"parameters":%s}]}}',
        '{"event_id":"mine","type":"session.update","session":{"type":"realtime","prompt":%s}}',
        '{"event_id":"mine","type":"response.create","response":{"prompt":%s}}',
        '{"event_id":"mine","type":"conversation.item.create","item":%s}',
        '{"event_id":"mine","type":"flight","item":%s}',
    ],
)
def test_deeply_nested_json_is_an_error_event(server, around, depth):
    async def main():
        async with client(server) as mine:
            (error,) = errors(await mine.send(around.replace("%s", nested(depth))))
            assert error["type"] == "invalid_request_error"
            assert errors(await mine.send(EVENTS["session"])) == []

    asyncio.run(main())
