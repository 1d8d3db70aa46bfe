"""One message of a client's, read strictly: an event that the protocol knows, or an `ApiError` that says why not.

`realtime_nb.wire` passes unknown fields over, as a client should; a server refuses them, as the API does.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..wire.events import (
    CLIENT_EVENTS,
    ConversationItemCreate,
    Event,
    InputAudioBufferAppend,
    Malformed,
    ResponseCreate,
    Unknown,
    decode_client,
)
from ..wire.items import Content, Item, ResponseOptions
from .api_errors import ApiError, invalid_value, missing_parameter, unknown_parameter


def _names(kind: type[msgspec.Struct], *more: str) -> frozenset[str]:
    return frozenset((*(field.encode_name for field in msgspec.structs.fields(kind)), *more))


_EVENT_FIELDS = {name: _names(kind, "type") for name, kind in CLIENT_EVENTS.items()}
_ITEM_FIELDS = _names(Item, "object")
_CONTENT_FIELDS = _names(Content)
_RESPONSE_FIELDS = _names(ResponseOptions, "prompt")


def read(message: str | bytes) -> Event:
    """Read a client's message.

    Parameters
    ----------
    message : str or bytes
        One frame.

    Returns
    -------
    event : Event
        One of `realtime_nb.wire.events.CLIENT_EVENTS`.

    Raises
    ------
    ApiError
        If the message is no event that the protocol knows, or has fields that it does not know.
    """
    event = decode_client(message)
    if isinstance(event, Unknown):
        known = ", ".join(f"'{name}'" for name in CLIENT_EVENTS)
        raise ApiError(
            f"Invalid value: '{event.type}'. Supported values are: {known}.", code="invalid_value", param="type"
        )
    if isinstance(event, Malformed):
        raise _explained(event)
    if not isinstance(event, InputAudioBufferAppend):  # the one that comes ten times a second
        _refuse_unknown(event, msgspec.json.decode(message))
    return event


def event_id_of(message: str | bytes) -> str | None:
    """Return the ``event_id`` that an unreadable message may still have."""
    try:
        data = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeError):
        return None
    event_id = data.get("event_id") if isinstance(data, dict) else None
    return event_id if isinstance(event_id, str) else None


def _explained(event: Malformed) -> ApiError:
    """Put what msgspec said into the API's words: "Object missing required field `audio` - at `$.item`"."""
    data = event.data
    if not isinstance(data, dict):
        return ApiError("The message is not a JSON object.", code="invalid_json")
    if not isinstance(data.get("type"), str):
        return ApiError("The 'type' field is missing.", code="invalid_event", param="type")
    text, _, where = event.message.removeprefix(f"{data['type']}: ").partition(" - at ")
    path = where.strip("`").removeprefix("$").lstrip(".")
    if "required field `" in text:
        return missing_parameter(f"{path}.{text.split('`')[1]}".lstrip("."))
    return invalid_value(path or "type", text[:1].lower() + text[1:])


def _refuse_unknown(event: Event, data: dict[str, Any]) -> None:
    _check(data, _EVENT_FIELDS[event.type], "")
    if isinstance(event, ConversationItemCreate):
        check_item(data["item"], "item")
    elif isinstance(event, ResponseCreate) and isinstance(data.get("response"), dict):
        response = data["response"]
        _check(response, _RESPONSE_FIELDS, "response.")
        for index, item in enumerate(response.get("input") or []):
            check_item(item, f"response.input[{index}]")


def check_item(item: Any, path: str) -> None:
    """Raise `ApiError` if an item has fields that no item has."""
    if not isinstance(item, dict):
        raise invalid_value(path, "expected an object")
    _check(item, _ITEM_FIELDS, f"{path}.")
    for index, part in enumerate(item.get("content") or []):
        _check(part, _CONTENT_FIELDS, f"{path}.content[{index}].")


def _check(data: dict[str, Any], known: frozenset[str], prefix: str) -> None:
    for name in data:
        if name not in known:
            raise unknown_parameter(f"{prefix}{name}")
