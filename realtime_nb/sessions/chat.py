"""`ChatSession`: speech and text through Chat Completions, one request a turn."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from ..errors import AudioError, MissingExtra, PictureError
from ..media.clip import WIRE_SAMPLE_RATE, AudioClip
from ..pricing.prices import shutdown_notice
from ..protocol import events as ev
from ..protocol.chat import ChatHistory, CompletionReader, chat_settings, file_of, nested_tool
from ..protocol.local_events import AnswerFile
from ..secrecy import Secret, masked
from ..tools import Approver
from .api import Api, ServerAnswer, told_by_sdk
from .backend import Backend
from .budget import BoundOptions
from .request import Content, message_part
from .stages import ApiTextModel, ApiTranscriber, StepUsage, TextModel
from .tool_calls import MAX_ROUNDS
from .turnwise import TurnwiseSession

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class ChatSession(TurnwiseSession):
    """A conversation by Chat Completions: speech and text in and out, for when low latency is not needed.

    Its methods and records are those of `RealtimeSession`. Every turn is one request that carries the whole
    conversation; earlier answers are sent as their audio id until it expires, then as words.

    Parameters
    ----------
    model : str, optional
        By default ``gpt-audio-1.5``, or ``local-voice`` for the local voice.
    backend : Backend or str, optional
        As for `RealtimeSession`.
    api_key : str, optional
        By default from the environment.
    client : openai.AsyncOpenAI or openai.AsyncAzureOpenAI, optional
        Your own client to send through. Use it for this session only, and close it yourself.
    instructions : str, optional
        The system message.
    voice : str, optional
        By default the backend's.
    output_modalities : list, default ["audio"]
        Or ``["text"]``; audio always brings its transcript.
    stream : bool, default True
        Whether the answer comes in pieces, as it is made.
    format : str, optional
        Format of the answer's audio: ``"pcm16"`` when streaming; otherwise ``"wav"`` by default, ``"mp3"``, ``"flac"``,
        ``"opus"``, ``"aac"`` or ``"pcm16"``. `Reply.audio_file` keeps the file. Decoding AAC needs the extra ``aac``;
        without it the reply says so and has only the file.
    tools : list, optional
        Python functions, which run here when the model calls them (see `realtime_nb.tool`), or definitions in the
        Realtime API's flat shape, ``{"type": "function", "name": …, "parameters": …}``, whose calls you answer
        yourself.
    approve : bool or callable, default False
        Whether a person must agree to each call; as for `RealtimeSession`.
    max_tool_rounds : int, default 8
        How often the model may call tools for one question; after that it must answer in words.
    tool_choice : str or dict, optional
        ``"auto"``, ``"none"``, ``"required"`` or ``{"type": "function", "name": …}``.
    max_output_tokens : int, optional
        Bound on each answer.
    recording : str or Path, optional
        A folder to write the session into while it runs, as with `record_to`.
    history : list, Conversation or Recording, optional
        What was said before, as for `RealtimeSession`.
    **bound_options : BoundOptions
        ``guard``, ``max_usd``, ``max_minutes``, ``idle_minutes``, ``limiter``; see
        `realtime_nb.sessions.budget.BoundOptions`.
        With a guard, the backend's transcriber writes speech down first.

    Raises
    ------
    MissingKey
        If the backend needs a key and there is none.
    SettingsError
        If the API does not accept a setting.

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
        tools: Sequence[Callable[..., Any] | dict[str, Any]] | None = None,
        approve: bool | Approver = False,
        max_tool_rounds: int = MAX_ROUNDS,
        tool_choice: str | dict[str, Any] | None = None,
        max_output_tokens: int | None = None,
        recording: str | Path | None = None,
        history: Any = None,
        **bound_options: Unpack[BoundOptions],
    ):
        backend, api_key = masked(backend), Secret.of_key(api_key)
        super().__init__(
            Api.find(backend, api_key, client), approve=approve, max_tool_rounds=max_tool_rounds, **bound_options
        )
        self.model = model or self.backend.chat_model
        self.voice = voice or self.backend.voice
        self._transcriber = self.backend.chain[0]
        self._bill(self.model, self._transcriber if self._guarding.is_on else None)
        self.backend.check_model(self.model)
        self._wanted = chat_settings(
            model=self.model,
            voice=self.voice,
            output_modalities=output_modalities,
            stream=stream,
            format=format,
            tools=self._calls.take(tools),
            tool_choice=tool_choice,
            max_output_tokens=max_output_tokens,
        )
        if notice := shutdown_notice(self.model):
            warnings.warn(notice, FutureWarning, stacklevel=2)
        self._instructions = instructions
        self._history = ChatHistory()
        if instructions:
            self._add_message({"role": "system", "content": instructions})
        self._begin_with(history)
        if recording is not None:
            self.record_to(recording)

    @property
    def _settings(self) -> dict[str, Any]:
        output = {"voice": self.voice, "format": {"type": "audio/pcm", "rate": WIRE_SAMPLE_RATE}}
        # The model hears the person; the words are written down only for a guard.
        transcription = {"model": self._transcriber} if self._guarding.is_on else None
        audio = {"output": output, "input": {"transcription": transcription}}
        return {"model": self.model, "instructions": self._instructions, "audio": audio, **self._about_tools()}

    def _check_sees(self) -> None:
        # The server says of these: "This model does not support image_url content."
        if self.model.startswith("gpt-audio") or "-audio-preview" in self.model:
            raise PictureError(
                f"{self.model} hears but takes no pictures: ask with RealtimeSession or CascadeSession, or give "
                'ChatSession a model that sees, with output_modalities=["text"]'
            )

    def _restate(self, messages: list[dict[str, Any]]) -> None:
        self._history = ChatHistory()
        if self._instructions:
            self._history.add({"role": "system", "content": self._instructions})
        self._history.add(*messages)

    def _offer(self, definitions: list[dict[str, Any]]) -> None:
        self._wanted = {name: value for name, value in self._wanted.items() if name not in ("tools", "tool_choice")}
        if definitions:
            self._wanted["tools"] = [nested_tool(tool) for tool in definitions]

    def _remarker(self, *, has_sound: bool, max_output_tokens: int) -> TextModel:
        hears = self.model.startswith("gpt-audio") or "-audio-preview" in self.model
        # "This model requires that either input content or output modality contain audio."
        model = self.backend.chain[1] if hears and not has_sound else self.model
        return ApiTextModel(self._api, model, modalities=["text"], max_completion_tokens=max_output_tokens)

    def _add_message(self, message: dict[str, Any]) -> None:
        self._history.add(message)

    def _drop_message(self, message: dict[str, Any]) -> None:
        self._history.drop(message)

    async def _answer(
        self, content: tuple[Content, ...], reader: CompletionReader, tool_choice: str | None = None
    ) -> None:
        if self._guarding.is_on and content:
            await self._judged(await self._written(content), reader.response_id)
        question = [await asyncio.to_thread(message_part, piece) for piece in content]
        asked = [{"role": "user", "content": question}] if question else []
        await self._ask_model(asked, reader, {"tool_choice": tool_choice} if tool_choice else {})
        await self._guarding.settled(reader.response_id)
        # A question without an answer is not sent again; the record keeps it.
        self._history.add(*asked)
        self._history.add_answer(reader)

    async def _recite(self, text: str, reader: CompletionReader) -> None:
        await self._ask_model([{"role": "system", "content": f'Say exactly: "{text}"'}], reader, {})
        self._history.add_answer(reader)

    async def _ask_model(self, asked: list[dict[str, Any]], reader: CompletionReader, override: dict[str, Any]) -> None:
        """Send a request, and report the answer as it comes; raise if it fails, after reporting its pieces."""
        try:
            async with told_by_sdk(), self._requested(asked, override) as answer:
                self._tell("received", *reader.begin())
                async for told in answer.completion(reader):
                    self._tell("received", *reader.chunk(told, await self._decoded(told, reader.response_id)))
        finally:
            for remark in reader.remarks:
                self._session_events.remark(remark, remark.partition(":")[0])

    async def _written(self, content: tuple[Content, ...]) -> str:
        """Return a question in words for the guard; the backend's transcriber writes speech down."""
        told: list[str] = []
        item_id = self.conversation.turns[-1].item_id
        for index, piece in enumerate(content):
            if isinstance(piece, str):
                told.append(piece)
            elif isinstance(piece, AudioClip):
                words: str = ""
                usage: dict[str, Any] = {}
                async for each in ApiTranscriber(self._api, self._transcriber).transcribe(piece):
                    words += each if isinstance(each, str) else ""
                    usage = dict(each.usage) if isinstance(each, StepUsage) else usage
                written = ev.ConversationItemInputAudioTranscriptionCompleted(
                    item_id=item_id, content_index=index, transcript=words.strip(), usage=usage
                )
                self._tell("received", written)
                told.append(words)
        return "\n".join(told)

    @asynccontextmanager
    async def _requested(self, asked: list[dict[str, Any]], override: dict[str, Any]) -> AsyncIterator[ServerAnswer]:
        """Send a request; send it again, in words, if the server no longer knows an answer's audio."""
        client = await self._api.client()
        create: Any = client.chat.completions.with_streaming_response.create
        wanted = self._wanted | override
        told = self._history.messages(time.time())
        async with AsyncExitStack() as stack:
            try:
                response = await stack.enter_async_context(create(**wanted, messages=[*told, *asked]))
            except Exception as error:
                if not _is_about_audio(error) or not any("audio" in message for message in told):
                    raise
                in_words = self._history.in_words()
                messages = [*in_words.messages(time.time()), *asked]
                response = await stack.enter_async_context(create(**wanted, messages=messages))
                self._history = in_words
            yield ServerAnswer(response)

    async def _decoded(self, completion: dict[str, Any], response_id: str) -> bytes:
        """Return the PCM16 of an answer's file; keep the file, and why it could not be decoded."""
        file = await asyncio.to_thread(file_of, completion)
        if not file or (self._wanted.get("audio", {}).get("format") == "pcm16" and not file.startswith(b"RIFF")):
            return file
        pcm, remark = b"", ""
        try:
            clip = await asyncio.to_thread(AudioClip.from_bytes, file)
            pcm = await asyncio.to_thread(clip.to_pcm16, WIRE_SAMPLE_RATE)
        except (AudioError, MissingExtra) as error:
            remark = f"the answer's sound is only in its file: {error}"
        self._tell("local", AnswerFile(response_id=response_id, data=file, remark=remark))
        return pcm


def _is_about_audio(error: Exception) -> bool:
    """Return whether a request may have failed because the server no longer knows an earlier answer's audio."""
    return getattr(error, "status_code", None) in (400, 404) and "audio" in str(error).lower()
