"""Every field of every JSON body, null and of other types, against the real server over real sockets."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from local_http import Served, served
from local_session import spoken
from test_client_events_served import PICTURE, TOOL, changed, nested, paths, written

from realtime_nb.media.clip import AudioClip

CALL = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
CHAT = {
    "model": "local-rules",
    "messages": [
        {"role": "system", "content": "Be kind.", "name": "boss"},
        {
            "role": "user",
            "name": "me",
            "content": [
                {"type": "text", "text": "hello"},
                {"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}},
            ],
        },
        {"role": "assistant", "content": "Hi", "refusal": "x", "audio": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
    ],
    "modalities": ["text"],
    "audio": {"voice": "marin", "format": "wav"},
    "tools": [{"type": "function", "function": {name: TOOL[name] for name in TOOL if name != "type"}}],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "stream": False,
    "stream_options": {"include_usage": True},
    "n": 1,
    "max_tokens": 10,
    "max_completion_tokens": 10,
    "response_format": {"type": "text"},
    "temperature": 1,
    "top_p": 1,
    "seed": 1,
    "stop": ["x"],
    "metadata": {"mine": "1"},
    "logit_bias": {},
    "user": "me",
}
BODIES: dict[str, dict[str, Any]] = {
    "chat/completions": CHAT,
    "audio/speech": {
        "model": "tts-1",
        "input": "hi",
        "voice": {"id": "marin"},
        "response_format": "pcm",
        "speed": 1.0,
        "instructions": "kindly",
        "stream_format": "audio",
    },
    "moderations": {"model": "m", "input": [{"type": "text", "text": "hello"}]},
}
REQUIRED = {
    "model",
    "messages",
    *(f"messages[{index}].role" for index in range(4)),
    *(f"messages[{index}].content" for index in (0, 1, 3)),
    *(f"messages[1].content[{index}].type" for index in (0, 1)),
    "messages[1].content[0].text",
    "messages[1].content[1].image_url",
    "messages[1].content[1].image_url.url",
    *(f"messages[2].tool_calls[0].{name}" for name in ("id", "type", "function")),
    *(f"messages[2].tool_calls[0].function.{name}" for name in ("name", "arguments")),
    "messages[3].tool_call_id",
    "tools[0].type",
    "tools[0].function",
    "tools[0].function.name",
    "response_format.type",
    "input",
    "input[0].type",
    "input[0].text",
    "voice",
    "voice.id",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as running:
        yield running


@pytest.mark.parametrize("path", BODIES)
def test_null_for_an_optional_field_means_absent(server, path):
    body = BODIES[path]
    assert server.http.post(path, json=body).status_code == 200
    for at in paths(body):
        where = written(at)
        answer = server.http.post(path, json=changed(body, at, None))
        if where == "messages[2].tool_calls":
            continue  # the message after it answers one of them
        if where in REQUIRED and not (path == "moderations" and where == "model"):
            assert answer.status_code == 400, where
            assert answer.json()["error"]["message"]
        else:
            assert answer.status_code == 200, (where, answer.text)


@pytest.mark.parametrize("path", BODIES)
def test_a_field_of_another_type_is_never_the_servers_fault(server, path):
    body = BODIES[path]
    for at in paths(body):
        for value in (10**30, -1, 1.5, True, "text", [], [7], {"x": 7}):
            answer = server.http.post(path, json=changed(body, at, value))
            assert answer.status_code < 500, (at, value, answer.text)


@pytest.mark.parametrize("depth", [60, 400, 2_000, 200_000])
@pytest.mark.parametrize("path", BODIES)
def test_deeply_nested_json_is_refused(server, path, depth):
    for around in ('{"model":"m","input":%s}', "%s", '{"model":"m","messages":[{"role":"user","content":%s}]}'):
        headers = {"content-type": "application/json"}
        answer = server.http.post(path, content=around.replace("%s", nested(depth)), headers=headers)
        assert answer.status_code in (400, 413), (around, answer.text[:200])
        assert answer.json()["error"]["message"]


@pytest.mark.parametrize("depth", [60, 300, 500, 5_000])
def test_what_a_tool_returned_may_be_deeply_nested(server, depth):
    deep = {**CHAT, "messages": [dict(message) for message in CHAT["messages"]]}
    deep["messages"][3]["content"] = nested(depth)
    answer = server.http.post("chat/completions", json=deep)
    assert answer.status_code == 200, answer.text


def test_empty_fields_of_a_form_are_absent(server):
    clip = io.BytesIO(AudioClip.from_pcm16(spoken("What time is it?")).encode("wav"))
    names = ("language", "prompt", "response_format", "temperature", "stream", "timestamp_granularities[]", "include[]")
    data = {"model": "whisper-1", **dict.fromkeys((*names, "languages[]", "keywords[]", "chunking_strategy"), "")}
    answer = server.http.post("audio/transcriptions", data=data, files={"file": ("a.wav", clip)})
    assert answer.json()["text"] == "what time is it"
