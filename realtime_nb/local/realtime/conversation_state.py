"""The conversation as the server holds it: items in order, with their words, and with the sound that is kept."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET, UnsetType

from ...errors import PictureError
from ...media.clip import WIRE_SAMPLE_RATE, AudioClip
from ...media.picture import DETAILS, Picture
from ...protocol.items import Content, Item
from ..api_errors import ApiError, invalid_value, missing_parameter

#: Sound and pictures kept per session; the oldest go first. Text stays.
KEPT_BYTES = 4_000_000
MAX_ITEMS = 2_000
MAX_TEXT = 1_000_000
PCM_BYTES_PER_MS = WIRE_SAMPLE_RATE * 2 // 1000
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_CONTENT_TYPES = {
    "system": ("input_text",),
    "user": ("input_text", "input_audio", "input_image"),
    "assistant": ("output_text",),
}


def new_id(kind: str) -> str:
    """Return an id in the API's shape, e.g. ``item_…`` for the kind ``"item"``."""
    return f"{kind}_{secrets.token_hex(11)}"


@dataclass
class MessagePart:
    """One part of a message."""

    type: str
    text: str = ""
    """The text; for sound, the words that a client may see."""
    heard: str | None = None
    """The recogniser's words for a person's sound; `None` until it was asked."""
    confidence: float | None = None
    """How sure the recogniser is of them, 0.0 to 1.0; `None` if it does not say."""
    ears: str = ""
    """Which part recognised it."""
    end_of_turn: str = ""
    """Which part found its end; empty if a client did."""
    transcribed: bool = False
    """True if clients get the words of a person's sound."""
    pcm: bytes | bytearray = b""
    """PCM16 at `sample_rate`; empty if it was dropped to save memory."""
    sample_rate: int = WIRE_SAMPLE_RATE
    duration_ms: float = 0.0
    words: list[tuple[int, float]] = field(default_factory=list)
    """For a voice's sound: (index into the text, ms from its start) of each word."""
    spoken: int = 0
    """How much of the text is covered by the sound of whole sentences; words arrive before their sound."""
    image_url: str = ""
    detail: str | None = None
    image_tokens: int = 0
    """How many tokens a picture counts as, even if it was dropped."""

    @property
    def said(self) -> str:
        """The words, whether or not clients may see them."""
        return self.heard or "" if self.type == "input_audio" and not self.text else self.text

    def content(self, *, with_audio: bool = False) -> Content:
        """Return the part as an item carries it."""
        if self.type.endswith("_text"):
            return Content(type=self.type, text=self.text)
        if self.type == "input_image":
            return Content(type=self.type, image_url=self.image_url, detail=self.detail or "auto")
        audio: bytes | UnsetType = UNSET
        if with_audio and self.pcm:
            audio = AudioClip.from_pcm16(bytes(self.pcm), self.sample_rate).to_pcm16(WIRE_SAMPLE_RATE)
        shown = self.text if self.text or self.transcribed or self.type == "output_audio" else None
        return Content(type=self.type, transcript=shown, audio=audio)


@dataclass
class ItemState:
    """One item of the conversation."""

    id: str
    type: str
    status: str = "completed"
    role: str = ""
    parts: list[MessagePart] = field(default_factory=list)
    name: str = ""
    call_id: str = ""
    arguments: str = ""
    output: str = ""
    is_silence: bool = False
    """True if it is an empty turn: the person said nothing until the idle timeout."""
    revision: int = 0
    """Increases when the item changes after it was read, so that a cached context with it no longer matches."""

    def item(self, *, with_audio: bool = False) -> Item:
        """Return the item as events carry it."""
        shared: dict[str, Any] = {"id": self.id, "type": self.type, "status": self.status}
        if self.type == "function_call":
            return Item(**shared, name=self.name, call_id=self.call_id, arguments=self.arguments)
        if self.type == "function_call_output":
            return Item(**shared, call_id=self.call_id, output=self.output)
        return Item(**shared, role=self.role, content=[part.content(with_audio=with_audio) for part in self.parts])

    @property
    def said(self) -> str:
        """All words of a message."""
        return " ".join(part.said for part in self.parts if part.said)

    @property
    def confidence(self) -> float | None:
        """How sure the recogniser is of the least sure part that it heard; `None` if it does not say."""
        return min((part.confidence for part in self.parts if part.confidence is not None), default=None)


class ConversationState:
    """Items in order, found by id."""

    def __init__(self) -> None:
        self.id = new_id("conv")
        self._entries: list[ItemState] = []

    def __iter__(self) -> Iterator[ItemState]:
        return iter(self._entries)

    def find(self, item_id: str) -> ItemState | None:
        """Return the item, or `None` if it does not exist."""
        return next((entry for entry in reversed(self._entries) if entry.id == item_id), None)

    def add(self, entry: ItemState, previous_item_id: str | None = None) -> str | None:
        """Put an item after `previous_item_id` ("root": first; `None`: last).

        Raises `ApiError` if the id is taken, or the previous item does not exist.
        """
        if self.find(entry.id):
            raise invalid_value("item.id", f"an item with the id '{entry.id}' already exists")
        at = len(self._entries)
        if previous_item_id == "root":
            at = 0
        elif previous_item_id is not None:
            previous = self._known(previous_item_id, "create", "previous_item_id")
            at = self._entries.index(previous) + 1
        self._entries.insert(at, entry)
        self.let_go()
        return self._entries[at - 1].id if at else None

    def remove(self, item_id: str) -> None:
        """Remove an item; raises `ApiError` if it does not exist."""
        self._entries.remove(self._known(item_id, "delete", "item_id"))

    def retrieve(self, item_id: str) -> Item:
        """Return an item with its sound; raises `ApiError` if it does not exist."""
        return self._known(item_id, "retrieve", "item_id").item(with_audio=True)

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Cut a voice's answer, both sound and words, to the part that was heard.

        Raises `ApiError` if there is no such sound, or it is already shorter.
        """
        entry = self._known(item_id, "truncate", "item_id")
        if entry.role != "assistant" or not any(part.type == "output_audio" for part in entry.parts):
            raise ApiError("Only model output audio messages can be truncated", param="item_id")
        if not 0 <= content_index < len(entry.parts) or entry.parts[content_index].type != "output_audio":
            raise invalid_value("content_index", f"the item has no audio content at index {content_index}")
        part = entry.parts[content_index]
        if audio_end_ms < 0:
            raise invalid_value("audio_end_ms", "must not be negative")
        if audio_end_ms > part.duration_ms:
            raise ApiError(
                f"Audio content of {part.duration_ms:.0f}ms is already shorter than {audio_end_ms}ms",
                code="invalid_value",
                param="audio_end_ms",
            )
        part.text = part.text[: _heard_until(part, audio_end_ms)].rstrip()
        part.words = [word for word in part.words if word[1] < audio_end_ms]
        part.pcm = part.pcm[: audio_end_ms * part.sample_rate // 500 // 2 * 2]
        part.duration_ms = audio_end_ms
        entry.revision += 1

    def _known(self, item_id: str, verb: str, param: str) -> ItemState:
        entry = self.find(item_id)
        if entry is None:
            verbs = {"create": "creating", "delete": "deleting", "retrieve": "retrieving", "truncate": "truncating"}
            raise ApiError(
                f"Error {verbs[verb]} item: the item with id '{item_id}' does not exist.",
                code=f"item_{verb}_invalid_{param}",
                param=param,
            )
        return entry

    def let_go(self) -> None:
        """Forget the oldest sound, pictures and items if they are more than a session may keep."""
        del self._entries[: max(0, len(self._entries) - MAX_ITEMS)]
        parts = [part for entry in self._entries for part in entry.parts if part.pcm or part.image_url]
        kept = sum(len(part.pcm) + len(part.image_url) for part in parts)
        for part in parts:
            if kept <= KEPT_BYTES:
                return
            kept -= len(part.pcm) + len(part.image_url)
            part.pcm, part.image_url = b"", ""


def _heard_until(part: MessagePart, audio_end_ms: float) -> int:
    """Return how much of a voice's text it had begun to speak at a time."""
    unheard = [index for index, start_ms in part.words if start_ms >= audio_end_ms]
    if unheard:
        return min(unheard)
    if len(part.words) == 0:
        return part.spoken
    # The sound ends within a sentence whose last words have no time yet.
    last = max(index for index, _ in part.words)
    end = re.compile(r"\S*").match(part.text, last)
    return max(part.spoken, end.end() if end else last)


def entry_of(item: Item, *, path: str = "item", decode_audio: Any = bytes) -> ItemState:
    """Make an entry from an item that a client sent.

    Raises `ApiError` if the API would not take the item.
    """
    item_id = item.id if isinstance(item.id, str) else new_id("item")
    if not _ID.fullmatch(item_id):
        raise invalid_value(f"{path}.id", "ids are up to 64 letters, digits, '_' or '-'")
    entry = ItemState(id=item_id, type=item.type)
    if item.type == "message":
        _fill_message(entry, item, path, decode_audio)
    elif item.type == "function_call":
        entry.name = _required(item.name, f"{path}.name")
        entry.arguments = _required(item.arguments, f"{path}.arguments")
        entry.call_id = item.call_id if isinstance(item.call_id, str) else new_id("call")
    elif item.type == "function_call_output":
        entry.call_id = _required(item.call_id, f"{path}.call_id")
        entry.output = _required(item.output, f"{path}.output")
    else:
        raise invalid_value(f"{path}.type", f"'{item.type}' is not one of {_quoted(_ITEM_TYPES)}")
    if len(entry.call_id) > 32:
        raise invalid_value(f"{path}.call_id", "call ids have at most 32 characters")
    return entry


_ITEM_TYPES = ("message", "function_call", "function_call_output")


def _fill_message(entry: ItemState, item: Item, path: str, decode_audio: Any) -> None:
    entry.role = _required(item.role, f"{path}.role")
    if entry.role not in _CONTENT_TYPES:
        raise invalid_value(f"{path}.role", f"'{entry.role}' is not one of {_quoted(_CONTENT_TYPES)}")
    if not isinstance(item.content, list):
        raise missing_parameter(f"{path}.content")
    for index, content in enumerate(item.content):
        at = f"{path}.content[{index}]"
        if entry.role == "assistant" and content.type == "output_audio":
            raise missing_parameter(f"{at}.text")  # the API takes an assistant's words only as text
        if content.type not in _CONTENT_TYPES[entry.role]:
            known = _quoted(_CONTENT_TYPES[entry.role])
            raise invalid_value(f"{at}.type", f"'{content.type}' is not one of {known}")
        entry.parts.append(_part_of(content, at, decode_audio))


def _part_of(content: Content, at: str, decode_audio: Any) -> MessagePart:
    if content.type == "input_image":
        detail = content.detail if isinstance(content.detail, str) else None
        return picture_part(_required(content.image_url, f"{at}.image_url"), detail, f"{at}.image_url")
    if content.type != "input_audio":
        return MessagePart(content.type, text=_required(content.text, f"{at}.text"))
    if not isinstance(content.audio, bytes):
        raise missing_parameter(f"{at}.audio")
    pcm = decode_audio(content.audio)
    text = content.transcript if isinstance(content.transcript, str) else ""
    return MessagePart(content.type, text=text, pcm=pcm, duration_ms=len(pcm) / PCM_BYTES_PER_MS)


def picture_part(url: str, detail: str | None, at: str) -> MessagePart:
    """Make a part from a picture in a data URL; raises `ApiError` if it does not hold one."""
    if detail not in (None, *DETAILS):
        raise invalid_value(at.replace("image_url", "detail"), f"'{detail}' is not one of {_quoted(DETAILS)}")
    try:
        picture = Picture.from_url(url, detail=detail or "auto")
    except PictureError as error:
        raise ApiError(
            f"Invalid '{at}': {error}. This server takes pictures as base64 data URLs and fetches none.",
            code="invalid_image_url",
            param=at,
        ) from None
    return MessagePart("input_image", image_url=url, detail=detail, image_tokens=picture.tokens)


def _required(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise missing_parameter(path)
    if len(value) > MAX_TEXT and not path.endswith("image_url"):
        raise invalid_value(path, f"at most {MAX_TEXT} characters are taken, but there are {len(value)}")
    return value


def _quoted(names: Any) -> str:
    return ", ".join(f"'{name}'" for name in names)
