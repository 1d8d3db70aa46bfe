"""What a client of ``POST /v1/chat/completions`` wants, read from its body and checked as the API does."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .api_errors import ApiError, invalid_value, missing_parameter
from .brain import Context
from .chat_audio_store import SpokenAnswer
from .chat_messages import Messages, read_messages
from .json_fields import Fields, model_of, without_nulls
from .speech import voice_of
from .tool_settings import check_tool_choice, check_tools
from .usage import text_tokens, unit_of_entry

FORMATS = ("wav", "aac", "mp3", "flac", "opus", "pcm16")
#: Of the current model, gpt-audio-1.5.
CONTEXT_TOKENS = 128_000
MOST_OUTPUT_TOKENS = 16_384


@dataclass(frozen=True)
class ChatRequest:
    """What is to be answered, and how."""

    model: str
    messages: Messages
    tools: list[dict[str, Any]]
    """In the flat shape of the Realtime API, which brains read."""
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
        """Return the request that a body holds; takes up to seconds where there is sound in it.

        Raises
        ------
        ApiError
            In the API's words.
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
        """What a brain may know; the words of a person's sound have to be recognised by now."""
        choice = self.tool_choice
        return Context(
            entries=self.messages.entries,
            instructions=self.messages.instructions,
            tools=[] if choice == "none" else self.tools,
            required_tool=choice["name"] if isinstance(choice, dict) else "*" if choice == "required" else None,
        )

    def usage(self, written: str, spoken_tokens: int) -> dict[str, Any]:
        """Return the usage object of an answer.

        Parameters
        ----------
        written : str
            All that was written: words, transcript, arguments.
        spoken_tokens : int
            What its sound took.
        """
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
        # Checked without the rest of its kin, so that the error says where it stands in this API's nested shape.
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
