from __future__ import annotations

import pytest

from realtime_nb.local.api_errors import ApiError
from realtime_nb.local.endpoints.chat_request import ChatRequest
from realtime_nb.local.endpoints.json_fields import Fields

FUNCTION = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
TOOLS = [{"type": "function", "function": FUNCTION}]
BODY = {"model": "gpt-audio-1.5", "messages": [{"role": "user", "content": "Hello."}]}
SPOKEN = {"modalities": ["text", "audio"], "audio": {"voice": "echo", "format": "wav"}}


def read(**change):
    return ChatRequest.read(Fields({**BODY, **change}), lambda audio_id: None)


def test_text_is_what_is_answered_by_default():
    request = read()
    assert (request.model, request.has_audio, request.is_stream, request.includes_usage) == (
        "gpt-audio-1.5",
        False,
        False,
        False,
    )


def test_audio_names_voice_and_format():
    request = read(**SPOKEN)
    assert (request.has_audio, request.voice, request.format) == (True, "echo", "wav")
    request = read(modalities=["audio", "text"], audio={"voice": {"id": "ash"}, "format": "pcm16"}, stream=True)
    assert (request.voice, request.is_stream) == ("ash", True)


def test_tools_reach_the_brain_in_the_flat_shape():
    context = read(tools=TOOLS).context
    assert context.tools == [{"type": "function", **FUNCTION}]
    assert context.required_tool is None
    assert read(tools=TOOLS, tool_choice="none").context.tools == []
    assert read(tools=TOOLS, tool_choice="required").context.required_tool == "*"
    choice = {"type": "function", "function": {"name": "get_weather"}}
    assert read(tools=TOOLS, tool_choice=choice).context.required_tool == "get_weather"


def test_the_smaller_limit_counts():
    assert read(max_tokens=50, max_completion_tokens=20).max_tokens == 20
    assert read().max_tokens == 16_384


def test_usage_counts_what_is_read_and_written():
    usage = read(messages=[{"role": "system", "content": "x" * 40}, *BODY["messages"]]).usage("y" * 8, 30)
    assert usage["prompt_tokens_details"]["text_tokens"] == usage["prompt_tokens"] == 10 + 2
    assert (usage["completion_tokens"], usage["total_tokens"]) == (32, 44)
    assert usage["completion_tokens_details"]["audio_tokens"] == 30


@pytest.mark.parametrize("form", ["wav", "mp3", "flac", "opus", "aac"])
def test_only_pcm16_streams(form):
    with pytest.raises(ApiError) as refused:
        read(modalities=["text", "audio"], audio={"voice": "echo", "format": form}, stream=True)
    assert refused.value.message == (
        f"Unsupported value: 'audio.format' does not support '{form}' when stream=true. Supported values are: 'pcm16'."
    )
    assert (refused.value.code, refused.value.param) == ("unsupported_value", "audio.format")


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"model": None}, "model", None),
        ({"messages": None}, "messages", "missing_required_parameter"),
        ({"messages": "Hello."}, "messages", "invalid_type"),
        ({"modalities": ["smell"]}, "modalities", "invalid_value"),
        ({"modalities": ["audio"]}, "modalities", "invalid_value"),
        ({"modalities": ["text", "audio"]}, "audio", "missing_required_parameter"),
        ({**SPOKEN, "audio": {"voice": "echo"}}, "audio.format", "missing_required_parameter"),
        ({**SPOKEN, "audio": {"format": "wav"}}, "audio.voice", "missing_required_parameter"),
        ({**SPOKEN, "audio": {"voice": "bob", "format": "wav"}}, "audio.voice", "invalid_value"),
        ({**SPOKEN, "audio": {"voice": "echo", "format": "midi"}}, "audio.format", "invalid_value"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"n": 2}, "n", "invalid_value"),
        ({"response_format": {"type": "json_object"}}, "response_format", "invalid_value"),
        ({"max_tokens": 0}, "max_tokens", "invalid_value"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name", "missing_required_parameter"),
        (
            {"tools": [*TOOLS, {"type": "function", "function": {"name": "a b"}}]},
            "tools[1].function.name",
            "invalid_value",
        ),
        ({"tool_choice": "required"}, "tool_choice", None),
        ({"tool_choice": "always", "tools": TOOLS}, "tool_choice", "invalid_value"),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}, "tools": TOOLS},
            "tool_choice.function.name",
            "invalid_value",
        ),
        ({"messages": [{"role": "user", "content": "x" * 600_000}]}, "messages", "context_length_exceeded"),
    ],
)
def test_errors_name_the_parameter(change, param, code):
    with pytest.raises(ApiError) as refused:
        read(**change)
    assert (refused.value.param, refused.value.code) == (param, code)
