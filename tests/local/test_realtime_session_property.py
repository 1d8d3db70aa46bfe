"""Whatever a client sends, in whatever order, a session answers by the protocol."""

from __future__ import annotations

import asyncio
import base64
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from local_session import Client, ScriptedRecognizer, run, silence

IDS = st.sampled_from(["a", "b", "", "nobody", "resp_1", "é", "x" * 70])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 5000) | st.floats(0, 2) | st.sampled_from(["auto", "none", "text", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "a", "input"]), inner, max_size=3)
    ),
    max_leaves=5,
)
CONTENT = st.fixed_dictionaries(
    {"type": st.sampled_from(["input_text", "output_text", "input_audio", "input_image", "output_audio", "odd"])},
    optional={
        "text": st.sampled_from(["hello", "say one two", "what is the weather in paris", "", "tell me a story"]) | JSON,
        "audio": st.sampled_from(["", "AAAA", "AAA", base64.b64encode(silence(200)).decode()]),
        "image_url": st.just("data:image/png;base64,"),
        "transcript": JSON,
    },
)
ITEM = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "function_call", "function_call_output", "mcp_call"])},
    optional={
        "id": IDS,
        "role": st.sampled_from(["user", "assistant", "system", "odd"]),
        "content": st.lists(CONTENT, max_size=2),
        "call_id": IDS,
        "name": IDS,
        "arguments": st.just("{}"),
        "output": st.sampled_from(["12", '{"sky": "blue"}', "[", ""]),
    },
)
TURNS = st.sampled_from([None, {"type": "server_vad"}, {"type": "semantic_vad", "eagerness": "high"}]) | JSON
TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {"city": {}}}}
SESSION = st.fixed_dictionaries(
    {"type": st.just("realtime")},
    optional={
        "instructions": st.sampled_from(["", "Say: hello"]) | JSON,
        "output_modalities": st.sampled_from([["text"], ["audio"]]) | JSON,
        "tools": st.just([TOOL]) | JSON,
        "tool_choice": st.sampled_from(["auto", "none", "required"]) | JSON,
        "audio": st.fixed_dictionaries(
            {},
            optional={
                "input": st.fixed_dictionaries({}, optional={"turn_detection": TURNS, "format": JSON}),
                "output": st.fixed_dictionaries(
                    {}, optional={"voice": st.sampled_from(["echo", "odd"]), "format": st.just({"type": "audio/pcmu"})}
                ),
            },
        )
        | JSON,
        "max_output_tokens": st.sampled_from(["inf", 5]) | JSON,
    },
)
RESPONSE = st.fixed_dictionaries(
    {},
    optional={
        "conversation": st.sampled_from(["none", "auto"]),
        "input": st.lists(ITEM | st.fixed_dictionaries({"type": st.just("item_reference"), "id": IDS}), max_size=2)
        | JSON,
        "instructions": st.just("Read it word for word."),
        "metadata": st.just({"a": "b"}) | JSON,
        "tools": st.just([TOOL]) | JSON,
        "output_modalities": st.just(["text"]) | JSON,
    },
)
EVENTS = st.one_of(
    st.fixed_dictionaries({"type": st.just("session.update"), "session": SESSION | JSON}),
    st.fixed_dictionaries(
        {
            "type": st.just("input_audio_buffer.append"),
            "audio": st.sampled_from(["", "AAA=", "A", base64.b64encode(silence(150)).decode()]),
        }
    ),
    st.fixed_dictionaries({"type": st.sampled_from(["input_audio_buffer.commit", "input_audio_buffer.clear"])}),
    st.fixed_dictionaries(
        {"type": st.just("conversation.item.create"), "item": ITEM | JSON}, optional={"previous_item_id": IDS}
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("conversation.item.truncate"),
            "item_id": IDS,
            "content_index": st.integers(-1, 1),
            "audio_end_ms": st.integers(-1, 2000),
        }
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["conversation.item.delete", "conversation.item.retrieve"]), "item_id": IDS}
    ),
    st.fixed_dictionaries({"type": st.just("response.create")}, optional={"response": RESPONSE | JSON}),
    st.fixed_dictionaries({"type": st.just("response.cancel")}, optional={"response_id": IDS}),
    st.fixed_dictionaries({"type": st.just("wait")}),
    JSON,
)


@settings(max_examples=200)
@given(st.lists(EVENTS, max_size=12))
def test_a_session_answers_anything_and_goes_on(sent):
    async def main():
        async with Client(recognizer=ScriptedRecognizer("what is the weather in paris")) as client:
            for event in sent:
                if isinstance(event, dict) and event.get("type") == "wait":
                    await asyncio.sleep(1)
                else:
                    await client.session.receive(json.dumps(event))
            await client.send("session.update", session={"type": "realtime", "instructions": "Go on."})
            await asyncio.sleep(60)
            errors = [error["error"] for error in client.all("error")]
            assert not [error for error in errors if error["type"] == "server_error"], errors
            created, done = (client.all(f"response.{end}") for end in ("created", "done"))
            assert [event["response"]["id"] for event in created] == sorted(
                (event["response"]["id"] for event in done),
                key=[event["response"]["id"] for event in created].index,
            )
            assert not [event for event in done if event["response"]["status"] == "failed"]
            assert client.all("session.updated")

    run(main())
