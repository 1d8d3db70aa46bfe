"""`CascadeSession`: a chain of three steps, transcribe, think, speak."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from ..errors import PictureError
from ..media.clip import WIRE_SAMPLE_RATE, AudioClip
from ..media.picture import Picture
from ..media.sentences import split_sentences
from ..pricing.prices import shutdown_notice
from ..pricing.usage import add_usages
from ..protocol import events as ev
from ..protocol.chat import CompletionReader, nested_tool
from ..protocol.local_events import StageDone, StageStarted, Word, WordsTimed
from ..protocol.parts import joined_names
from ..secrecy import Secret, masked
from ..tools import Approver
from .api import Api
from .backend import Backend
from .budget import BoundOptions
from .realtime import RealtimeSession
from .request import Content, message_part
from .stages import (
    ApiSpeaker,
    ApiTextModel,
    ApiTranscriber,
    CallDelta,
    RealtimeSpeaker,
    SpeechSynthesizer,
    StepUsage,
    TextModel,
    Transcriber,
)
from .tool_calls import MAX_ROUNDS
from .turnwise import TurnwiseSession

if TYPE_CHECKING:
    from openai import AsyncOpenAI

# Sent to the text model if the transcriber made out nothing.
_NOTHING = "(The person said something, but no words could be made out.)"


class CascadeSession(TurnwiseSession):
    """A chain of three systems: a transcriber, a text model, a speaker.

    Its methods and records are those of `RealtimeSession`. The text model gets only words: how something was said is
    lost. The first sentence is spoken while the rest of the answer is still being written.

    Parameters
    ----------
    transcriber : str or Transcriber, optional
        A model of the transcription endpoint, or an object with a ``transcribe`` method.
    text_model : str or TextModel, optional
        A model of Chat Completions, or an object with an ``answer`` method.
    speaker : str or Speaker, optional
        A model of the speech endpoint, a ``gpt-realtime…`` model, which reads out of band over a Realtime session, or
        an object with a ``speak`` method.
    backend : Backend or str, optional
        As for `RealtimeSession`; it also sets the default three.
    api_key : str, optional
        By default from the environment.
    client : openai.AsyncOpenAI or openai.AsyncAzureOpenAI, optional
        Your own client to send through. Use it for this session only, and close it yourself.
    instructions : str, optional
        The text model's system message.
    voice : str, optional
        By default the backend's.
    tools : list, optional
        Python functions, which run here when the text model calls them (see `realtime_nb.tool`), or definitions in the
        Realtime API's flat shape, whose calls you answer yourself. Your own `TextModel` is not told about them, but
        the calls that it makes are run.
    approve : bool or callable, default False
        Whether a person must agree to each call; as for `RealtimeSession`.
    max_tool_rounds : int, default 8
        How often the model may call tools for one question; after that it must answer in words.
    reasoning_effort : str, optional
        How long the text model thinks before it writes, in its API's words. By default the model decides, except that
        the backend's text model gets ``"none"``: a model that thinks keeps the person waiting.
    recording : str or Path, optional
        A folder to write the session into while it runs, as with `record_to`.
    history : list, Conversation or Recording, optional
        What was said before, as for `RealtimeSession`.
    **bound_options : BoundOptions
        ``guard``, ``max_usd``, ``max_minutes``, ``idle_minutes``, ``limiter``; see
        `realtime_nb.sessions.budget.BoundOptions`.

    Raises
    ------
    MissingKey
        If the backend needs a key and there is none.

    See Also
    --------
    realtime_nb.sessions.stages : The protocols of the three steps.

    Examples
    --------
    >>> session = CascadeSession(backend="local")
    >>> reply = session.ask("Hello!").result()
    >>> list(reply.stages)
    ['text', 'speech']
    >>> session.close().result()
    """

    hears_sound = False

    def __init__(
        self,
        *,
        transcriber: str | Transcriber | None = None,
        text_model: str | TextModel | None = None,
        speaker: str | SpeechSynthesizer | None = None,
        backend: Backend | str | None = None,
        api_key: str | None = None,
        client: AsyncOpenAI | None = None,
        instructions: str = "",
        voice: str | None = None,
        tools: Sequence[Callable[..., Any] | dict[str, Any]] | None = None,
        approve: bool | Approver = False,
        max_tool_rounds: int = MAX_ROUNDS,
        reasoning_effort: str | None = None,
        recording: str | Path | None = None,
        history: Any = None,
        **bound_options: Unpack[BoundOptions],
    ):
        backend, api_key = masked(backend), Secret.of_key(api_key)
        super().__init__(
            Api.find(backend, api_key, client), approve=approve, max_tool_rounds=max_tool_rounds, **bound_options
        )
        self.voice = voice or self.backend.voice
        heard = transcriber or self.backend.chain[0]
        thought = text_model or self.backend.chain[1]
        said = speaker or self.backend.chain[2]
        for given in (heard, thought, said):
            if isinstance(given, str):
                self.backend.check_model(given)
            if isinstance(given, str) and (notice := shutdown_notice(given)):
                warnings.warn(notice, FutureWarning, stacklevel=2)
        definitions = [nested_tool(tool) for tool in self._calls.take(tools)]
        options: dict[str, Any] = {"tools": definitions} if definitions else {}
        if effort := reasoning_effort or ("none" if text_model is None else None):
            options["reasoning_effort"] = effort
        self._transcriber = ApiTranscriber(self._api, heard) if isinstance(heard, str) else heard
        self._text_model = ApiTextModel(self._api, thought, **options) if isinstance(thought, str) else thought
        self._speaker = self._speaker_of(said) if isinstance(said, str) else said
        models = [step.model for step in (self._transcriber, self._text_model, self._speaker)]
        self.model = " → ".join(models)
        self._bill(*models)
        self._instructions = instructions
        self._messages: list[Mapping[str, Any]] = []
        if instructions:
            self._add_message({"role": "system", "content": instructions})
        self._begin_with(history)
        if recording is not None:
            self.record_to(recording)

    def _speaker_of(self, model: str) -> SpeechSynthesizer:
        if not model.startswith("gpt-realtime"):
            return ApiSpeaker(self._api, model, self.voice)

        def connect() -> RealtimeSession:
            session = RealtimeSession(
                model=model, backend=self.backend, voice=self.voice, transcription=None, turn_detection=None
            )
            session.be_part()
            return session

        return RealtimeSpeaker(connect, model)

    @property
    def _settings(self) -> dict[str, Any]:
        output = {"voice": self.voice, "format": {"type": "audio/pcm", "rate": WIRE_SAMPLE_RATE}}
        about = {"model": self.model, "instructions": self._instructions, "audio": {"output": output}}
        return about | self._about_tools()

    def _check_sees(self) -> None:
        if not getattr(self._text_model, "sees", False):
            raise PictureError(
                f"the text model {self._text_model.model} does not say that it takes pictures: if it does, give it "
                "sees = True; it then gets pictures as parts of a message in Chat Completions' shape"
            )

    def _restate(self, messages: list[dict[str, Any]]) -> None:
        instructions = [{"role": "system", "content": self._instructions}] if self._instructions else []
        self._messages = [*instructions, *messages]

    def _offer(self, definitions: list[dict[str, Any]]) -> None:
        if isinstance(self._text_model, ApiTextModel):
            self._text_model = self._text_model.with_options(tools=[nested_tool(tool) for tool in definitions] or None)

    def _remarker(self, *, has_sound: bool, max_output_tokens: int) -> TextModel:
        if not isinstance(self._text_model, ApiTextModel):
            return self._text_model
        return self._text_model.with_options(tools=None, max_completion_tokens=max_output_tokens)

    def _add_message(self, message: dict[str, Any]) -> None:
        self._messages.append(message)

    def _drop_message(self, message: dict[str, Any]) -> None:
        self._messages = [each for each in self._messages if each is not message]

    async def _answer(
        self, content: tuple[Content, ...], reader: CompletionReader, tool_choice: str | None = None
    ) -> None:
        asked = await self._written(content, reader)
        messages = [*self._messages, *([{"role": "user", "content": asked}] if content else [])]
        self._tell("received", *reader.begin())
        sentences: asyncio.Queue[str | None] = asyncio.Queue()
        speaking = asyncio.create_task(self._speak(sentences, reader))
        thinking = asyncio.create_task(self._think(self._thoughts(messages, tool_choice), sentences, reader))
        try:
            # If one fails, the other stops: there is no use in writing without a voice.
            await asyncio.gather(thinking, speaking)
        finally:
            for task in (thinking, speaking):
                task.cancel()
            await asyncio.gather(thinking, speaking, return_exceptions=True)
        await self._guarding.settled(reader.response_id)
        answer: dict[str, Any] = {"role": "assistant", "content": reader.transcript or None}
        if reader.tool_calls:
            answer["tool_calls"] = reader.tool_calls
        self._messages = [*messages, answer]

    async def _recite(self, text: str, reader: CompletionReader) -> None:
        self._tell("received", *reader.begin(), *reader.say(text))
        sentences: asyncio.Queue[str | None] = asyncio.Queue()
        for sentence in (*split_sentences(text), None):
            sentences.put_nowait(sentence)
        await self._speak(sentences, reader)
        self._add_message({"role": "assistant", "content": text})

    async def _written(self, content: tuple[Content, ...], reader: CompletionReader) -> str | list[dict[str, Any]]:
        """Return a question for the text model, with speech transcribed: only words, or parts with pictures."""
        turn = self.conversation.turns[-1] if content else None
        told: list[str | Picture] = []
        for index, piece in enumerate(content):
            if not isinstance(piece, AudioClip):
                told.append(piece)
                continue
            assert turn is not None
            at = {"item_id": turn.item_id, "content_index": index}
            told.append(await self._transcribe(piece, reader.response_id, at) or _NOTHING)
        await self._judged("\n".join(piece for piece in told if isinstance(piece, str)), reader.response_id)
        if any(isinstance(piece, Picture) for piece in told):
            return [message_part(piece) for piece in told]
        return "\n".join(str(piece) for piece in told)

    async def _transcribe(self, clip: AudioClip, response_id: str, at: dict[str, Any]) -> str:
        took = StepUsage({})
        words = ""
        timed: list[Word] = []
        model = self._transcriber.model
        self._tell("local", StageStarted(response_id=response_id, stage="transcription", model=model))
        async for piece in self._transcriber.transcribe(clip):
            if isinstance(piece, StepUsage):
                took = piece
                continue
            if isinstance(piece, Word):
                timed.append(piece)
                continue
            words += piece
            self._tell("received", ev.ConversationItemInputAudioTranscriptionDelta(**at, delta=piece))
        words = words.strip()
        self._tell("received", ev.ConversationItemInputAudioTranscriptionCompleted(**at, transcript=words))
        if timed:
            self._tell("local", WordsTimed(**at, words=tuple(timed)))
        self._done(response_id, "transcription", [took])
        return words

    def _thoughts(
        self, messages: list[Mapping[str, Any]], tool_choice: str | None
    ) -> AsyncIterator[str | CallDelta | StepUsage]:
        # A caller's own text model handles tools in its own way.
        if tool_choice and isinstance(self._text_model, ApiTextModel):
            return self._text_model.answer(messages, tool_choice=tool_choice)
        return self._text_model.answer(messages)

    async def _think(
        self,
        thoughts: AsyncIterator[str | CallDelta | StepUsage],
        sentences: asyncio.Queue[str | None],
        reader: CompletionReader,
    ) -> None:
        """Ask the text model, and pass on each sentence as soon as it is whole."""
        took: list[StepUsage] = []
        waiting = ""
        self._tell("local", StageStarted(response_id=reader.response_id, stage="text", model=self._text_model.model))
        try:
            async for piece in thoughts:
                if isinstance(piece, StepUsage):
                    took.append(piece)
                    reader.finish_reason = piece.finish_reason or reader.finish_reason
                elif isinstance(piece, str):
                    self._tell("received", *reader.say(piece))
                    *whole, waiting = split_sentences(waiting + piece) or [""]
                    for sentence in whole:
                        sentences.put_nowait(sentence)
                else:
                    self._tell("received", *reader.call(piece.delta))
        finally:
            self._done(reader.response_id, "text", took)  # Also for an answer that broke off, if its usage came.
        if waiting.strip():
            sentences.put_nowait(waiting)
        sentences.put_nowait(None)

    async def _speak(self, sentences: asyncio.Queue[str | None], reader: CompletionReader) -> None:
        took: list[StepUsage] = []
        while (sentence := await sentences.get()) is not None:
            if not took:
                started = StageStarted(response_id=reader.response_id, stage="speech", model=self._speaker.model)
                self._tell("local", started)
            spoken = self._speaker.speak(sentence.strip())
            half = b""
            async for piece in spoken:
                if isinstance(piece, StepUsage):
                    took.append(piece)
                    continue
                # A sample has two bytes; the network may split them.
                whole = len(half + piece) // 2 * 2
                pcm, half = (half + piece)[:whole], (half + piece)[whole:]
                self._tell("received", *reader.say(pcm=pcm))
        if took:
            self._done(reader.response_id, "speech", took)

    def _done(self, response_id: str, stage: str, took: list[StepUsage]) -> None:
        remarks = [step.remark for step in took if step.remark]
        for remark in remarks:
            self._session_events.remark(remark, remark.partition(":")[0])
        usage = add_usages(step.usage for step in took)
        part = joined_names(step.part for step in took)
        self._tell(
            "local",
            StageDone(response_id=response_id, stage=stage, usage=usage, remark="; ".join(remarks), part=part),
        )

    async def _free(self) -> None:
        await super()._free()
        if isinstance(self._speaker, RealtimeSpeaker):
            await self._speaker.close()
