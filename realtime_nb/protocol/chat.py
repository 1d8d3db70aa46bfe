"""Chat Completions with audio as events of the Realtime protocol; its history and its settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from msgspec import UNSET

from ..errors import SettingsError
from . import events as ev
from .items import REQUEST, Content, Item, Response, StatusDetails
from .mending import ODD_BASE64, decode_base64, is_plain_base64, well_formed
from .parts import answered_by

# --- Chat Completions with audio as events of the Realtime protocol ---------------------------------------------------
#
# A completion, whole or in chunks, becomes the events of a response, so that one fold makes the records of every kind
# of session. No I/O and no clock. Source: Chat Completions API reference, the completion and the chunk object.

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class CompletionReader:
    """Turns one completion into the events of one response.

    Every method returns the events for its input, in order, and never raises on what a server sends.

    `response_id`: the ids of its items are made from it.
    `in_conversation`: whether its items enter the conversation.
    """

    def __init__(self, response_id: str, request_id: str, *, in_conversation: bool = True):
        self._in_conversation = in_conversation
        self.response_id = response_id
        self.audio_id: str | None = None
        """The server's id for the audio, for later turns."""
        self.audio_expires_at: int | None = None
        """Unix time at which that id expires."""
        self.transcript = ""
        self._request_id = request_id
        self.usage: Mapping[str, Any] | None = None
        """The usage, in Chat Completions' shape."""
        self.finish_reason = ""
        """How it ended, in the server's words."""
        self.remarks: list[str] = []
        """Remarks on what was odd about it."""
        self._error = ""
        self._half = ""
        self._rest = b""
        self._kind = ""
        self._is_answer = False
        """True if it has words, sound or calls; white space alone is not an answer."""
        self._calls: dict[int, dict[str, str]] = {}
        self.parts: Any = None
        """The parts that answered, as the local server tells them."""
        self._begun = False
        self._places: list[str] = []
        """Item ids, in the order in which they began."""

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The function calls so far, as a message for a later request."""
        return [
            {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
            for _, call in sorted(self._calls.items())
        ]

    def begin(self) -> list[ev.Event]:
        """Return the events for the beginning of the response."""
        self._begun = True
        return [ev.ResponseCreated(response=self._response("in_progress"))]

    def whole(self, completion: Mapping[str, Any], pcm: bytes = b"") -> list[ev.Event]:
        """Take a completion that came as a whole, with its audio decoded to PCM16."""
        return self.chunk(completion, pcm)

    def chunk(self, chunk: Mapping[str, Any], pcm: bytes = b"") -> list[ev.Event]:
        """Take a chunk of a streamed completion, with audio in PCM16, or a whole one if the server does not stream."""
        usage = chunk.get("usage")
        self.parts = chunk.get("parts", self.parts)
        self.usage = _well_formed(usage) if isinstance(usage, Mapping) and usage else self.usage
        if usage and not isinstance(usage, Mapping):
            self.remarks.append("The usage of an answer is not an object of tokens: it is left out.")
        told: list[ev.Event] = []
        choices = chunk.get("choices")
        for choice in [_mapping(each) for each in choices[:1]] if isinstance(choices, list) else []:
            self.finish_reason = _text(choice.get("finish_reason")) or self.finish_reason
            if error := choice.get("error"):
                self._error = _text(_mapping(error).get("message")) or _text(str(error))
            # After the pieces some servers send all of them again.
            is_whole = not choice.get("delta") and "message" in choice and not self._places
            message = _mapping(choice["message"] if is_whole else choice.get("delta"))
            audio = _mapping(message.get("audio"))
            self._note_audio(audio)
            if not (is_whole and pcm):  # The caller has decoded the audio of a whole one.
                pcm = self._sound(audio.get("data"), is_file=is_whole)
            is_end = bool(choice.get("finish_reason"))
            told += self.say(self._joined(audio.get("transcript"), is_end and self._kind != "text"), pcm)
            words = _written(message.get("content")) or message.get("refusal")
            told += self.write(self._joined(words, is_end and self._kind != "audio"))
            calls = message.get("tool_calls")
            for index, call in enumerate(calls if isinstance(calls, list) else []):
                given = _mapping(call)
                told += self.call({**given, "index": given["index"] if isinstance(given.get("index"), int) else index})
        return told

    @property
    def is_finished(self) -> bool:
        """True if there is an answer, and the server has said how it ended."""
        return bool(self.finish_reason and not self._error and self._is_answer)

    @property
    def problem(self) -> str:
        """Why a finished completion is not an answer; empty if it is one."""
        if self._error:
            return self._error
        if self._is_answer or self.finish_reason in _INCOMPLETE:
            return ""
        ending = f"finish_reason={self.finish_reason!r}" if self.finish_reason else "no finish_reason"
        return f"the server's answer is empty: no words, no sound, no tool call, {ending}"

    def say(self, transcript: str = "", pcm: bytes = b"") -> list[ev.Event]:
        """Take more of a spoken answer: words, sound, or both."""
        told: list[ev.Event] = []
        self._is_answer |= bool(pcm or transcript.strip())
        if transcript:
            told += self._message("audio")
            self.transcript += transcript
            told.append(ev.ResponseOutputAudioTranscriptDelta(**self._at(), delta=transcript))
        if pcm:
            told += self._message("audio")
            told.append(ev.ResponseOutputAudioDelta(**self._at(), delta=pcm))
        return told

    def write(self, text: str) -> list[ev.Event]:
        """Take more of a written answer."""
        if not text:
            return []
        told = self._message("text")
        self._is_answer |= bool(text.strip())
        self.transcript += text
        return [*told, ev.ResponseOutputTextDelta(**self._at(), delta=text)]

    def call(self, call: Mapping[str, Any]) -> list[ev.Event]:
        """Take more of a function call, in a chunk's shape."""
        index = call.get("index", 0)
        self._is_answer = True
        function = _mapping(call.get("function"))
        told: list[ev.Event] = []
        if index not in self._calls:
            self._calls[index] = {"id": _text(call.get("id")), "name": _text(function.get("name")), "arguments": ""}
            item = self._call_item(index, "in_progress")
            told.append(
                ev.ResponseOutputItemAdded(
                    response_id=self.response_id, output_index=self._place(str(item.id)), item=item
                )
            )
        arguments = function.get("arguments")
        arguments = json.dumps(_well_formed(arguments)) if isinstance(arguments, dict) else _text(arguments)
        self._calls[index]["arguments"] += arguments
        if arguments:
            item_id = item_id_of(self.response_id, index)
            told.append(
                ev.ResponseFunctionCallArgumentsDelta(
                    response_id=self.response_id,
                    item_id=item_id,
                    call_id=self._calls[index]["id"],
                    output_index=self._place(item_id),
                    delta=arguments,
                )
            )
        return told

    def end(self) -> list[ev.Event]:
        """Return the events for the end of the completion."""
        reason = _INCOMPLETE.get(self.finish_reason)
        details = StatusDetails(type="incomplete", reason=reason) if reason else None
        return self._close("incomplete" if reason else "completed", details)

    def fail(self, message: str, code: str | None) -> list[ev.Event]:
        """Return the events for a completion that broke off or never began."""
        return self._close("failed", StatusDetails(type="failed", error={"message": message, "code": code}))

    def cancel(self) -> list[ev.Event]:
        """Return the events for a completion that the person stopped."""
        return self._close("cancelled", StatusDetails(type="cancelled", reason="client_cancelled"))

    # --- inside ---

    def _note_audio(self, audio: Mapping[str, Any]) -> None:
        self.audio_id = _text(audio.get("id")) or self.audio_id
        expires_at = audio.get("expires_at")
        self.audio_expires_at = expires_at if isinstance(expires_at, int) else self.audio_expires_at
        data = audio.get("data")
        if isinstance(data, str) and not is_plain_base64(data) and decode_audio(data):
            self.remarks.append(f"The sound of an answer {ODD_BASE64}.")

    def _joined(self, text: Any, is_end: bool) -> str:
        """Return more of the words; half of a UTF-16 pair waits for the other half, except at the end."""
        text = self._half + text if isinstance(text, str) else self._half
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" and not is_end else ""
        clean = well_formed(text.removesuffix(self._half))
        if "\ufffd" in clean and "\ufffd" not in text:
            self.remarks.append("Half a UTF-16 pair in an answer became U+FFFD.")
        return clean

    def _sound(self, data: Any, *, is_file: bool) -> bytes:
        """Return more of the sound; half a sample at its end waits for the other half."""
        pcm = decode_audio(data)
        if data and not pcm:
            self.remarks.append("A piece of an answer's sound is not base64: it is left out.")
        if is_file:
            return b""  # It could not be decoded as sound.
        pcm = self._rest + pcm
        self._rest = pcm[-1:] if len(pcm) % 2 else b""
        if self._rest:
            self.remarks.append(
                "A piece of an answer's sound ended within a sample, which goes on in the next or is lost."
            )
        return pcm.removesuffix(self._rest)

    def _message(self, kind: str) -> list[ev.Event]:
        """Begin the message, once; its first content decides its kind."""
        if self._kind:
            return []
        self._kind = kind
        item = Item(id=item_id_of(self.response_id), type="message", role="assistant", status="in_progress", content=[])
        return [
            ev.ResponseOutputItemAdded(response_id=self.response_id, output_index=self._place(str(item.id)), item=item),
            *([ev.ConversationItemAdded(item=item)] if self._in_conversation else []),
            ev.ResponseContentPartAdded(**self._at(), part=Content(type=kind)),
        ]

    def _at(self) -> dict[str, Any]:
        item_id = item_id_of(self.response_id)
        return {"response_id": self.response_id, "item_id": item_id, "output_index": self._place(item_id)}

    def _place(self, item_id: str) -> int:
        if item_id not in self._places:
            self._places.append(item_id)
        return self._places.index(item_id)

    def _call_item(self, index: int, status: str) -> Item:
        call = self._calls[index]
        return Item(
            id=item_id_of(self.response_id, index),
            type="function_call",
            status=status,
            name=call["name"],
            call_id=call["id"],
            arguments=call["arguments"] if status == "completed" else "",
        )

    def _close(self, status: str, details: StatusDetails | None) -> list[ev.Event]:
        item_status = "completed" if status == "completed" else "incomplete"
        told: list[ev.Event] = [] if self._begun else self.begin()
        items: list[Item] = []
        if self._kind:
            spoken = self._kind == "audio"
            content = [
                Content(type="output_audio", transcript=self.transcript)
                if spoken
                else Content(type="output_text", text=self.transcript)
            ]
            items.append(
                Item(
                    id=item_id_of(self.response_id),
                    type="message",
                    role="assistant",
                    status=item_status,
                    content=content,
                )
            )
            if spoken:
                told.append(ev.ResponseOutputAudioDone(**self._at()))
            if self._in_conversation:
                told.append(ev.ConversationItemDone(item=items[0]))
        for index in sorted(self._calls):
            items.append(self._call_item(index, "completed"))
            told.append(ev.ConversationItemAdded(item=items[-1]))
            told.append(ev.ConversationItemDone(item=items[-1]))
        items.sort(key=lambda item: self._place(str(item.id)))
        response = self._response(status, details, items)
        return [*told, ev.ResponseDone(response=response)]

    def _response(self, status: str, details: StatusDetails | None = None, items: list[Item] | None = None) -> Response:
        return Response(
            id=self.response_id,
            status=status,
            status_details=details,
            output=items or [],
            conversation_id="chat" if self._in_conversation else None,
            usage=realtime_usage(self.usage),
            metadata={REQUEST: self._request_id},
            parts=answered_by(self.parts) or UNSET,
        )


def item_id_of(response_id: str, call: int | None = None) -> str:
    """Return the id of a response's message, or of one of its calls."""
    return f"{response_id}_message" if call is None else f"{response_id}_call_{call}"


def decode_audio(data: Any) -> bytes:
    """Decode a piece of base64, which is complete in itself; empty if it is not base64."""
    return (decode_base64(data) if isinstance(data, str) else None) or b""


def file_of(completion: Mapping[str, Any]) -> bytes:
    """Return the audio file of a whole completion; empty if there is none."""
    choices = completion.get("choices")
    choice = _mapping(choices[0]) if isinstance(choices, list) and choices else {}
    return decode_audio(_mapping(_mapping(choice.get("message")).get("audio")).get("data"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return well_formed(value) if isinstance(value, str) else ""


def _well_formed(value: Any) -> Any:
    """Return a JSON value whose texts can be encoded again."""
    if isinstance(value, Mapping):
        return {_text(name): _well_formed(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_well_formed(each) for each in value]
    return well_formed(value) if isinstance(value, str) else value


def _written(content: Any) -> str:
    """Return the words of a message; some servers send them in parts."""
    if isinstance(content, list):
        content = "".join(text for part in content if isinstance(text := _mapping(part).get("text"), str))
    return content if isinstance(content, str) else ""


def realtime_usage(usage: Any) -> dict[str, Any] | None:
    """Return a completion's usage in the Realtime API's shape, without fields that are missing.

    Chat Completions does not say what kind the cached tokens are; it caches only text.
    """
    if not isinstance(usage, Mapping) or not usage:
        return None
    into = _first(usage, "prompt_tokens_details", "input_tokens_details")
    out = _first(usage, "completion_tokens_details", "output_tokens_details")
    if isinstance(into, Mapping) and into.get("cached_tokens"):
        into = {**into, "cached_tokens_details": {"text_tokens": into["cached_tokens"]}}
    told = {
        "total_tokens": usage.get("total_tokens"),
        "input_tokens": _first(usage, "prompt_tokens", "input_tokens"),
        "output_tokens": _first(usage, "completion_tokens", "output_tokens"),
        "input_token_details": into,
        "output_token_details": out,
    }
    return {key: value for key, value in told.items() if value is not None}


def _first(usage: Mapping[str, Any], *names: str) -> Any:
    """Return the value of the first of these names that has one."""
    return next((value for name in names if (value := usage.get(name)) is not None), None)


# --- The history: every request sends the whole conversation, with answers by their audio's id or in words ------------

#: Audio that expires sooner than this is sent in words, because the request takes time.
EXPIRY_MARGIN_S = 10.0


@dataclass(frozen=True)
class _ChatAnswer:
    words: str
    calls: list[dict[str, Any]]
    audio_id: str | None
    expires_at: float | None

    def message(self, now_s: float) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant"}
        if self.audio_id and (self.expires_at is None or now_s < self.expires_at - EXPIRY_MARGIN_S):
            message["audio"] = {"id": self.audio_id}
        else:
            message["content"] = self.words or None
        return {**message, "tool_calls": self.calls} if self.calls else message


class ChatHistory:
    """The conversation so far."""

    def __init__(self) -> None:
        self._entries: list[Mapping[str, Any] | _ChatAnswer] = []

    def add(self, *messages: Mapping[str, Any]) -> None:
        """Append messages that are always sent unchanged."""
        self._entries += messages

    def drop(self, message: Mapping[str, Any]) -> None:
        """Remove exactly this message; does nothing if it is not there."""
        self._entries = [entry for entry in self._entries if entry is not message]

    def add_answer(self, reader: CompletionReader) -> None:
        """Append the model's answer; nothing if it is empty."""
        answer = _ChatAnswer(reader.transcript, reader.tool_calls, reader.audio_id, reader.audio_expires_at)
        if answer.audio_id or answer.words or answer.calls:
            self._entries.append(answer)

    def messages(self, now_s: float) -> list[Mapping[str, Any]]:
        """Return the messages for a request at that Unix time."""
        return [entry.message(now_s) if isinstance(entry, _ChatAnswer) else entry for entry in self._entries]

    def in_words(self) -> ChatHistory:
        """Return the same history without the answers' audio, for a server that no longer knows it."""
        told = ChatHistory()
        for entry in self._entries:
            told._entries.append(replace(entry, audio_id=None) if isinstance(entry, _ChatAnswer) else entry)
        return told


# --- The settings: what every request asks for, checked and in the API's shape ----------------------------------------
#
# Source: Chat Completions API reference, the body of "Create chat completion".

#: The API's formats for an answer's audio; only the first can be streamed.
FORMATS = ("pcm16", "wav", "mp3", "flac", "opus", "aac")


def chat_settings(
    *,
    model: str,
    voice: str,
    output_modalities: Sequence[str] = ("audio",),
    stream: bool = True,
    format: str | None = None,
    tools: Sequence[dict[str, Any]] | None = None,
    tool_choice: str | dict[str, Any] | None = None,
    max_output_tokens: int | None = None,
) -> dict[str, Any]:
    """Return the body of every request, without its messages; the parameters are those of `ChatSession`.

    Raises `SettingsError` if the API does not take a setting.
    """
    if list(output_modalities) not in (["audio"], ["text"]):
        raise SettingsError(f'output_modalities={output_modalities!r} must be ["audio"] or ["text"]')
    if format is not None and format not in FORMATS:
        raise SettingsError(f"format={format!r} is not one of {', '.join(FORMATS)}")
    wanted: dict[str, Any] = {"model": model, "modalities": ["text"]}
    if list(output_modalities) == ["audio"]:
        if stream and format not in (None, "pcm16"):
            raise SettingsError(f'format={format!r} cannot be streamed: use "pcm16", or stream=False')
        audio = {"voice": voice, "format": format or ("pcm16" if stream else "wav")}
        wanted |= {"modalities": ["text", "audio"], "audio": audio}
    if tools:
        wanted["tools"] = [nested_tool(tool) for tool in tools]
        if tool_choice:
            wanted["tool_choice"] = nested_tool_choice(tool_choice)
    if max_output_tokens:
        wanted["max_completion_tokens"] = max_output_tokens
    if stream:
        wanted |= {"stream": True, "stream_options": {"include_usage": True}}
    return wanted


def nested_tool(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a function in the shape that Chat Completions takes.

    Raises `SettingsError` if it is a tool of an MCP server, which that API cannot reach.
    """
    if tool.get("type") == "mcp":
        raise SettingsError("Chat Completions cannot reach MCP servers: give these tools to a RealtimeSession")
    if tool.get("type") != "function" or "function" in tool:
        return tool
    return {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}}


def nested_tool_choice(choice: str | dict[str, Any]) -> str | dict[str, Any]:
    """Return the choice of a function in the shape that Chat Completions takes."""
    if isinstance(choice, dict) and choice.get("type") == "function" and "name" in choice:
        return {"type": "function", "function": {"name": choice["name"]}}
    return choice
