"""One line of ``events.jsonl``: an event as it was on the wire, with its audio on a track.

``{"elapsed_ms": …, "direction": "sent" | "received" | "local", "event": {…}, "audio": {POINTER: REFERENCE}}``: audio
payloads are taken out of the event; ``audio`` says by JSON Pointer (RFC 6901) where each belongs and where it lies. A
message that could not be read as an event is under ``malformed`` in place of ``event``. ``wait_ms`` is there where the
tracks' clock has moved: from there on it is so far ahead of session time. In front of each line is its checksum,
``"crc32"``, see `realtime_nb.files.seal`; earlier versions wrote none.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from ..wire import events as ev
from ..wire import local

_DELTA = "response.output_audio.delta"
_APPEND = "input_audio_buffer.append"


class Reference(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where an audio payload lies."""

    track: str
    start_sample: int
    samples: int
    encoding: str = "audio/pcm"
    at_sample: int | None = None
    """Where it sounded on the tracks' clock, if not where it lies."""
    audible_at: int | None = None
    """Where its first audible sample is, in the first chunk of an item that has one."""
    data: str | None = None
    """The payload itself, base64, where the track cannot give it back."""


class Row(Struct, gc=False):
    """What the common events hold, whatever else is in them."""

    type: str
    event_id: Any = None
    item_id: Any = None
    response_id: Any = None
    output_index: Any = None
    content_index: Any = None
    delta: Any = None
    text: Any = None
    transcript: Any = None
    item: Any = None


class Line(Struct, kw_only=True, omit_defaults=True, gc=False):
    """A line as it is read: quickly, and without the event's less common fields."""

    elapsed_ms: float
    direction: str
    event: Row = msgspec.field(default_factory=lambda: Row(type="malformed"))
    audio: dict[str, Reference] | UnsetType = UNSET
    wait_ms: float | UnsetType = UNSET
    malformed: Any = UNSET


class _WholeLine(Struct):
    event: dict[str, Any] | UnsetType = UNSET
    malformed: dict[str, Any] | UnsetType = UNSET


_decode_whole = msgspec.json.Decoder(_WholeLine).decode
_encode = msgspec.json.Encoder().encode

Payload = Callable[[Reference], bytes]


def to_tree(event: Any) -> dict[str, Any]:
    """Return an event as JSON would hold it, but for audio, which stays `bytes`."""
    if isinstance(event, ev.Unknown):
        return dict(event.data)
    tree: dict[str, Any] = msgspec.to_builtins(event, builtin_types=(bytes,))
    return tree


def take_audio(tree: Any, pointer: str = "") -> Iterator[tuple[str, dict[str, Any], str]]:
    """Find the audio in an event: its pointer, and the object and key that hold it."""
    if isinstance(tree, dict):
        for key, value in list(tree.items()):
            if isinstance(value, bytes):
                yield f"{pointer}/{key}", tree, key
            else:
                yield from take_audio(value, f"{pointer}/{key}")
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from take_audio(value, f"{pointer}/{index}")


def put_audio(tree: dict[str, Any], pointer: str, data: bytes) -> None:
    """Put audio back into an event, as JSON holds it."""
    *path, last = pointer.split("/")[1:]
    at: Any = tree
    for key in path:
        at = at[int(key) if isinstance(at, list) else key]
    at[last] = base64.b64encode(data).decode()


def encode_line(line: dict[str, Any]) -> bytes:
    """Write a line, without its end; audio that is still inside its event becomes base64."""
    return _encode(line)


def decode_event(line: Line, text: bytes | memoryview, payload: Payload) -> Any:
    """Return the event of a line, as it passed.

    Parameters
    ----------
    line : Line
        The line as it was read.
    text : bytes
        Its text.
    payload : callable
        Takes a `Reference` and returns the audio there.
    """
    row, references = line.event, {} if line.audio is UNSET else line.audio
    if row.type == _APPEND and line.direction == "sent" and "/audio" in references:
        return ev.InputAudioBufferAppend(audio=payload(references["/audio"]), event_id=row.event_id or UNSET)
    if row.type == _DELTA and line.direction == "received" and "/delta" in references:
        return ev.ResponseOutputAudioDelta(
            event_id=row.event_id or "",
            response_id=row.response_id,
            item_id=row.item_id,
            output_index=row.output_index or 0,
            content_index=row.content_index or 0,
            delta=payload(references["/delta"]),
        )
    whole = _decode_whole(text)
    if whole.event is UNSET:
        malformed = whole.malformed or {}
        return ev.Malformed(message=str(malformed.get("message", "")), data=malformed.get("data"))
    for pointer, reference in references.items():
        put_audio(whole.event, pointer, payload(reference))
    return _read(line.direction, row.type, _encode(whole.event))


def _read(direction: str, kind: str, message: bytes) -> Any:
    if direction == "sent":
        return ev.decode_client(message)
    known = local_events().get(kind) if direction == "local" else None
    if known is None:
        return ev.decode_server(message)
    try:
        return msgspec.json.decode(message, type=known)
    except msgspec.MsgspecError as error:
        return ev.Malformed(message=f"{kind}: {error}", data=msgspec.json.decode(message))


@cache
def local_events() -> dict[str, type[Struct]]:
    """Return the local events by their types."""
    return {
        field.default: kind
        for kind in vars(local).values()
        if isinstance(kind, type) and issubclass(kind, Struct) and kind is not Struct
        for field in msgspec.structs.fields(kind)
        if field.name == "type" and isinstance(field.default, str)
    }
