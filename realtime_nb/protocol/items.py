"""The objects that events carry: items, their content, responses.

Absent fields are `msgspec.UNSET`, so encoding gives back exactly what was there; fields that the API adds later are
ignored.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

#: Metadata key under which a response says which request it answers.
REQUEST = "request"


class Content(Struct, frozen=True, kw_only=True):
    """One part of a message: ``input_text``, ``input_audio``, ``input_image``, ``output_text`` or ``output_audio``.

    Inside ``response.content_part.*`` events the types are ``text`` and ``audio``.
    """

    type: str
    text: str | UnsetType | None = UNSET
    audio: bytes | UnsetType | None = UNSET
    transcript: str | UnsetType | None = UNSET
    image_url: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET

    @property
    def words(self) -> str:
        """The text or, for audio, its transcript; empty if the server gave none."""
        for value in (self.text, self.transcript):
            if isinstance(value, str) and value:
                return value
        return ""


class Item(Struct, frozen=True, kw_only=True):
    """One entry of a conversation: a message, a function call or its output, or what an MCP server did or asks."""

    type: str
    id: str | UnsetType = UNSET
    status: str | UnsetType | None = UNSET
    role: str | UnsetType | None = UNSET
    content: list[Content] | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    call_id: str | UnsetType | None = UNSET
    arguments: str | UnsetType | None = UNSET
    output: str | UnsetType | None = UNSET
    phase: str | UnsetType | None = UNSET
    server_label: str | UnsetType | None = UNSET
    approval_request_id: str | UnsetType | None = UNSET
    approve: bool | UnsetType | None = UNSET
    reason: str | UnsetType | None = UNSET
    error: Any = UNSET
    tools: Any = UNSET

    @property
    def is_spoken(self) -> bool:
        """True if the model says it aloud."""
        return self.role == "assistant" and any("audio" in part.type for part in self.content or ())


class StatusDetails(Struct, frozen=True, kw_only=True):
    """Why a response did not complete: ``reason`` for cancelled and incomplete ones, ``error`` for failed ones."""

    type: str = ""
    reason: str | UnsetType | None = UNSET
    error: dict[str, Any] | UnsetType | None = UNSET


class Response(Struct, frozen=True, kw_only=True):
    """A response as the server describes it; ``usage`` is null until it is done."""

    id: str
    object: str = "realtime.response"
    status: str | None = None
    status_details: StatusDetails | None = None
    output: list[Item] = []
    conversation_id: str | UnsetType | None = UNSET
    output_modalities: list[str] | UnsetType = UNSET
    max_output_tokens: int | str | UnsetType | None = UNSET
    audio: dict[str, Any] | UnsetType | None = UNSET
    output_audio_format: str | UnsetType | None = UNSET
    """The beta dialect's field for the audio format."""
    usage: dict[str, Any] | None = None
    metadata: dict[str, Any] | UnsetType | None = UNSET
    parts: Any = UNSET
    """The local server's own field: which parts heard, spoke and found the end of the turn; see `answered_by`."""


class ResponseOptions(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The settings that ``response.create`` may override for one response."""

    audio: dict[str, Any] | UnsetType = UNSET
    conversation: str | UnsetType = UNSET
    input: list[dict[str, Any]] | UnsetType = UNSET
    instructions: str | UnsetType = UNSET
    max_output_tokens: int | str | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    output_modalities: list[str] | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET
    reasoning: dict[str, Any] | UnsetType = UNSET
    tools: list[dict[str, Any]] | UnsetType = UNSET
    tool_choice: str | dict[str, Any] | UnsetType = UNSET


class ErrorDetail(Struct, frozen=True, kw_only=True):
    """The API's description of an error; ``event_id`` names the client event that it answers."""

    type: str | None = "error"
    message: str | None = ""
    code: str | int | None = None
    param: str | None = None
    event_id: str | None = None
    error: Any = UNSET
    """The description itself, if a server wraps it twice; `realtime_nb.protocol.reader` unwraps it."""


class RateLimit(Struct, frozen=True, kw_only=True):
    """One row of ``rate_limits.updated``."""

    name: str
    limit: int | float | None = None
    remaining: int | float | None = None
    reset_seconds: float | None = None
