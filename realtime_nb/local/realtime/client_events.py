"""Read a client's messages strictly: each is an event that the protocol knows, or an `ApiError` that says why not.

`realtime_nb.protocol` ignores unknown fields, as a client should; a server refuses them, as the API does.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...protocol.events import (
    CLIENT_EVENTS,
    ConversationItemCreate,
    Event,
    InputAudioBufferAppend,
    Malformed,
    ResponseCreate,
    Unknown,
    decode_client,
)
from ...protocol.items import Content, Item, ResponseOptions
from ...protocol.mending import parse, well_formed
from ..api_errors import ApiError, invalid_value, missing_parameter, unknown_parameter
from ..endpoints.json_fields import MOST_DEPTH, is_too_deep, without_nulls


def _names(kind: type[msgspec.Struct], *more: str) -> frozenset[str]:
    return frozenset((*(field.encode_name for field in msgspec.structs.fields(kind)), *more))


_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
_EVENT_FIELDS = {name: _names(kind, "type") for name, kind in CLIENT_EVENTS.items()}
_ITEM_FIELDS = _names(Item, "object")
_CONTENT_FIELDS = _names(Content)
_RESPONSE_FIELDS = _names(ResponseOptions, "prompt")


def read(message: str | bytes) -> Event:
    """Read a client's message.

    Returns one of `realtime_nb.protocol.events.CLIENT_EVENTS`. Fields that are null are absent from it; for the meaning
    of null in a session's settings, see `SessionSettings`.

    Raises `ApiError` if the message is not an event that the protocol knows, or has fields that it does not know.
    """
    event = decode_client(message)
    if isinstance(event, InputAudioBufferAppend):  # the one that comes ten times a second
        return event
    data = _object(message)
    kept = {**without_nulls(data), **({"session": data["session"]} if data.get("session") is not None else {})}
    if kept != data:
        event = decode_client(msgspec.json.encode(kept))
    if isinstance(event, Unknown):
        known = ", ".join(f"'{name}'" for name in CLIENT_EVENTS)
        raise ApiError(
            f"Invalid value: '{event.type}'. Supported values are: {known}.", code="invalid_value", param="type"
        )
    if isinstance(event, Malformed):
        raise _explained(event)
    _refuse_unknown(event, kept)
    return event


def _object(message: str | bytes) -> dict[str, Any]:
    try:
        data = msgspec.json.decode(message)
    except _UNREADABLE as error:
        raise ApiError(f"The message is not a JSON object: {error}.", code="invalid_json") from error
    if not isinstance(data, dict):
        raise ApiError("The message is not a JSON object.", code="invalid_json")
    if is_too_deep(data):
        raise ApiError(f"The message is nested more than {MOST_DEPTH} levels deep.", code="invalid_json")
    return data


def event_id_of(message: str | bytes) -> str | None:
    """Return the ``event_id`` that an unreadable message may still have."""
    try:
        data = parse(message, set())  # Accepts more than `read` does, such as half a UTF-16 pair or NaN.
    except (ValueError, RecursionError):
        return None
    event_id = data.get("event_id") if isinstance(data, dict) else None
    return well_formed(event_id) if isinstance(event_id, str) else None


def _explained(event: Malformed) -> ApiError:
    """Put msgspec's message into the API's words: "Object missing required field `audio` - at `$.item`"."""
    data = event.data
    if not isinstance(data.get("type"), str):
        return ApiError("The 'type' field is missing.", code="invalid_event", param="type")
    return _in_words(event.message.removeprefix(f"{data['type']}: "))


def _in_words(message: str, under: str = "") -> ApiError:
    text, _, where = message.partition(" - at ")
    path = f"{under}.{where.strip('`').removeprefix('$').lstrip('.')}".strip(".")
    if "required field `" in text:
        return missing_parameter(f"{path}.{text.split('`')[1]}".lstrip("."))
    return invalid_value(path or "type", text[:1].lower() + text[1:])


def _refuse_unknown(event: Event, data: dict[str, Any]) -> None:
    _check(data, _EVENT_FIELDS[event.type], "")
    if isinstance(event, ConversationItemCreate):
        _check_item(data["item"], "item")
    elif isinstance(event, ResponseCreate) and "response" in data:
        response = data["response"]
        _check(response, _RESPONSE_FIELDS, "response.")
        for index, item in enumerate(response.get("input", ())):
            path = f"response.input[{index}]"
            try:
                msgspec.convert(item, Item)
            except msgspec.ValidationError as error:
                raise _in_words(str(error), path) from error
            _check_item(item, path)


def _check_item(item: dict[str, Any], path: str) -> None:
    _check(item, _ITEM_FIELDS, f"{path}.")
    for index, part in enumerate(item.get("content", ())):
        _check(part, _CONTENT_FIELDS, f"{path}.content[{index}].")


def _check(data: dict[str, Any], known: frozenset[str], prefix: str) -> None:
    for name in data:
        if name not in known:
            raise unknown_parameter(f"{prefix}{name}")
