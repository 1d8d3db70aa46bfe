from __future__ import annotations

import copy
from typing import Any

import pytest

from realtime_nb.local.api_errors import ApiError
from realtime_nb.local.realtime.session_settings import SessionSettings
from realtime_nb.protocol.items import ResponseOptions


def make(**options: Any) -> SessionSettings:
    return SessionSettings(session_id="sess_1", model="gpt-realtime-2.1", expires_at=7, brain="Rules.", **options)


def update(settings, **change):
    settings.update({"type": "realtime", **change})
    return settings.data


def test_only_what_is_there_changes():
    settings = make()
    before = copy.deepcopy(settings.data)
    update(settings, audio={"input": {"transcription": {"model": "gpt-transcribe"}}})
    before["audio"]["input"]["transcription"] = {"model": "gpt-transcribe", "language": None, "prompt": None}
    assert settings.data == before
    update(settings, audio={"input": {"transcription": {"language": "en"}}})
    assert settings.transcription == {"model": "gpt-transcribe", "language": "en", "prompt": None}
    update(settings, audio={"input": {"transcription": None}})
    assert settings.transcription is None


@pytest.mark.parametrize(
    ("model", "name", "given"), [("whisper-1", "language", "de-DE"), ("gpt-transcribe", "languages", ["en", "fr"])]
)
def test_ears_that_hear_english_only_refuse_another_language(model, name, given):
    settings = make(english_only=True)
    update(settings, audio={"input": {"transcription": {"model": "whisper-1", "language": "en-US"}}})
    before = copy.deepcopy(settings.data)
    with pytest.raises(ApiError, match=r"hears English only\. Start it with --ears") as refused:
        update(settings, audio={"input": {"transcription": {"model": model, "language": None, name: given}}})
    assert refused.value.param == f"session.audio.input.transcription.{name}"
    assert settings.data == before
    update(make(), audio={"input": {"transcription": {"model": model, name: given}}})


def test_turn_detection_keeps_what_is_set_and_begins_again_with_another_kind():
    settings = make()
    update(settings, audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 0.7}}})
    update(settings, audio={"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 200}}})
    assert (settings.turn_detection["threshold"], settings.turn_detection["silence_duration_ms"]) == (0.7, 200)
    update(settings, audio={"input": {"turn_detection": {"type": "semantic_vad"}}})
    assert settings.turn_detection == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }
    update(settings, audio={"input": {"turn_detection": None}})
    assert settings.turn_detection is None
    update(settings, audio={"input": {"turn_detection": {"type": "server_vad"}}})
    assert settings.turn_detection["threshold"] == 0.5


def test_empty_instructions_are_the_server_s_own():
    settings = make()
    own = settings.data["instructions"]
    assert "Rules." in own
    assert update(settings, instructions="Be brief.")["instructions"] == "Be brief."
    assert update(settings, instructions="")["instructions"] == own


def test_formats_tools_and_choices_are_replaced_as_a_whole():
    settings = make()
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    update(settings, tools=[tool], tool_choice={"type": "function", "name": "f"})
    update(settings, tool_choice="auto", audio={"output": {"format": {"type": "audio/pcmu"}}})
    assert settings.data["tools"] == [tool]
    assert settings.data["tool_choice"] == "auto"
    assert settings.data["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    data = update(settings, tools=[], audio={"output": {"format": {"type": "audio/pcm"}}})
    assert (data["tools"], data["audio"]["output"]["format"]) == ([], {"type": "audio/pcm", "rate": 24000})


REFUSED = [
    ({"modalities": ["text"]}, "unknown_parameter", "session.modalities"),
    ({"turn_detection": None}, "unknown_parameter", "session.turn_detection"),
    ({"audio": {"input": {"rate": 1}}}, "unknown_parameter", "session.audio.input.rate"),
    ({"output_modalities": ["text", "audio"]}, "invalid_value", "session.output_modalities"),
    ({"audio": {"output": {"voice": "nobody"}}}, "invalid_value", "session.audio.output.voice"),
    ({"audio": {"output": {"speed": 2.0}}}, "invalid_value", "session.audio.output.speed"),
    (
        {"audio": {"input": {"turn_detection": {"threshold": 0.3}}}},
        "missing_required_parameter",
        "session.audio.input.turn_detection.type",
    ),
    (
        {"audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 100}}}},
        "invalid_value",
        "session.audio.input.turn_detection.idle_timeout_ms",
    ),
    (
        {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "wild"}}}},
        "invalid_value",
        "session.audio.input.turn_detection.eagerness",
    ),
    ({"max_output_tokens": 0}, "invalid_value", "session.max_output_tokens"),
    ({"tools": [{"name": "f"}]}, "missing_required_parameter", "session.tools[0].type"),
    ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
    ({"tools": [{"type": "function", "function": {}}]}, "missing_required_parameter", "session.tools[0].name"),
    ({"tools": [{"type": "function", "name": "f", "function": {}}]}, "unknown_parameter", "session.tools[0].function"),
    ({"tools": [{"type": "function", "name": "a b"}]}, "invalid_value", "session.tools[0].name"),
    ({"tools": [{"type": "mcp", "server_label": "x"}]}, "invalid_value", "session.tools[0].type"),
    *[
        ({"tools": [{"type": "function", "name": "f", **odd}]}, "invalid_value", f"session.tools[0].{path}")
        for odd, path in [
            ({"description": 7}, "description"),
            ({"parameters": 7}, "parameters"),
            ({"parameters": {"properties": []}}, "parameters.properties"),
            ({"parameters": {"required": ["a"]}}, "parameters.required"),
            ({"parameters": {"properties": {"a": 7}}}, "parameters.properties.a"),
            ({"parameters": {"properties": {"a": {"enum": 7}}}}, "parameters.properties.a.enum"),
        ]
    ],
    ({"tool_choice": "sometimes"}, "invalid_value", "session.tool_choice"),
    ({"tool_choice": {"type": "function"}}, "missing_required_parameter", "session.tool_choice.name"),
    ({"id": "sess_2"}, "unknown_parameter", "session.id"),
]


@pytest.mark.parametrize(("change", "code", "param"), REFUSED)
def test_a_refused_update_changes_nothing(change, code, param):
    settings = make()
    before = copy.deepcopy(settings.data)
    with pytest.raises(ApiError) as refused:
        update(settings, instructions="Never.", **change)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert settings.data == before


def test_the_voice_is_locked_once_it_has_spoken():
    settings = make()
    settings.update({"type": "realtime", "audio": {"output": {"voice": "marin"}}}, voice_is_locked=True)
    with pytest.raises(ApiError) as refused:
        settings.update({"type": "realtime", "audio": {"output": {"voice": "echo"}}}, voice_is_locked=True)
    assert refused.value.code == "cannot_update_voice"


def test_a_response_goes_by_its_own_settings_and_leaves_the_session_s():
    settings = make()
    before = copy.deepcopy(settings.data)
    response = settings.for_response(
        ResponseOptions(
            instructions="Sing.",
            output_modalities=["text"],
            audio={"output": {"voice": "echo"}},
            tool_choice="none",
            metadata={"a": "b"},
        )
    )
    assert (response.own_instructions, response.voice, response.speed) == ("Sing.", "echo", 1.0)
    assert (response.output_modalities, response.tool_choice, response.metadata) == (["text"], "none", {"a": "b"})
    assert settings.for_response().own_instructions is None
    assert settings.data == before


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"audio": {"output": {"voice": "nobody"}}}, "response.audio.output.voice"),
        ({"audio": {"input": {}}}, "response.audio.input"),
        ({"conversation": "other"}, "response.conversation"),
        ({"metadata": {"k" * 65: "v"}}, "response.metadata"),
        ({"metadata": {"k": "v" * 513}}, "response.metadata"),
        ({"metadata": {str(number): "" for number in range(17)}}, "response.metadata"),
        ({"max_output_tokens": 5000}, "response.max_output_tokens"),
        ({"tools": [{"type": "function"}]}, "response.tools[0].name"),
    ],
)
def test_a_response_s_settings_are_checked_as_well(options, param):
    with pytest.raises(ApiError) as refused:
        make().for_response(ResponseOptions(**options))
    assert refused.value.param == param


def test_a_transcription_session_has_the_input_half():
    settings = make(transcription=True)
    assert settings.data["object"] == "realtime.transcription_session"
    assert settings.turn_detection["silence_duration_ms"] == 200
    settings.update({"type": "transcription", "audio": {"input": {"turn_detection": None}}})
    assert settings.turn_detection is None


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"type": "realtime"}, "invalid_parameter", "session.type"),
        ({"type": "transcription", "instructions": "x"}, "unknown_parameter", "session.instructions"),
        ({"type": "transcription", "audio": {"output": {}}}, "unknown_parameter", "session.audio.output"),
        (
            {"type": "transcription", "audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}},
            "invalid_value",
            "session.audio.input.turn_detection.type",
        ),
        (
            {
                "type": "transcription",
                "audio": {"input": {"turn_detection": {"type": "server_vad", "create_response": True}}},
            },
            "unknown_parameter",
            "session.audio.input.turn_detection.create_response",
        ),
        (
            {"type": "transcription", "audio": {"input": {"transcription": {"model": "gpt-live-transcribe"}}}},
            "invalid_value",
            "session.audio.input.turn_detection",
        ),
    ],
)
def test_a_transcription_session_refuses_the_rest(change, code, param):
    with pytest.raises(ApiError) as refused:
        make(transcription=True).update(change)
    assert (refused.value.code, refused.value.param) == (code, param)
