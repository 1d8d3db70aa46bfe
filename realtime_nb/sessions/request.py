"""The pieces of a question: checked, and as the two APIs take them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import AudioError
from ..media.clip import WIRE_SAMPLE_RATE, AudioClip, check_is_clip, is_sound_file
from ..media.picture import Picture, is_picture
from ..numeric import np
from ..protocol.items import Content as ItemContent
from ..protocol.items import Item

#: Parts of a question: words, speech, and pictures.
Content = str | AudioClip | Picture
#: The API refuses to commit less.
_LEAST_CLIP_MS = 100


def checked_content(content: tuple[Any, ...]) -> tuple[Content, ...]:
    """Return the pieces of a question, with pictures in the form in which they are sent.

    Raises `TypeError` if there is nothing, or a piece is neither words, an `AudioClip` nor a picture; `AudioError` if a
    clip cannot be a spoken turn; `PictureError` if a picture cannot be read, or is not one.
    """
    if not content:
        raise TypeError("ask() needs something to ask: words, an AudioClip or a picture")
    return tuple(_checked_piece(piece) for piece in content)


def _checked_piece(piece: Any) -> Content:
    if isinstance(piece, AudioClip):
        check_clip(piece)
        return piece
    if isinstance(piece, str | Path) and _names_sound(piece):
        check_is_clip(piece)  # As words, a file's name would be answered like a question.
    if isinstance(piece, str):
        return piece
    if isinstance(piece, np.ndarray) and (piece.ndim == 1 or min(piece.shape[:2], default=0) in (1, 2)):
        mixed = "" if piece.ndim == 1 else ", after averaging its channels"
        raise TypeError(
            f"an array of shape {piece.shape} is not a picture: give AudioClip(array, sample_rate) for sound{mixed}"
        )
    if is_picture(piece):
        # Now, in this thread: matplotlib allows only one, and an array may change.
        return Picture.of(piece)
    raise TypeError(
        f"cannot ask with {type(piece).__name__}: give words (str), sound as AudioClip(samples, sample_rate) or "
        "AudioClip.from_bytes(data), or a picture: a Picture, a PIL image, an array, a pathlib.Path or a matplotlib "
        "figure"
    )


def _names_sound(piece: str | Path) -> bool:
    """Return whether a text is the name of an existing sound file."""
    try:
        return is_sound_file(Path(piece))
    except (OSError, ValueError):
        return False  # Words can be longer than any path, and hold characters that no path may.


def check_clip(clip: AudioClip) -> None:
    """Raise `AudioError` for a clip that cannot be a spoken turn: too short for the API, or silent throughout."""
    check_is_clip(clip)
    if clip.duration_s * 1000 < _LEAST_CLIP_MS:
        length_ms = round(clip.duration_s * 1000)
        raise AudioError(
            f"the clip is {length_ms} ms long: record or load more, as the API takes {_LEAST_CLIP_MS} ms or more"
        )
    if clip.peak == 0.0:
        raise AudioError("the clip is silent from end to end: check the file, or run realtime_nb.doctor()")


# --- As the APIs take them: parts of an item, and parts of a message --------------------------------------------------


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
