import base64
import json
import pickle

import pytest

from realtime_nb import errors
from realtime_nb.errors import (
    AudioError,
    BudgetReached,
    ConnectionLost,
    InputFlagged,
    LocalProtocolError,
    MissingExtra,
    MissingKey,
    PictureError,
    RealtimeError,
    RecordingError,
    RemoteProtocolError,
    ReplyTimeout,
    ServerError,
    SettingsError,
)

TEXTS = [
    (AudioError("sample_rate=0 must be positive and whole"), "sample_rate=0 must be positive and whole"),
    (RecordingError("'notes' is no recording"), "'notes' is no recording"),
    (PictureError("an array of int64 is no picture"), "an array of int64 is no picture"),
    (SettingsError("speed=9 is not between 0.25 and 1.5"), "speed=9 is not between 0.25 and 1.5"),
    (
        MissingKey("openai", "OPENAI_API_KEY"),
        "the openai backend needs an API key: set OPENAI_API_KEY, pass api_key=…, "
        'or talk to the local voice with backend="local"',
    ),
    (
        MissingExtra("the local voice", "local"),
        "the local voice is not installed: run  pip install 'realtime-nb[local]'",
    ),
    (
        MissingExtra("the local voice", "local", "No module named 'starlette'"),
        "the local voice is not installed (No module named 'starlette'): run  pip install 'realtime-nb[local]'",
    ),
    (
        LocalProtocolError("cannot commit audio while the session is closed"),
        "cannot commit audio while the session is closed",
    ),
    (RemoteProtocolError("not JSON"), "not JSON"),
    (ServerError("The server had an error."), "The server had an error."),
    (
        ServerError(
            "Unknown parameter: 'session.x'.", code="unknown_parameter", param="session.x", event_id="client_1"
        ),
        "Unknown parameter: 'session.x'. [unknown_parameter] (parameter session.x)",
    ),
    (
        ServerError("Incorrect API key provided.", code="invalid_api_key"),
        "Incorrect API key provided. [invalid_api_key]: check the key (OPENAI_API_KEY, or api_key=…); it was refused",
    ),
    (
        ServerError("You exceeded your quota.", code="insufficient_quota"),
        "You exceeded your quota. [insufficient_quota]: add credit to the account or use another key; "
        "retrying does not help",
    ),
    (ServerError("Slow down.", code="slow", advice="wait a minute"), "Slow down. [slow]: wait a minute"),
    (ConnectionLost("api.example cannot be reached"), "api.example cannot be reached"),
    (
        ReplyTimeout(90, "response.created", 89.96),
        "no sign of an answer for 90 s (the last event was response.created, 90.0 s ago): "
        "ask again, or wait longer with timeout_s=…",
    ),
    (
        ReplyTimeout(0.5, "", 0.0),
        "no sign of an answer for 0.5 s (no event came): ask again, or wait longer with timeout_s=…",
    ),
    (BudgetReached("max_usd", "all is spent; raise max_usd"), "stopped: all is spent; raise max_usd"),
    (InputFlagged("violence"), "not answered: the guard flagged what was asked (violence)"),
    (ConnectionLost("the connection broke off", code=1006), "the connection broke off (close code 1006)"),
]


@pytest.mark.parametrize(("error", "text"), TEXTS, ids=lambda value: type(value).__name__ if value else "")
def test_text(error, text):
    assert str(error) == text


def test_every_error_has_a_line_in_the_table():
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RealtimeError)}
    assert kinds - {type(error) for error, _ in TEXTS} == {RealtimeError}


def test_bad_audio_and_bad_settings_are_value_errors():
    assert issubclass(AudioError, ValueError)
    assert issubclass(SettingsError, ValueError) and issubclass(PictureError, ValueError)
    assert issubclass(RecordingError, ValueError)


@pytest.mark.parametrize("code", sorted(ServerError.FATAL))
def test_fatal_codes_say_the_way_out(code):
    error = ServerError("No.", code=code)
    assert error.fatal
    assert error.advice and str(error).endswith(error.advice)


@pytest.mark.parametrize("code", [None, "", "invalid_value", "conversation_already_has_active_response"])
def test_other_codes_are_not_fatal(code):
    assert not ServerError("No.", code=code).fatal


def test_facts_are_attributes():
    error = ServerError("No.", code="c", error_type="t", param="p", event_id="e")
    assert (error.message, error.code, error.error_type, error.param, error.event_id) == ("No.", "c", "t", "p", "e")
    assert ConnectionLost("gone", code=1001).code == 1001


@pytest.mark.parametrize("error", [error for error, _ in TEXTS], ids=lambda error: type(error).__name__)
def test_errors_pass_between_processes(error):
    """Joblib, dask and concurrent.futures send exceptions as pickles."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)


def test_no_error_shows_a_key_or_audio():
    from realtime_nb.media.clip import AudioClip
    from realtime_nb.protocol import events
    from realtime_nb.sessions.backend import Backend

    key, pcm = "sk-secret-0123456789", b"\x12\x34" * 50
    backend = Backend("openai", "https://api.openai.com/v1", key)
    payload = base64.b64encode(pcm).decode()
    bad = f'{{"type":"response.output_audio.delta","delta":"{payload}"}}'
    malformed = events.decode_server(bad[:-1])
    assert isinstance(malformed, events.Malformed)
    odd = {"type": "response.done", "response": {"id": [key], "status_details": 1, "output": payload, "usage": key}}
    remarks = [each.text for text in (bad, bad[:-1], json.dumps(odd)) for each in events.mended(text)[1]]
    shown = [
        repr(backend),
        str(backend),
        repr(AudioClip.from_pcm16(pcm)),
        malformed.message,
        *map(str, TEXTS),
        *remarks,
    ]
    for text in shown:
        assert key not in text
        assert payload not in text
