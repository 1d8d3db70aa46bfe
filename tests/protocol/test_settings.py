import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_samples import SESSION

from realtime_nb.errors import SettingsError
from realtime_nb.protocol.settings import (
    VOICES,
    Options,
    RealtimeSettings,
    find_problem,
    session_from_options,
    setting_at,
)


def realtime(**more):
    return {"type": "realtime", **more}


def at_input(**more):
    return realtime(audio={"input": more})


def at_output(**more):
    return realtime(audio={"output": more})


def turns(**more):
    return at_input(turn_detection=more)


@pytest.mark.parametrize(
    "session",
    [
        realtime(),
        realtime(output_modalities=["text"], instructions="", tools=[], tool_choice="none", max_output_tokens="inf"),
        realtime(max_output_tokens=4096, truncation={"type": "retention_ratio", "retention_ratio": 0.8}),
        realtime(tool_choice={"type": "function", "name": "f"}, tracing=None, include=None, prompt=None),
        realtime(reasoning={"effort": "low"}, parallel_tool_calls=True, tracing="auto"),
        at_input(format={"type": "audio/pcm", "rate": 24000}, transcription=None, noise_reduction=None),
        at_input(format={"type": "audio/pcmu"}, transcription={"model": "gpt-realtime-whisper", "delay": "low"}),
        at_input(noise_reduction={"type": "near_field", "strength": 0.5}, turn_detection=None),
        turns(type="server_vad", threshold=0.5, prefix_padding_ms=300, silence_duration_ms=200, idle_timeout_ms=None),
        turns(type="semantic_vad", eagerness="auto", create_response=False, interrupt_response=False),
        at_output(format={"type": "audio/pcma"}, voice="marin", speed=1.5),
        at_output(voice={"id": "voice_1"}),
    ],
)
def test_settings_of_the_api_pass(session):
    assert find_problem(session) is None
    assert msgspec.to_builtins(msgspec.convert(session, RealtimeSettings)).keys() <= session.keys() | {"type"}


def test_what_a_server_states_can_be_sent_back():
    stated = {key: value for key, value in SESSION.items() if key not in ("id", "object", "expires_at")}
    assert find_problem(stated) is None


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        (realtime(temperature=0.8), "unknown_parameter", "temperature"),
        (realtime(modalities=["text"]), "unknown_parameter", "modalities"),
        (realtime(voice="marin"), "unknown_parameter", "voice"),
        (realtime(audio={"voice": "marin"}), "unknown_parameter", "audio.voice"),
        (turns(type="server_vad", silence=1), "unknown_parameter", "audio.input.turn_detection.silence"),
        (
            turns(type="semantic_vad", idle_timeout_ms=None),
            "unknown_parameter",
            "audio.input.turn_detection.idle_timeout_ms",
        ),
        (at_input(transcription={"modle": "x"}), "unknown_parameter", "audio.input.transcription.modle"),
        (turns(threshold=0.5), "missing_required_parameter", "audio.input.turn_detection.type"),
        (at_input(noise_reduction={}), "missing_required_parameter", "audio.input.noise_reduction.type"),
        (at_input(format={"rate": 24000}), "missing_required_parameter", "audio.input.format.type"),
        (turns(type="magic_vad"), "invalid_value", "audio.input.turn_detection.type"),
        (turns(type="server_vad", threshold="high"), "invalid_value", "audio.input.turn_detection.threshold"),
        (turns(type="server_vad", threshold=1.1), "invalid_value", "audio.input.turn_detection.threshold"),
        (turns(type="server_vad", idle_timeout_ms=10), "invalid_value", "audio.input.turn_detection.idle_timeout_ms"),
        (turns(type="semantic_vad", eagerness="keen"), "invalid_value", "audio.input.turn_detection.eagerness"),
        (at_input(format={"type": "audio/pcm", "rate": 16000}), "invalid_value", "audio.input.format.rate"),
        (at_input(format="pcm16"), "invalid_value", "audio.input.format"),
        (at_output(speed=9), "invalid_value", "audio.output.speed"),
        (at_output(speed=float("nan")), "invalid_value", "audio.output.speed"),
        (at_output(voice=3), "invalid_value", "audio.output.voice"),
        (realtime(output_modalities=["text", "audio"]), "invalid_value", "output_modalities"),
        (realtime(output_modalities=[]), "invalid_value", "output_modalities"),
        (realtime(output_modalities=["smell"]), "invalid_value", "output_modalities[0]"),
        (realtime(max_output_tokens=0), "invalid_value", "max_output_tokens"),
        (realtime(max_output_tokens=9999), "invalid_value", "max_output_tokens"),
        (realtime(max_output_tokens="lots"), "invalid_value", "max_output_tokens"),
        (realtime(instructions=None), "invalid_value", "instructions"),
        (realtime(tools={}), "invalid_value", "tools"),
        (realtime(tools=["f"]), "invalid_value", "tools[0]"),
        ({"type": "transcription"}, "invalid_value", "type"),
    ],
    ids=str,
)
def test_what_the_api_refuses_is_found_with_its_path(session, code, param):
    problem = find_problem(session)
    assert (problem.code, problem.param) == (code, param)
    assert str(problem) == f"{param}: {problem.message}"


def test_voices_are_checked_where_they_are_known():
    assert find_problem(at_output(voice="bob")) is None
    problem = find_problem(at_output(voice="bob"), voices=VOICES)
    assert (problem.code, problem.param) == ("invalid_value", "audio.output.voice")
    assert "'bob' is not one of alloy" in problem.message
    assert find_problem(at_output(voice="cedar"), voices=VOICES) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "input", "voice"]), inner, max_size=3)
    ),
)


@given(st.dictionaries(st.sampled_from([*RealtimeSettings.__struct_fields__, "voice"]), json_values))
def test_no_settings_raise(session):
    problem = find_problem(session)
    assert problem is None or problem.code in ("unknown_parameter", "invalid_value", "missing_required_parameter")


# --- short names ---


@pytest.mark.parametrize(
    ("options", "session"),
    [
        ({}, realtime()),
        ({"voice": "cedar", "speed": 1.25}, at_output(voice="cedar", speed=1.25)),
        ({"turn_detection": "semantic_vad"}, turns(type="semantic_vad")),
        ({"turn_detection": {"type": "server_vad", "threshold": 0.9}}, turns(type="server_vad", threshold=0.9)),
        ({"turn_detection": None}, at_input(turn_detection=None)),
        ({"transcription": "gpt-transcribe"}, at_input(transcription={"model": "gpt-transcribe"})),
        ({"transcription": None}, at_input(transcription=None)),
        ({"noise_reduction": "far_field"}, at_input(noise_reduction={"type": "far_field"})),
        ({"input_format": "g711_ulaw"}, at_input(format={"type": "audio/pcmu"})),
        ({"output_format": "pcm16"}, at_output(format={"type": "audio/pcm", "rate": 24000})),
        ({"instructions": "Hi", "max_output_tokens": 10}, realtime(instructions="Hi", max_output_tokens=10)),
    ],
)
def test_short_names_find_their_places(options, session):
    assert session_from_options(**options) == session


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": 1}, "'temperature' is not a session setting: leave it out"),
        ({"xyz": 1}, "'xyz' is not a session setting: choose among instructions, voice"),
        ({"model": "gpt-realtime"}, "'model' is not a session setting"),
        ({"input_format": "mp3"}, "input_format='mp3' is not one of pcm16"),
        ({"output_format": {"type": "audio/pcm"}}, "output_format={'type': 'audio/pcm'} is not one of pcm16"),
        ({"turn_detection": "loud"}, r"audio\.input\.turn_detection\.type: Invalid value 'loud'"),
        ({"turn_detection": {"type": "server_vad", "silence": 1}}, r"turn_detection\.silence"),
        ({"speed": 3}, r"audio\.output\.speed: 3 is not between 0\.25 and 1\.5"),
        ({"output_modalities": ["audio", "text"]}, "output_modalities: must be"),
        ({"tools": "f"}, "tools: Expected `array`, got `str`"),
    ],
)
def test_a_bad_option_is_named(options, said):
    with pytest.raises(SettingsError, match=said):
        session_from_options(**options)


def test_options_are_not_changed():
    detection = {"type": "server_vad"}
    session_from_options(turn_detection=detection)["audio"]["input"]["turn_detection"]["threshold"] = 1
    assert detection == {"type": "server_vad"}


def test_every_short_name_is_taken():
    values = {
        **dict.fromkeys(Options.__annotations__, None),
        **{"instructions": "", "voice": "marin", "speed": 1.0, "output_modalities": ["audio"], "tools": []},
        **{"input_format": "pcm16", "output_format": "pcm16", "tool_choice": "auto", "parallel_tool_calls": True},
        **{"max_output_tokens": "inf", "truncation": "auto"},
    }
    assert find_problem(session_from_options(**values)) is None


def test_a_setting_is_found_by_its_path():
    assert setting_at(SESSION, "audio.output.voice") == "marin"
    assert setting_at(SESSION, "audio.smell.voice") is None
    assert setting_at({"audio": None}, "audio.output.voice") is None
    assert setting_at({"audio": ["odd"]}, "audio.output") is None
    assert setting_at(None, "audio") is None
