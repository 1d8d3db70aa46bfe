"""The events of the Realtime protocol, GA dialect, as typed records.

There is one class for each event type, named after it: ``response.output_audio.delta`` is `ResponseOutputAudioDelta`.
Audio is `bytes` here and base64 on the wire. Event types that this package does not know pass through as `Unknown`.
Events with faults are repaired as far as possible, see `realtime_nb.protocol.mending`; messages that cannot be read at
all become `Malformed`. Source: Realtime API reference, client and server events.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from .beta import modern_type
from .items import Content, ErrorDetail, Item, RateLimit, Response, ResponseOptions
from .local_events import Remarked
from .mending import Mender, is_deep, parse, well_formed

#: An index in an output or a message; the API counts from 0, and no answer has more parts than this.
Index = Annotated[int, Meta(ge=0, le=100_000)]
#: A position in a session's audio; no session lasts a year.
Milliseconds = Annotated[int, Meta(ge=0, le=31_536_000_000)]


class Event(Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all events."""

    @property
    def type(self) -> str:
        """The event's type on the wire, e.g. ``"response.done"``."""
        tag = self.__struct_config__.tag
        assert isinstance(tag, str)
        return tag


class Unknown(Struct, frozen=True, kw_only=True):
    """An event of a type that this package does not know, passed on unchanged."""

    type: str
    data: dict[str, Any]


class Malformed(Struct, frozen=True, kw_only=True):
    """A message that is not an event: not JSON, without a type, or with missing or wrong fields."""

    message: str
    data: Any = None
    type: str = "malformed"


# --- what the client sends ------------------------------------------------------------------------------------------


class ClientEvent(Event, kw_only=True, frozen=True, omit_defaults=True):
    """Base of client events; an error that answers one names its ``event_id``."""

    event_id: str | UnsetType = UNSET


class SessionUpdate(ClientEvent, tag="session.update", kw_only=True, frozen=True):
    """Change session settings; only the given keys change."""

    session: dict[str, Any]


class InputAudioBufferAppend(ClientEvent, tag="input_audio_buffer.append", kw_only=True, frozen=True, gc=False):
    """More audio, in the session's input format."""

    audio: bytes


class InputAudioBufferCommit(ClientEvent, tag="input_audio_buffer.commit", kw_only=True, frozen=True):
    """Turn the buffered audio into a user item."""


class InputAudioBufferClear(ClientEvent, tag="input_audio_buffer.clear", kw_only=True, frozen=True):
    """Forget the buffered audio."""


class ConversationItemCreate(ClientEvent, tag="conversation.item.create", kw_only=True, frozen=True):
    """Add an item after ``previous_item_id`` ("root": first; absent: last)."""

    item: Item
    previous_item_id: str | UnsetType = UNSET


class ConversationItemTruncate(ClientEvent, tag="conversation.item.truncate", kw_only=True, frozen=True):
    """Tell the server how much of an answer was heard."""

    item_id: str
    content_index: int
    audio_end_ms: int


class ConversationItemDelete(ClientEvent, tag="conversation.item.delete", kw_only=True, frozen=True):
    """Remove an item from the conversation."""

    item_id: str


class ConversationItemRetrieve(ClientEvent, tag="conversation.item.retrieve", kw_only=True, frozen=True):
    """Ask for an item as the server holds it."""

    item_id: str


class ResponseCreate(ClientEvent, tag="response.create", kw_only=True, frozen=True):
    """Ask for a response."""

    response: ResponseOptions | UnsetType = UNSET


class ResponseCancel(ClientEvent, tag="response.cancel", kw_only=True, frozen=True):
    """Stop a response; without an id, the one that is active."""

    response_id: str | UnsetType = UNSET


# --- what the server sends ------------------------------------------------------------------------------------------


class ServerEvent(Event, kw_only=True, frozen=True):
    """Base of server events."""

    event_id: str = ""


class _SessionEvent(ServerEvent, kw_only=True, frozen=True):
    session: dict[str, Any]


class SessionCreated(_SessionEvent, tag="session.created", kw_only=True, frozen=True):
    """The session is open; ``session`` holds every setting in force."""


class SessionUpdated(_SessionEvent, tag="session.updated", kw_only=True, frozen=True):
    """Settings have changed; ``session`` holds all of them."""


class Error(ServerEvent, tag="error", kw_only=True, frozen=True):
    """The server refused an event, or failed; the session goes on unless it is closed."""

    error: ErrorDetail
    message: str | UnsetType | None = UNSET
    """Where some servers put the message; `realtime_nb.protocol.reader` moves it into ``error``."""


class _ItemEvent(ServerEvent, kw_only=True, frozen=True):
    item: Item
    previous_item_id: str | UnsetType | None = UNSET


class ConversationItemAdded(_ItemEvent, tag="conversation.item.added", kw_only=True, frozen=True):
    """An item has its place in the conversation; its content may still grow."""


class ConversationItemDone(_ItemEvent, tag="conversation.item.done", kw_only=True, frozen=True):
    """An item is complete."""


class ConversationItemRetrieved(_ItemEvent, tag="conversation.item.retrieved", kw_only=True, frozen=True):
    """An item as the server holds it."""


class ConversationItemDeleted(ServerEvent, tag="conversation.item.deleted", kw_only=True, frozen=True):
    """An item is gone."""

    item_id: str


class ConversationItemTruncated(ServerEvent, tag="conversation.item.truncated", kw_only=True, frozen=True):
    """An answer was truncated to what was heard."""

    item_id: str
    content_index: Index = 0
    audio_end_ms: Milliseconds = 0


class _Transcription(ServerEvent, kw_only=True, frozen=True):
    item_id: str
    content_index: Index = 0


class ConversationItemInputAudioTranscriptionDelta(
    _Transcription, tag="conversation.item.input_audio_transcription.delta", kw_only=True, frozen=True
):
    """More words of what the person said."""

    delta: str = ""
    logprobs: list[dict[str, Any]] | None = None


class ConversationItemInputAudioTranscriptionCompleted(
    _Transcription, tag="conversation.item.input_audio_transcription.completed", kw_only=True, frozen=True
):
    """All words of what the person said; may come at any time after the commit.

    ``logprobs``: token, bytes and logprob of each token, where the session's ``include`` asked for them.
    """

    transcript: str | None = None
    logprobs: list[dict[str, Any]] | None = None
    usage: dict[str, Any] | None = None


class ConversationItemInputAudioTranscriptionSegment(
    _Transcription, tag="conversation.item.input_audio_transcription.segment", kw_only=True, frozen=True
):
    """A segment by one speaker, with times in seconds, from models that tell speakers apart."""

    text: str
    id: str = ""
    speaker: str = ""
    start: float = 0.0
    end: float = 0.0


class ConversationItemInputAudioTranscriptionFailed(
    _Transcription, tag="conversation.item.input_audio_transcription.failed", kw_only=True, frozen=True
):
    """Transcription failed; the turn continues without the person's words."""

    error: ErrorDetail


class InputAudioBufferCommitted(ServerEvent, tag="input_audio_buffer.committed", kw_only=True, frozen=True):
    """The buffered audio has become the item ``item_id``."""

    item_id: str
    previous_item_id: str | None = None


class InputAudioBufferCleared(ServerEvent, tag="input_audio_buffer.cleared", kw_only=True, frozen=True):
    """The buffered audio is forgotten."""


class InputAudioBufferSpeechStarted(ServerEvent, tag="input_audio_buffer.speech_started", kw_only=True, frozen=True):
    """The person began to speak at ``audio_start_ms`` of all audio ever appended; the item will be ``item_id``."""

    audio_start_ms: Milliseconds | None = None
    item_id: str


class InputAudioBufferSpeechStopped(ServerEvent, tag="input_audio_buffer.speech_stopped", kw_only=True, frozen=True):
    """The turn ended at ``audio_end_ms``, including the silence that ended it."""

    audio_end_ms: Milliseconds | None = None
    item_id: str


class InputAudioBufferTimeoutTriggered(
    ServerEvent, tag="input_audio_buffer.timeout_triggered", kw_only=True, frozen=True
):
    """No one spoke for ``idle_timeout_ms``; the server takes the turn."""

    audio_start_ms: Milliseconds | None = None
    audio_end_ms: Milliseconds | None = None
    item_id: str


class _ResponseEvent(ServerEvent, kw_only=True, frozen=True):
    response: Response


class ResponseCreated(_ResponseEvent, tag="response.created", kw_only=True, frozen=True):
    """A response has begun."""


class ResponseDone(_ResponseEvent, tag="response.done", kw_only=True, frozen=True):
    """A response has ended: completed, cancelled, incomplete or failed; its ``usage`` counts the tokens."""

    usage: dict[str, Any] | UnsetType | None = UNSET
    """Where xAI puts the usage; `realtime_nb.protocol.reader` moves it into the response."""


class _OutputItem(ServerEvent, kw_only=True, frozen=True):
    response_id: str
    item: Item
    output_index: Index = 0


class ResponseOutputItemAdded(_OutputItem, tag="response.output_item.added", kw_only=True, frozen=True):
    """A response has begun an item."""


class ResponseOutputItemDone(_OutputItem, tag="response.output_item.done", kw_only=True, frozen=True):
    """A response has ended an item."""


class _OutputPart(ServerEvent, kw_only=True, frozen=True):
    response_id: str
    item_id: str
    output_index: Index = 0
    content_index: Index = 0


class ResponseContentPartAdded(_OutputPart, tag="response.content_part.added", kw_only=True, frozen=True):
    """A response has begun a part of an item."""

    part: Content


class ResponseContentPartDone(_OutputPart, tag="response.content_part.done", kw_only=True, frozen=True):
    """A response has ended a part of an item."""

    part: Content | None = None


class ResponseOutputTextDelta(_OutputPart, tag="response.output_text.delta", kw_only=True, frozen=True):
    """More text."""

    delta: str
    obfuscation: str | UnsetType = UNSET


class ResponseOutputTextDone(_OutputPart, tag="response.output_text.done", kw_only=True, frozen=True):
    """All text of a part."""

    text: str | None = None


class ResponseOutputAudioDelta(_OutputPart, tag="response.output_audio.delta", kw_only=True, frozen=True, gc=False):
    """More audio, in the session's output format."""

    delta: bytes


class ResponseOutputAudioDone(_OutputPart, tag="response.output_audio.done", kw_only=True, frozen=True):
    """All audio of a part has been sent."""


class ResponseOutputAudioTranscriptDelta(
    _OutputPart, tag="response.output_audio_transcript.delta", kw_only=True, frozen=True
):
    """More words of what the voice says; they arrive before the audio."""

    delta: str
    obfuscation: str | UnsetType = UNSET


class ResponseOutputAudioTranscriptDone(
    _OutputPart, tag="response.output_audio_transcript.done", kw_only=True, frozen=True
):
    """All words of a part."""

    transcript: str | None = None


class _FunctionCall(ServerEvent, kw_only=True, frozen=True):
    response_id: str
    item_id: str
    call_id: str = ""
    output_index: Index = 0


class ResponseFunctionCallArgumentsDelta(
    _FunctionCall, tag="response.function_call_arguments.delta", kw_only=True, frozen=True
):
    """More of a call's arguments, a piece of a JSON string."""

    delta: str
    obfuscation: str | UnsetType = UNSET


class ResponseFunctionCallArgumentsDone(
    _FunctionCall, tag="response.function_call_arguments.done", kw_only=True, frozen=True
):
    """All of a call's arguments, a JSON string."""

    arguments: str | None = None
    name: str = ""


class _McpListTools(ServerEvent, kw_only=True, frozen=True):
    item_id: str


class McpListToolsInProgress(_McpListTools, tag="mcp_list_tools.in_progress", kw_only=True, frozen=True):
    """The server asks an MCP server for its tools."""


class McpListToolsCompleted(_McpListTools, tag="mcp_list_tools.completed", kw_only=True, frozen=True):
    """The tools of an MCP server are known."""


class McpListToolsFailed(_McpListTools, tag="mcp_list_tools.failed", kw_only=True, frozen=True):
    """An MCP server did not tell its tools."""


class _McpCall(ServerEvent, kw_only=True, frozen=True):
    item_id: str
    output_index: Index = 0


class ResponseMcpCallInProgress(_McpCall, tag="response.mcp_call.in_progress", kw_only=True, frozen=True):
    """An MCP server runs a tool."""


class ResponseMcpCallCompleted(_McpCall, tag="response.mcp_call.completed", kw_only=True, frozen=True):
    """An MCP server has run a tool; the item holds what it returned."""


class ResponseMcpCallFailed(_McpCall, tag="response.mcp_call.failed", kw_only=True, frozen=True):
    """A tool of an MCP server failed; the item says why."""


class RateLimitsUpdated(ServerEvent, tag="rate_limits.updated", kw_only=True, frozen=True):
    """How much the account may still use."""

    rate_limits: list[RateLimit]


# --- reading and writing --------------------------------------------------------------------------------------------


def _leaves(base: type[Event]) -> list[type[Event]]:
    return [leaf for child in base.__subclasses__() for leaf in (_leaves(child) or [child])]


CLIENT_EVENTS: dict[str, type[Event]] = {str(event.__struct_config__.tag): event for event in _leaves(ClientEvent)}
SERVER_EVENTS: dict[str, type[Event]] = {str(event.__struct_config__.tag): event for event in _leaves(ServerEvent)}


def _union(events: dict[str, type[Event]]) -> Any:
    return reduce(or_, events.values())


_decode_client = msgspec.json.Decoder(_union(CLIENT_EVENTS)).decode
#: Read a server message that follows the protocol; raises one of `UNREADABLE` otherwise.
decode_quickly: Callable[[str | bytes], Event] = msgspec.json.Decoder(_union(SERVER_EVENTS)).decode
_encode = msgspec.json.Encoder().encode
# JSON that is nested a thousand levels deep is not an event, but must not end a session.
UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


def decode(message: str | bytes) -> tuple[Event | Unknown | Malformed, list[Remarked]]:
    """Read a server message, and say what was dropped or repaired; see `mended`."""
    try:
        event = decode_quickly(message)
    except UNREADABLE:
        return mended(message)
    return mended(message) if is_deep(message) else (event, [])


def decode_server(message: str | bytes) -> Event | Unknown | Malformed:
    """Read a server message; never raises on what a server sends."""
    try:
        return decode_quickly(message)
    except UNREADABLE:
        event, _ = mended(message)
        delta = getattr(event, "delta", None)
        return msgspec.structs.replace(event, delta=well_formed(delta)) if isinstance(delta, str) else event


def decode_client(message: str | bytes) -> Event | Unknown | Malformed:
    """Read a client message; never raises on what a client sends."""
    try:
        return _decode_client(message)  # type: ignore[no-any-return]
    except UNREADABLE as error:
        return _explain(message, CLIENT_EVENTS, error)


def _explain(message: str | bytes, known: dict[str, type[Event]], error: Exception) -> Unknown | Malformed:
    try:
        data = msgspec.json.decode(message)
    except UNREADABLE:
        return Malformed(message=f"not JSON: {error}")
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        return Malformed(message=_NO_EVENT, data=data)
    if data["type"] not in known:
        return Unknown(type=data["type"], data=data)
    return Malformed(message=f"{data['type']}: {error}", data=data)


_NO_EVENT = "an event is a JSON object with a 'type'"
#: Events that others wait for; they count even if only their type can be read.
_AWAITED = ("response.done", "response.created", "session.created", "session.updated", "error")
_TYPE = re.compile(r'"type"\s*:\s*"(%s)"' % "|".join(map(re.escape, _AWAITED)))  # noqa: UP031


def mended(message: str | bytes) -> tuple[Event | Unknown | Malformed, list[Remarked]]:
    """Read as much as possible of a message that `decode_quickly` refuses, and say what was dropped or repaired.

    Half a UTF-16 pair stays in a delta, because the next delta may have the other half.
    """
    odd: set[str] = set()
    try:
        data = parse(message, odd)
        return _read(data, odd)
    except (ValueError, RecursionError) as error:
        return _salvaged(message, error)


def _read(data: Any, odd: set[str]) -> tuple[Event | Unknown | Malformed, list[Remarked]]:
    kind = _type_of(data)
    mender = Mender(kind)
    if kind not in SERVER_EVENTS:
        data = mender.clean(data)
        if kind:
            return Unknown(type=kind, data=data), []
        return _malformed(_NO_EVENT, data)
    if not isinstance(data.get("type"), str):
        mender.remark("type", "its type was missing, and was guessed from its fields")
    for text in sorted(odd):
        mender.remark(text, text)
    event = mender.mended(SERVER_EVENTS[kind], _with_error(data) if kind == "error" else data)
    return event, mender.remarks


def _malformed(why: str, data: Any = None) -> tuple[Malformed, list[Remarked]]:
    return Malformed(message=why, data=data), [Remarked(text=f"a message was dropped: {why}", kind=why.split(":")[0])]


def _type_of(data: Any) -> str:
    """Return an event's type, guessed from its fields if need be; empty if it has none."""
    if not isinstance(data, dict):
        return ""
    if isinstance(data.get("type"), str):
        return well_formed(modern_type(data["type"]))
    if isinstance(response := data.get("response"), dict):
        return "response.created" if response.get("status") in ("in_progress", "queued") else "response.done"
    if isinstance(data.get("session"), dict):
        return "session.updated"
    return "error" if data.get("error") else ""


def _with_error(data: dict[str, Any]) -> dict[str, Any]:
    """Keep the words of an error that does not have the API's shape."""
    error = data.get("error")
    if error is None:
        error = {name: data[name] for name in ("message", "code", "param") if name in data}
    elif not isinstance(error, dict | str):
        error = {"message": f"the server sent an error that cannot be read: {json.dumps(error)[:200]}"}
    return data | {"error": error}


def _salvaged(message: str | bytes, error: Exception) -> tuple[Event | Malformed, list[Remarked]]:
    """Return an event that others wait for, even though only its type can be read."""
    why = "nested too deeply" if isinstance(error, RecursionError) else f"not JSON: {error}"
    text = message if isinstance(message, str) else bytes(message).decode("utf-8", "replace")
    found = _TYPE.search(text)
    if found is None:
        return _malformed(why)
    kind = found[1]
    mender = Mender(kind)
    mender.remark("", f"only the type of the message can be read ({why})")
    return Mender(kind).mended(SERVER_EVENTS[kind], {}), mender.remarks


def encode(event: Event | Unknown) -> str:
    """Encode an event as JSON for the wire."""
    return _encode(event.data if isinstance(event, Unknown) else event).decode()
