from __future__ import annotations

import json

import pytest
from msgspec import UNSET

from realtime_nb.local.api_errors import ApiError
from realtime_nb.local.realtime.client_events import event_id_of, read
from realtime_nb.protocol import events
from realtime_nb.protocol.items import ResponseOptions


@pytest.mark.parametrize("kind", sorted(events.CLIENT_EVENTS))
def test_messages_of_our_client_can_be_read(kind):
    fields = {
        "session.update": {"session": {"type": "realtime"}},
        "input_audio_buffer.append": {"audio": "AAA="},
        "conversation.item.create": {"item": {"type": "message", "role": "user", "content": []}},
        "conversation.item.truncate": {"item_id": "a", "content_index": 0, "audio_end_ms": 1},
        "conversation.item.delete": {"item_id": "a"},
        "conversation.item.retrieve": {"item_id": "a"},
    }.get(kind, {})
    event = read(json.dumps({"type": kind, "event_id": "mine", **fields}))
    assert (type(event), event.event_id) == (events.CLIENT_EVENTS[kind], "mine")


@pytest.mark.parametrize(
    ("message", "code", "param", "text"),
    [
        ("nonsense", "invalid_json", None, "not a JSON object"),
        ('"text"', "invalid_json", None, "not a JSON object"),
        ("{}", "invalid_event", "type", "The 'type' field is missing."),
        ('{"type": 7}', "invalid_event", "type", "The 'type' field is missing."),
        ('{"type": "session.fly"}', "invalid_value", "type", "Invalid value: 'session.fly'. Supported values are: '"),
        (
            '{"type": "conversation.item.delete"}',
            "missing_required_parameter",
            "item_id",
            "Missing required parameter: 'item_id'.",
        ),
        (
            '{"type": "conversation.item.create", "item": {}}',
            "missing_required_parameter",
            "item.type",
            "Missing required parameter: 'item.type'.",
        ),
        (
            '{"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": 1.5}',
            "invalid_value",
            "audio_end_ms",
            "Invalid value for 'audio_end_ms': expected `int`, got `float`.",
        ),
        ('{"type": "response.cancel", "id": "x"}', "unknown_parameter", "id", "Unknown parameter: 'id'."),
        (
            '{"type": "conversation.item.create", "item": {"type": "message", "content": [{"type": "x", "y": 1}]}}',
            "unknown_parameter",
            "item.content[0].y",
            "Unknown parameter: 'item.content[0].y'.",
        ),
        (
            '{"type": "response.create", "response": {"input": [7]}}',
            "invalid_value",
            "response.input[0]",
            "expected `object`, got `int`",
        ),
    ],
)
def test_what_cannot_be_read_is_explained(message, code, param, text):
    with pytest.raises(ApiError) as refused:
        read(message)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert text in refused.value.message


def test_a_field_that_is_null_is_absent():
    event = read('{"type": "response.create", "event_id": null, "response": {"instructions": null, "tools": null}}')
    assert (event.event_id, event.response) == (UNSET, ResponseOptions())


def test_the_id_of_a_broken_event_is_found():
    assert event_id_of('{"event_id": "mine"}') == "mine"
    assert event_id_of(r'{"event_id": "mine", "text": "\ud83d"}') == "mine"
    assert event_id_of('{"event_id": "mine", "limit": NaN}') == "mine"
    assert event_id_of(r'{"event_id": "\ud83d"}') == "\ufffd"
    assert event_id_of('{"event_id": 7}') is None
    assert event_id_of("nonsense") is None
    assert event_id_of(b"\xff") is None
    assert event_id_of("[]") is None
    assert event_id_of("[" * 100_000) is None
