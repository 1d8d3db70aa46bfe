"""A conversation as items for another session: how each turn is sent, and what a caller may pass as history.

Source: Realtime API, ``conversation.item.create``. A client can create the person's words, sound and pictures, the
model's words, function calls and their outputs, but not the model's sound or what MCP servers did.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import SettingsError
from ..media.clip import AudioClip
from ..protocol.items import Content, Item
from .conversation import Conversation
from .records import Part, Turn

_ROLES = ("user", "assistant", "system")
_WHAT = 'messages such as {"role": "user", "content": "Hello"}, pairs of role and words, a Conversation or a Recording'


def new_item_id() -> str:
    """Return an id for an item of our own; the API takes up to 32 characters."""
    return f"item_{secrets.token_hex(11)}"


def items_of(
    turns: Iterable[Turn], *, with_sound: bool, encode: Callable[[AudioClip], bytes] = AudioClip.to_pcm16
) -> list[Item]:
    """Return turns as items to create, with the same ids; turns without content are left out.

    `with_sound`: whether to send the person's sound, if it was kept; otherwise their words replace it, if they are
    known, which costs less. `encode`: converts a clip to the session's input format; by default to PCM16 at the clip's
    own rate.
    """
    told = [item for turn in turns if (item := _item_of(turn, with_sound, encode)) is not None]
    called = {item.call_id for item in told if item.type == "function_call"}
    answered = {item.call_id for item in told if item.type == "function_call_output"}
    # The API takes no output without its call, and would wait for the output of a call without one.
    whole = called & answered
    return [item for item in told if item.type == "message" or item.call_id in whole]


def _item_of(turn: Turn, with_sound: bool, encode: Callable[[AudioClip], bytes]) -> Item | None:
    if turn.flagged or turn.deleted:
        return None  # What the model was made to forget is not sent again.
    if turn.kind == "function_call":
        arguments = turn.arguments or "{}"
        return Item(id=turn.item_id, type=turn.kind, name=turn.name, call_id=turn.call_id, arguments=arguments)
    if turn.kind == "function_call_output":
        return Item(id=turn.item_id, type=turn.kind, call_id=turn.call_id, output=turn.output)
    if turn.kind != "message" or turn.role not in _ROLES:
        return None
    if turn.role == "assistant":
        # The model knows what was heard, as after a truncation.
        content = [Content(type="output_text", text=turn.heard_text)] if turn.heard_text else []
    else:
        parts = (turn.parts[index] for index in sorted(turn.parts))
        content = [told for part in parts if (told := _content_of(part, with_sound, encode)) is not None]
    return Item(id=turn.item_id, type="message", role=turn.role, content=content) if content else None


def _content_of(part: Part, with_sound: bool, encode: Callable[[AudioClip], bytes]) -> Content | None:
    if part.kind == "image":
        return Content(type="input_image", image_url=part.image_url, detail=part.detail) if part.image_url else None
    words = part.text.strip()
    clip = part.clip if part.kind == "audio" and (with_sound or not words) else None
    if clip is not None:
        return Content(type="input_audio", audio=encode(clip), transcript=words or None)
    return Content(type="input_text", text=words) if words else None


@dataclass(frozen=True)
class History:
    """The items with which a session begins."""

    items: tuple[Item, ...] = ()

    @classmethod
    def of(cls, given: Any) -> History:
        """Read a caller's history: `None`, messages, pairs, a `Conversation`, or an object that has one.

        Raises `SettingsError` if it is none of these.
        """
        if given is None:
            return cls()
        conversation = given if isinstance(given, Conversation) else getattr(given, "conversation", None)
        if isinstance(conversation, Conversation):
            items = items_of(conversation.turns, with_sound=True, encode=_wire_pcm)
            return cls(tuple(_renamed(items)))
        if isinstance(given, str | bytes | dict) or not isinstance(given, Iterable):
            raise SettingsError(f"history={type(given).__name__} cannot be read: give {_WHAT}")
        return cls(tuple(_message(each) for each in given))


def _wire_pcm(clip: AudioClip) -> bytes:
    return clip.resample(24_000).to_pcm16()


def _renamed(items: Sequence[Item]) -> Iterable[Item]:
    # Ids from another session may be used by later items of this one.
    for item in items:
        fields = {name: getattr(item, name) for name in item.__struct_fields__}
        yield Item(**fields | {"id": new_item_id()})


def _message(given: Any) -> Item:
    if isinstance(given, dict) and {"role", "content"} <= given.keys():
        role, content = given["role"], given["content"]
    elif isinstance(given, tuple | list) and len(given) == 2:
        role, content = given
    else:
        raise SettingsError(f"history cannot be read at {given!r:.80}: give {_WHAT}")
    if role not in _ROLES:
        raise SettingsError(f"history: role={role!r} is not one of {', '.join(_ROLES)}")
    pieces = [content] if isinstance(content, str | AudioClip) else content
    if not isinstance(pieces, list | tuple):
        raise SettingsError(
            f"history: content of type {type(content).__name__} is not a str, an AudioClip or a list of these"
        )
    return Item(
        id=new_item_id(),
        type="message",
        status="completed",
        role=role,
        content=[_content(role, piece) for piece in pieces],
    )


def _content(role: str, piece: Any) -> Content:
    kind = "output_text" if role == "assistant" else "input_text"
    if isinstance(piece, dict) and isinstance(piece.get("text"), str):
        piece = piece["text"]  # A part, as in the APIs: {"type": "text", "text": …}.
    if isinstance(piece, str):
        return Content(type=kind, text=piece)
    if isinstance(piece, AudioClip) and role == "user":
        return Content(type="input_audio", audio=_wire_pcm(piece), transcript=None)
    url = piece.get("image_url") if isinstance(piece, dict) else None
    url = url.get("url") if isinstance(url, dict) else url
    if isinstance(url, str) and role == "user":
        return Content(type="input_image", image_url=url)
    raise SettingsError(
        f"history: {role} content of type {type(piece).__name__} is not a str, an AudioClip or an image"
    )
