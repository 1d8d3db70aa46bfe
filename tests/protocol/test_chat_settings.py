"""The settings in every request of a Chat Completions session."""

import pytest

from realtime_nb.errors import SettingsError
from realtime_nb.protocol.chat import FORMATS, chat_settings

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}}
NESTED = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def settings(**options):
    return chat_settings(model="m", voice="v", **options)


def test_speech_is_streamed_by_default():
    assert settings() == {
        "model": "m",
        "modalities": ["text", "audio"],
        "audio": {"voice": "v", "format": "pcm16"},
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize("format", FORMATS)
def test_in_one_piece_speech_comes_in_every_format(format):
    wanted = settings(stream=False, format=format)
    assert wanted["audio"]["format"] == format and "stream" not in wanted
    assert settings(stream=False)["audio"]["format"] == "wav"


def test_text_alone_needs_no_voice():
    assert settings(output_modalities=["text"], stream=False) == {"model": "m", "modalities": ["text"]}


def test_functions_are_nested():
    chosen = settings(tools=[TOOL], tool_choice={"type": "function", "name": "f"})
    assert (chosen["tools"], chosen["tool_choice"]) == ([NESTED], {"type": "function", "function": {"name": "f"}})
    assert settings(tools=[NESTED], tool_choice="auto")["tools"] == [NESTED]
    assert "tool_choice" not in settings(tool_choice="required")  # without tools the API refuses it


def test_the_length_is_bounded_in_the_apis_word():
    assert settings(max_output_tokens=9)["max_completion_tokens"] == 9


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"format": "mp3"}, "'mp3' cannot be streamed"),
        ({"format": "ogg", "stream": False}, "'ogg' is not one of pcm16, wav"),
        ({"output_modalities": ["text", "audio"]}, "output_modalities"),
    ],
)
def test_what_the_api_would_not_take_is_refused(options, said):
    with pytest.raises(SettingsError, match=said):
        settings(**options)


def test_tools_of_mcp_servers_are_refused_with_the_way_out():
    with pytest.raises(SettingsError, match="cannot reach MCP servers: give these tools to a RealtimeSession"):
        settings(tools=[{"type": "mcp", "server_label": "docs"}])
