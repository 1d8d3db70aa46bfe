from __future__ import annotations

import base64

import pytest

from realtime_nb.local.api_errors import ApiError
from realtime_nb.local.endpoints.chat_request import SpokenAnswer, read_messages
from realtime_nb.local.endpoints.json_fields import Fields
from realtime_nb.media.clip import AudioClip

USER = {"role": "user", "content": "Hello."}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "12"}
WAV = base64.b64encode(AudioClip.from_pcm16(bytes(48_000)).encode("wav")).decode()


def read(*messages, find=lambda audio_id: None):
    return read_messages(Fields({"messages": list(messages)}), find)


def test_roles_become_instructions_and_items():
    said = SpokenAnswer("Hi there.", 700.0, 0.0)
    found = read(
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be"}, {"type": "text", "text": "kind."}]},
        USER,
        {"role": "assistant", "audio": {"id": "audio_1"}},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look:"},
                {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}},
            ],
        },
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        find={"audio_1": said}.get,
    )
    assert found.instructions == "Be brief.\n\nBe\nkind."
    assert [(entry.role, entry.said) for entry in found.entries] == [
        ("user", "Hello."),
        ("assistant", "Hi there."),
        ("user", "Look:"),
        ("assistant", "No."),
    ]
    spoken = found.entries[1].parts[0]
    assert (spoken.type, spoken.duration_ms) == ("output_audio", 700.0)
    assert found.entries[2].parts[1].image_url == "https://a.b/c.png"


def test_calls_and_their_results():
    found = read(USER, CALLS, RESULT)
    call, result = found.entries[1:]
    assert (call.type, call.name, call.arguments, call.call_id) == ("function_call", "f", "{}", "call_1")
    assert (result.type, result.output, result.call_id) == ("function_call_output", "12", "call_1")


def test_sound_waits_to_be_recognised():
    sound = {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}
    found = read({"role": "user", "content": [{"type": "text", "text": "Listen."}, sound]})
    [(part, recording)] = found.recordings
    assert part is found.entries[0].parts[1]
    assert (part.duration_ms, recording.utterances) == (1000.0, [])


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([], "messages"),
        ([3], "messages[0]"),
        ([{"content": "x"}], "messages[0].role"),
        ([{"role": "clown", "content": "x"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "user", "content": 3}], "messages[0].content"),
        ([{"role": "user", "content": [{"type": "smell"}]}], "messages[0].content[0].type"),
        ([{"role": "system", "content": [{"type": "image_url"}]}], "messages[0].content[0].type"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}],
            "messages[0].content[0].image_url.url",
        ),
        ([{"role": "assistant"}], "messages[0].content"),
        ([{"role": "assistant", "audio": {}}], "messages[0].audio.id"),
        ([{"role": "assistant", "audio": {"id": "audio_x"}}], "messages[0].audio.id"),
        ([{"role": "assistant", "tool_calls": [{"id": "c"}]}], "messages[0].tool_calls[0].type"),
        ([USER, RESULT], "messages[1].role"),
        ([USER, CALLS], "messages[1].tool_calls"),
        ([USER, CALLS, USER], "messages[1].tool_calls"),
        ([USER, CALLS, RESULT, RESULT], "messages[3].role"),
    ],
)
def test_errors_say_where(messages, param):
    with pytest.raises(ApiError) as refused:
        read(*messages)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("sound", "param"),
    [
        ({"data": WAV, "format": "flac"}, "format"),
        ({"data": WAV}, "format"),
        ({"format": "wav"}, "data"),
        ({"data": "?", "format": "wav"}, "data"),
        ({"data": "QUJD", "format": "wav"}, "data"),
    ],
)
def test_errors_in_sound_say_where(sound, param):
    with pytest.raises(ApiError) as refused:
        read({"role": "user", "content": [{"type": "input_audio", "input_audio": sound}]})
    assert refused.value.param == f"messages[0].content[0].input_audio.{param}"
