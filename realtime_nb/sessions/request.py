"""A question's pieces as the two APIs take them: parts of an item, and parts of a message."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from typing import Any

from ..media.clip import WIRE_SAMPLE_RATE, AudioClip
from ..media.picture import Picture
from ..protocol.items import Content as ItemContent
from ..protocol.items import Item
from .session import Content


def message_item(pieces: Sequence[Content]) -> Item:
    """Return the person's content as an item with an id of ours, so that the record finds the pictures it sent."""
    return Item(
        id=f"item_{secrets.token_hex(11)}",
        type="message",
        role="user",
        content=[item_content(piece) for piece in pieces],
    )


def item_content(piece: Content) -> ItemContent:
    """Return a piece as the Realtime API takes it; speech as PCM16 at 24 kHz."""
    if isinstance(piece, str):
        return ItemContent(type="input_text", text=piece)
    if isinstance(piece, Picture):
        return ItemContent(type="input_image", image_url=piece.url, detail=piece.detail)
    return ItemContent(type="input_audio", audio=piece.to_pcm16(WIRE_SAMPLE_RATE), transcript=None)


def message_part(piece: Content) -> dict[str, Any]:
    """Return a piece as Chat Completions takes it; speech as a WAV file."""
    if isinstance(piece, str):
        return {"type": "text", "text": piece}
    if isinstance(piece, Picture):
        return {"type": "image_url", "image_url": {"url": piece.url, "detail": piece.detail}}
    data = base64.b64encode(piece.encode("wav")).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def messages_of(items: Sequence[Item]) -> list[dict[str, Any]]:
    """Return items, whose sound is PCM16, as messages of Chat Completions; calls go with the words before them."""
    messages: list[dict[str, Any]] = []
    for item in items:
        if item.type == "function_call_output":
            messages.append({"role": "tool", "tool_call_id": item.call_id, "content": item.output})
        elif item.type == "function_call":
            if not messages or messages[-1]["role"] != "assistant":
                messages.append({"role": "assistant", "content": None})
            function = {"name": item.name, "arguments": item.arguments}
            call = {"id": item.call_id, "type": "function", "function": function}
            messages[-1].setdefault("tool_calls", []).append(call)
        else:
            parts = [_told(part) for part in item.content or ()]
            if item.role != "user" or all(part["type"] == "text" for part in parts):
                messages.append({"role": item.role, "content": "\n".join(part["text"] for part in parts)})
            else:
                messages.append({"role": "user", "content": parts})
    return messages


def _told(part: ItemContent) -> dict[str, Any]:
    if part.type == "input_image":
        image = {"url": part.image_url} | ({"detail": part.detail} if part.detail else {})
        return {"type": "image_url", "image_url": image}
    if part.type == "input_audio" and isinstance(part.audio, bytes):
        return message_part(AudioClip.from_pcm16(part.audio))
    return {"type": "text", "text": part.words}
