"""Read requests to ``POST /v1/chat/completions``, and keep the spoken answers that later requests may refer to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...media.picture import picture_tokens
from ..api_errors import ApiError, invalid_type, invalid_value, missing_parameter, unsupported_value
from ..brains.brain import Context
from ..realtime.conversation_state import ItemState, MessagePart, new_id, picture_part
from ..realtime.session_settings import check_tool_choice, check_tools
from ..realtime.usage import text_tokens, unit_of_entry
from .audio_files import DecodedFile, decode_base64
from .json_fields import Fields, model_of, without_nulls
from .speech import voice_of

# --- Messages as the items of a conversation, for brains --------------------------------------------------------------

ROLES = ("system", "developer", "user", "assistant", "tool")
_USER_PARTS = ("text", "input_audio", "image_url")
_SPEECH_FORMATS = ("wav", "mp3")


@dataclass
class Messages:
    """The contents of a request's messages."""

    instructions: str = ""
    entries: list[ItemState] = field(default_factory=list)
    recordings: list[tuple[MessagePart, DecodedFile]] = field(default_factory=list)
    """Audio that must still be recognised, each with its part."""


def read_messages(fields: Fields, find: Callable[[str], SpokenAnswer | None]) -> Messages:
    """Read the messages of a request; takes up to seconds if they hold audio.

    Raises `ApiError` in the API's words.
    """
    if not fields.array("messages"):
        raise ApiError(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            code="empty_array",
            param="messages",
        )
    reader = _Reader(find)
    for message in fields.objects("messages"):
        reader.read(message)
    reader.check_answered()
    reader.messages.instructions = "\n\n".join(filter(None, reader.instructions))
    return reader.messages


class _Reader:
    """Reads one message after another."""

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
        """Raise `ApiError` if a message's tool calls were not answered by the messages after it."""
        if self._unanswered:
            raise ApiError(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                "'tool_call_id'. The following tool_call_ids did not have response messages: "
                f"{', '.join(self._unanswered)}",
                param=self._param,
            )

    def _add(self, role: str, parts: list[MessagePart]) -> None:
        self.messages.entries.append(ItemState(new_id("item"), "message", role=role, parts=parts))

    def _user_parts(self, message: Fields) -> list[MessagePart]:
        if not isinstance(message.data.get("content"), list):
            return [MessagePart("input_text", _text(message))]
        return [self._user_part(part) for part in message.objects("content")]

    def _user_part(self, part: Fields) -> MessagePart:
        kind = part.one_of("type", _USER_PARTS)
        if kind == "text":
            return MessagePart("input_text", part.text("text"))
        if kind == "image_url":
            image = part.fields("image_url")
            url, detail = image.text("url"), image.text("detail", None)
            if url.startswith(("http://", "https://")):
                # Only a text model behind this server would fetch it, so its size is not known here.
                return MessagePart(
                    "input_image", image_url=url, detail=detail, image_tokens=picture_tokens(1, 1, "low")
                )
            return picture_part(url, detail, image.at("url"))
        sound = part.fields("input_audio")
        sound.one_of("format", _SPEECH_FORMATS)
        where = sound.at("data")
        recording = DecodedFile.read(decode_base64(sound.text("data"), where), where)
        spoken = MessagePart("input_audio", duration_ms=recording.duration_ms)
        self.messages.recordings.append((spoken, recording))
        return spoken

    def _read_assistant(self, message: Fields) -> None:
        if message.has("audio"):
            self._add("assistant", [self._spoken_part(message.fields("audio"))])
        elif message.has("content"):
            self._add("assistant", [MessagePart("output_text", _text(message))])
        elif not message.has("tool_calls"):
            raise invalid_type(message.at("content"), "a string or an array", None)
        self._param = message.at("tool_calls")
        for call in message.objects("tool_calls", ()):
            call.one_of("type", ("function",))
            function = call.fields("function")
            entry = ItemState(new_id("item"), "function_call", call_id=call.text("id"))
            entry.name, entry.arguments = function.text("name"), function.text("arguments")
            self.messages.entries.append(entry)
            self._unanswered.append(entry.call_id)

    def _spoken_part(self, audio: Fields) -> MessagePart:
        audio_id = audio.text("id")
        said = self._find(audio_id)
        if said is None:
            raise ApiError(
                f"Audio with id '{audio_id}' was not found; it may have expired. Send its transcript as the message's "
                "content instead.",
                code="audio_not_found",
                param=audio.at("id"),
            )
        return MessagePart("output_audio", said.transcript, duration_ms=said.duration_ms)

    def _read_result(self, message: Fields) -> None:
        call_id = message.text("tool_call_id")
        if call_id not in self._unanswered:
            raise invalid_value(
                message.at("role"),
                "messages with role 'tool' must be a response to a preceding message with 'tool_calls'",
            )
        self._unanswered.remove(call_id)
        output = ItemState(new_id("item"), "function_call_output", call_id=call_id, output=_text(message))
        self.messages.entries.append(output)


def _text(message: Fields) -> str:
    """Return the content of a message, a string or an array of texts."""
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


# --- The request ------------------------------------------------------------------------------------------------------

FORMATS = ("wav", "aac", "mp3", "flac", "opus", "pcm16")
#: Of the current model, gpt-audio-1.5.
CONTEXT_TOKENS = 128_000
MOST_OUTPUT_TOKENS = 16_384


@dataclass(frozen=True)
class ChatRequest:
    """A request: what to answer, and how."""

    model: str
    messages: Messages
    tools: list[dict[str, Any]]
    """The tools in the Realtime API's flat shape, for brains."""
    tool_choice: str | dict[str, Any]
    most_calls: int
    has_audio: bool
    voice: str
    format: str
    is_stream: bool
    includes_usage: bool
    max_tokens: int

    @classmethod
    def read(cls, fields: Fields, find: Callable[[str], SpokenAnswer | None]) -> ChatRequest:
        """Return the request in a body; takes up to seconds if it holds audio.

        Raises `ApiError` in the API's words.
        """
        model = model_of(fields)
        is_stream = fields.boolean("stream", False)
        has_audio, voice, form = _output(fields, is_stream=is_stream)
        _refuse_what_is_not_here(fields)
        tools = _tools(fields)
        limits = [
            fields.integer(name, MOST_OUTPUT_TOKENS, least=1, most=10**6)
            for name in ("max_completion_tokens", "max_tokens")
        ]
        request = cls(
            model=model,
            messages=read_messages(fields, find),
            tools=tools,
            tool_choice=_tool_choice(fields, tools),
            most_calls=1 if fields.boolean("parallel_tool_calls", True) is False else len(tools) + 64,
            has_audio=has_audio,
            voice=voice,
            format=form,
            is_stream=is_stream,
            includes_usage=fields.has("stream_options")
            and fields.fields("stream_options").boolean("include_usage", False),
            max_tokens=min(limits),
        )
        read = request.usage("", 0)["prompt_tokens"]
        if read > CONTEXT_TOKENS:
            raise ApiError(
                f"This model's maximum context length is {CONTEXT_TOKENS} tokens. However, your messages resulted in "
                f"{read} tokens. Please reduce the length of the messages.",
                code="context_length_exceeded",
                param="messages",
            )
        return request

    @property
    def context(self) -> Context:
        """The brain's context. Recognise the audio in the messages first."""
        choice = self.tool_choice
        return Context(
            entries=self.messages.entries,
            instructions=self.messages.instructions,
            tools=[] if choice == "none" else self.tools,
            required_tool=choice["name"] if isinstance(choice, dict) else "*" if choice == "required" else None,
        )

    def usage(self, written: str, spoken_tokens: int) -> dict[str, Any]:
        """Return the usage object of an answer."""
        units = [unit_of_entry(entry) for entry in self.messages.entries]
        tools = json.dumps(self.tools) if self.tools else ""
        text = sum(unit.text for unit in units) + text_tokens(self.messages.instructions) + text_tokens(tools)
        audio, image = sum(unit.audio for unit in units), sum(unit.image for unit in units)
        read, wrote = text + audio + image, text_tokens(written)
        return {
            "prompt_tokens": read,
            "completion_tokens": wrote + spoken_tokens,
            "total_tokens": read + wrote + spoken_tokens,
            "prompt_tokens_details": {
                "text_tokens": text,
                "audio_tokens": audio,
                "image_tokens": image,
                "cached_tokens": 0,
            },
            "completion_tokens_details": {
                "text_tokens": wrote,
                "audio_tokens": spoken_tokens,
                "reasoning_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


def _output(fields: Fields, *, is_stream: bool) -> tuple[bool, str, str]:
    """Return whether to speak, with which voice, in which format."""
    modalities = fields.array("modalities", ["text"])
    if set(map(str, modalities)) not in ({"text"}, {"text", "audio"}):
        raise invalid_value(
            "modalities", f"{modalities} is not one of the combinations that there are, ['text'] and ['text', 'audio']"
        )
    if "audio" not in modalities:
        return False, "", ""
    if not fields.has("audio"):
        raise missing_parameter("audio")
    audio = fields.fields("audio")
    form = audio.one_of("format", FORMATS)
    if is_stream and form != "pcm16":
        raise ApiError(
            f"Unsupported value: 'audio.format' does not support '{form}' when stream=true. "
            "Supported values are: 'pcm16'.",
            code="unsupported_value",
            param="audio.format",
        )
    return True, voice_of(audio), form


def _refuse_what_is_not_here(fields: Fields) -> None:
    if fields.integer("n", 1, least=1, most=128) != 1:
        raise invalid_value("n", "this server gives one answer")
    if fields.has("response_format") and fields.fields("response_format").text("type") != "text":
        raise invalid_value("response_format", "this server has no structured output")


def _tools(fields: Fields) -> list[dict[str, Any]]:
    tools = []
    for tool in fields.objects("tools", ()):
        tool.one_of("type", ("function",))
        function = tool.fields("function")
        # Checked alone, so that the error can name its place in this API's nested form.
        flat = {"type": "function", **without_nulls(function.data)}
        try:
            check_tools([flat], "tools")
        except ApiError as error:
            here = function.at("")
            raise ApiError(
                error.message.replace("tools[0].", here),
                code=error.code,
                param=(error.param or "").replace("tools[0].", here),
            ) from error
        tools.append(flat)
    return tools


def _tool_choice(fields: Fields, tools: Sequence[dict[str, Any]]) -> str | dict[str, Any]:
    choice: str | dict[str, Any] = "auto"
    if isinstance(fields.data.get("tool_choice"), dict):
        given = fields.fields("tool_choice")
        given.one_of("type", ("function",))
        name = given.fields("function").text("name")
        if name not in [tool["name"] for tool in tools]:
            raise invalid_value("tool_choice.function.name", f"'{name}' is not among the 'tools'")
        choice = {"type": "function", "name": name}
    else:
        choice = fields.text("tool_choice", "auto")
        check_tool_choice(choice, "tool_choice")
    if choice == "required" and not tools:
        raise ApiError("'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice")
    return choice


# --- Spoken answers, kept until they expire ---------------------------------------------------------------------------

AUDIO_LIFETIME_S = 3600.0


@dataclass(frozen=True)
class SpokenAnswer:
    """The words of an answer, and how long it took to say them; the client keeps the audio."""

    transcript: str
    duration_ms: float
    expires_at: float
    """Unix time."""


class ChatAudioStore:
    """Spoken answers by the ids under which clients refer to them."""

    def __init__(self, *, lifetime_s: float = AUDIO_LIFETIME_S, clock: Callable[[], float] = time.time):
        self.lifetime_s = lifetime_s
        self._clock = clock
        self._answers: dict[str, SpokenAnswer] = {}

    def keep(self, audio_id: str, transcript: str, duration_ms: float) -> int:
        """Keep an answer; return the Unix time at which it expires, in whole seconds."""
        now = self._clock()
        self._answers = {each: answer for each, answer in self._answers.items() if now < answer.expires_at}
        self._answers[audio_id] = SpokenAnswer(transcript, duration_ms, now + self.lifetime_s)
        return int(now + self.lifetime_s)

    def find(self, audio_id: str) -> SpokenAnswer | None:
        """Return an answer, unless it has expired."""
        answer = self._answers.get(audio_id)
        return answer if answer and self._clock() < answer.expires_at else None
