"""A question's pieces as the two APIs take them: parts of an item, and parts of a message."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from typing import Any

from ..audio import WIRE_SAMPLE_RATE
from ..pictures import Picture
from ..wire.items import Content as ItemContent
from ..wire.items import Item
from .base import Content


def message_item(pieces: Sequence[Content]) -> Item:
    """Return what a person says as an item of a name of our own, so that its pictures are known by what was sent."""
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
