"""The messages of a Chat Completions request as items of a conversation, the form in which brains read them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..pictures import picture_tokens
from .api_errors import ApiError, invalid_type, invalid_value, unsupported_value
from .chat_audio_store import SpokenAnswer
from .conversation_state import Entry, Part, new_id, picture_part
from .encoding import decode_base64
from .json_fields import Fields
from .utterances import Recording

MOST_MESSAGES = 2048
ROLES = ("system", "developer", "user", "assistant", "tool")
_USER_PARTS = ("text", "input_audio", "image_url")
_SPEECH_FORMATS = ("wav", "mp3")


@dataclass
class Messages:
    """What the messages hold."""

    instructions: str = ""
    entries: list[Entry] = field(default_factory=list)
    recordings: list[tuple[Part, Recording]] = field(default_factory=list)
    """Sound whose words are to be recognised."""


def read_messages(fields: Fields, find: Callable[[str], SpokenAnswer | None]) -> Messages:
    """Read the messages of a request; takes up to seconds where there is sound in them.

    Parameters
    ----------
    fields : Fields
        The request.
    find : callable
        From an audio id to what was said under it.

    Raises
    ------
    ApiError
        In the API's words.
    """
    given = fields.array("messages")
    if not given:
        raise ApiError(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            code="empty_array",
            param="messages",
        )
    if len(given) > MOST_MESSAGES:
        raise ApiError(
            f"Invalid 'messages': array too long. Expected an array with maximum length {MOST_MESSAGES}, "
            f"but got an array with length {len(given)} instead.",
            code="array_above_max_length",
            param="messages",
        )
    reader = _Reader(find)
    for message in fields.objects("messages"):
        reader.read(message)
    reader.check_answered()
    reader.messages.instructions = "\n\n".join(filter(None, reader.instructions))
    return reader.messages


class _Reader:
    """Reads message by message."""

    def __init__(self, find: Callable[[str], SpokenAnswer | None]):
        self.messages = Messages()
        self.instructions: list[str] = []
        self._find = find
        self._unanswered: list[str] = []
        self._param = ""

    def read(self, message: Fields) -> None:
        """Add a message."""
        role = message.one_of("role", ROLES)
        if role != "tool":
            self.check_answered()
        if role in ("system", "developer"):
            self.instructions.append(_text(message))
        elif role == "user":
            self._add("user", self._user_parts(message))
        elif role == "assistant":
            self._read_assistant(message)
        else:
            self._read_result(message)

    def check_answered(self) -> None:
        """Raise `ApiError` if calls of a message were not answered by those that followed."""
        if self._unanswered:
            raise ApiError(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                "'tool_call_id'. The following tool_call_ids did not have response messages: "
                f"{', '.join(self._unanswered)}",
                param=self._param,
            )

    def _add(self, role: str, parts: list[Part]) -> None:
        self.messages.entries.append(Entry(new_id("item"), "message", role=role, parts=parts))

    def _user_parts(self, message: Fields) -> list[Part]:
        if not isinstance(message.data.get("content"), list):
            return [Part("input_text", _text(message))]
        return [self._user_part(part) for part in message.objects("content")]

    def _user_part(self, part: Fields) -> Part:
        kind = part.one_of("type", _USER_PARTS)
        if kind == "text":
            return Part("input_text", part.text("text"))
        if kind == "image_url":
            image = part.fields("image_url")
            url, detail = image.text("url"), image.text("detail", None)
            if url.startswith(("http://", "https://")):
                # Only a text model behind this server would fetch it; how large it is nobody here knows.
                return Part("input_image", image_url=url, detail=detail, image_tokens=picture_tokens(1, 1, "low"))
            return picture_part(url, detail, image.at("url"))
        sound = part.fields("input_audio")
        sound.one_of("format", _SPEECH_FORMATS)
        where = sound.at("data")
        recording = Recording.read(decode_base64(sound.text("data"), where), where)
        spoken = Part("input_audio", duration_ms=recording.duration_ms)
        self.messages.recordings.append((spoken, recording))
        return spoken

    def _read_assistant(self, message: Fields) -> None:
        if message.has("audio"):
            self._add("assistant", [self._spoken_part(message.fields("audio"))])
        elif message.has("content"):
            self._add("assistant", [Part("output_text", _text(message))])
        elif not message.has("tool_calls"):
            raise invalid_type(message.at("content"), "a string or an array", None)
        self._param = message.at("tool_calls")
        for call in message.objects("tool_calls", ()):
            call.one_of("type", ("function",))
            function = call.fields("function")
            entry = Entry(new_id("item"), "function_call", call_id=call.text("id"))
            entry.name, entry.arguments = function.text("name"), function.text("arguments")
            self.messages.entries.append(entry)
            self._unanswered.append(entry.call_id)

    def _spoken_part(self, audio: Fields) -> Part:
        audio_id = audio.text("id")
        said = self._find(audio_id)
        if said is None:
            raise ApiError(
                f"Audio with id '{audio_id}' was not found; it may have expired. Send its transcript as the message's "
                "content instead.",
                code="audio_not_found",
                param=audio.at("id"),
            )
        return Part("output_audio", said.transcript, duration_ms=said.duration_ms)

    def _read_result(self, message: Fields) -> None:
        call_id = message.text("tool_call_id")
        if call_id not in self._unanswered:
            raise invalid_value(
                message.at("role"),
                "messages with role 'tool' must be a response to a preceding message with 'tool_calls'",
            )
        self._unanswered.remove(call_id)
        output = Entry(new_id("item"), "function_call_output", call_id=call_id, output=_text(message))
        self.messages.entries.append(output)


def _text(message: Fields) -> str:
    """Return a message's content: a string, or an array of texts."""
    content = message.data.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise invalid_type(message.at("content"), "a string or an array", content)
    texts = []
    for part in message.objects("content"):
        kind = part.text("type")
        if kind not in ("text", "refusal"):
            raise unsupported_value(part.at("type"), kind, ("text",))
        texts.append(part.text(kind))
    return "\n".join(texts)
