"""`ChatSession`: speech and text through Chat Completions, one request a turn."""

from __future__ import annotations

import asyncio
import base64
import time
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..audio import WIRE_SAMPLE_RATE, AudioClip
from ..backends import Backend
from ..errors import AudioError, SettingsError
from ..pricing import shutdown_notice
from ..wire.chat import CompletionReader, nested_tool, nested_tool_choice
from .base import Content
from .http import Api, told_by_sdk
from .turnwise import TurnwiseSession

if TYPE_CHECKING:
    from openai import AsyncOpenAI

#: What the API can make of an answer's audio; only the first can be streamed.
FORMATS = ("pcm16", "wav", "mp3", "flac", "opus", "aac")
#: Audio that expires sooner than this is told in words: the request itself takes time.
_EXPIRY_MARGIN_S = 10.0


class ChatSession(TurnwiseSession):
    """A conversation by Chat Completions: speech and text in, speech and text out, where low latency is not needed.

    It has the contract and the records of `RealtimeSession`. Every turn is a request of its own that carries the
    conversation along; earlier answers are named by their audio id until that expires, and by their words afterwards.

    Parameters
    ----------
    model : str, optional
        By default ``gpt-audio-1.5``, or ``local-rules`` for the local voice.
    backend : Backend or str, optional
        As for `RealtimeSession`.
    api_key : str, optional
        By default from the environment.
    client : openai.AsyncOpenAI or openai.AsyncAzureOpenAI, optional
        A client to send through in place of one of our own; leave it to this session alone, and close it yourself.
    instructions : str, optional
        The system message.
    voice : str, optional
        By default the backend's.
    output_modalities : list, default ["audio"]
        Or ``["text"]``; audio always brings its transcript.
    stream : bool, default True
        Whether the answer comes in pieces, as it is made.
    format : str, optional
        Of the answer's audio: ``"pcm16"`` when streaming; otherwise ``"wav"`` by default, ``"mp3"``, ``"flac"``,
        ``"opus"``, ``"aac"`` or ``"pcm16"``. AAC cannot be decoded here: such a reply has no audio, its file is in
        `last_file`.
    tools : list of dict, optional
        Functions in the Realtime API's flat shape: ``{"type": "function", "name": …, "parameters": …}``.
    tool_choice : str or dict, optional
        ``"auto"``, ``"none"``, ``"required"`` or ``{"type": "function", "name": …}``.
    max_output_tokens : int, optional
        Bound on each answer.

    Raises
    ------
    MissingKey
        If the backend needs a key and there is none.
    SettingsError
        If a setting is none that the API takes.

    Examples
    --------
    >>> session = ChatSession(backend="local")
    >>> session.ask("Hello!").result().status
    'completed'
    >>> session.close().result()
    """

    def __init__(
        self,
        *,
        model: str | None = None,
        backend: Backend | str | None = None,
        api_key: str | None = None,
        client: AsyncOpenAI | None = None,
        instructions: str = "",
        voice: str | None = None,
        output_modalities: list[str] | tuple[str, ...] = ("audio",),
        stream: bool = True,
        format: str | None = None,
        tools: list[dict[str, Any]] | None = None,
        tool_choice: str | dict[str, Any] | None = None,
        max_output_tokens: int | None = None,
    ):
        super().__init__(Api.find(backend, api_key, client))
        self.model = model or self.backend.chat_model
        self.voice = voice or self.backend.voice
        self.last_file = b""
        """The last answer's audio as the server sent it, where it came as a file."""
        if list(output_modalities) not in (["audio"], ["text"]):
            raise SettingsError(f'output_modalities={output_modalities!r} must be ["audio"] or ["text"]')
        self._spoken = list(output_modalities) == ["audio"]
        self._stream = stream
        self._format = format or ("pcm16" if stream else "wav")
        if self._format not in FORMATS:
            raise SettingsError(f"format={format!r} is not one of {', '.join(FORMATS)}")
        if stream and self._spoken and self._format != "pcm16":
            raise SettingsError(f'format={format!r} cannot be streamed: take "pcm16", or stream=False')
        self._wanted: dict[str, Any] = {"model": self.model, "modalities": ["text"]}
        if self._spoken:
            self._wanted |= {
                "modalities": ["text", "audio"],
                "audio": {"voice": self.voice, "format": self._format},
            }
        if tools:
            self._wanted["tools"] = [nested_tool(tool) for tool in tools]
            if tool_choice:
                self._wanted["tool_choice"] = nested_tool_choice(tool_choice)
        if max_output_tokens:
            self._wanted["max_completion_tokens"] = max_output_tokens
        if stream:
            self._wanted |= {"stream": True, "stream_options": {"include_usage": True}}
        if notice := shutdown_notice(self.model):
            warnings.warn(notice, FutureWarning, stacklevel=2)
        self._instructions = instructions
        # Each is made anew for each request: what can be named by its audio id today cannot be tomorrow.
        self._messages: list[Callable[[], Mapping[str, Any]]] = []
        self._by_id = True
        if instructions:
            self._add_message({"role": "system", "content": instructions})

    def _settings(self) -> dict[str, Any]:
        output = {"voice": self.voice, "format": {"type": "audio/pcm", "rate": WIRE_SAMPLE_RATE}}
        # Nobody writes down what the person says here: the model hears it.
        audio = {"output": output, "input": {"transcription": None}}
        return {"model": self.model, "instructions": self._instructions, "audio": audio}

    def _add_message(self, message: dict[str, Any]) -> None:
        self._messages.append(lambda: message)

    async def _answer(self, content: tuple[Content, ...], reader: CompletionReader) -> None:
        question = [await asyncio.to_thread(_part, piece) for piece in content]
        asked = [lambda: {"role": "user", "content": question}] if question else []
        messages = [*self._messages, *asked]
        async with told_by_sdk():
            completion = await self._request(messages)
            self._tell("received", *reader.begin())
            if self._stream:
                async for chunk in completion:
                    self._tell("received", *reader.chunk(chunk.model_dump()))
            else:
                whole = completion.model_dump()
                self._tell("received", *reader.whole(whole, await asyncio.to_thread(self._decoded, whole)))
        # What got no answer is not put to the model a second time; the record keeps it.
        self._messages = [*messages, *self._remembered(reader)]

    async def _request(self, messages: list[Callable[[], Mapping[str, Any]]]) -> Any:
        """Send a request; once more, in words, if the server does not know an answer's audio any more."""
        client = await self._api.client()
        create: Any = client.chat.completions.create
        try:
            return await create(**self._wanted, messages=[message() for message in messages])
        except Exception as error:
            told = [message() for message in messages]
            if not _is_about_audio(error) or not any("audio" in message for message in told):
                raise
            self._by_id = False
            try:
                return await create(**self._wanted, messages=[message() for message in messages])
            finally:
                self._by_id = True

    def _decoded(self, completion: dict[str, Any]) -> bytes:
        message = (completion.get("choices") or [{}])[0].get("message") or {}
        data = (message.get("audio") or {}).get("data")
        if not data:
            return b""
        self.last_file = base64.b64decode(data)
        if self._format == "pcm16":
            return self.last_file
        try:
            return AudioClip.from_bytes(self.last_file).to_pcm16(WIRE_SAMPLE_RATE)
        except AudioError:
            if self._format == "aac":
                return b""
            raise

    def _remembered(self, reader: CompletionReader) -> list[Callable[[], Mapping[str, Any]]]:
        """Return an answer as later requests tell it: by its audio id while that holds, then in words."""
        audio_id, expires_at, words = reader.audio_id, reader.audio_expires_at, reader.transcript
        calls = {"tool_calls": reader.tool_calls} if reader.tool_calls else {}

        def message() -> Mapping[str, Any]:
            holds = expires_at is None or time.time() < expires_at - _EXPIRY_MARGIN_S
            if audio_id and holds and self._by_id:
                return {"role": "assistant", "audio": {"id": audio_id}, **calls}
            return {"role": "assistant", "content": words or None, **calls}

        return [message] if audio_id or words or calls else []


def _part(piece: Content) -> dict[str, Any]:
    """Return a piece of a question as Chat Completions takes it."""
    if isinstance(piece, str):
        return {"type": "text", "text": piece}
    data = base64.b64encode(piece.encode("wav")).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def _is_about_audio(error: Exception) -> bool:
    """Whether a request may have failed because an earlier answer's audio is not known any more."""
    return getattr(error, "status_code", None) in (400, 404) and "audio" in str(error).lower()
