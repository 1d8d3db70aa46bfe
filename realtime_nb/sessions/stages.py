"""The three steps of a chain, each replaceable: a transcriber, a text model, a speaker.

Each step is an async iterator: it yields pieces as they are ready, and its usage at the end. The steps here
call a backend over HTTP through the official SDK, or speak over a Realtime session; you can pass any object with the
same method.
"""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import AudioError, ServerError
from ..loop import Pending
from ..media.clip import WIRE_SAMPLE_RATE, AudioClip
from ..pricing.usage import Usage, is_amount
from ..protocol import events as ev
from ..protocol.chat import CompletionReader, decode_audio, realtime_usage
from ..protocol.local_events import Word
from ..protocol.mending import ODD_BASE64, is_plain_base64
from ..protocol.parts import VOICE_HEADER, answered_by
from .api import Api, ServerAnswer, told_by_sdk
from .realtime import RealtimeSession

# These give the time of each word, but only for a whole recording: whisper-1 cannot stream, and the local recogniser
# has nothing to stream before an utterance is over.
_TELL_TIMES = ("whisper-1", "local-transcribe")
# First bytes of sound files that servers send in place of the PCM we asked for.
_FILES = (b"RIFF", b"OggS", b"fLaC", b"ID3")
# 100 ms of PCM16 at 24 kHz: little enough not to wait for.
_PIECE_BYTES = 4_800


@dataclass(frozen=True)
class StepUsage:
    """The usage of a step, for `realtime_nb.pricing.cost.metered_cost`, and a remark for the person."""

    usage: Mapping[str, Any]
    remark: str = ""
    finish_reason: str = ""
    """How a text model's answer ended, in Chat Completions' words: ``"length"`` if it was cut."""
    part: str = ""
    """Which part did it, if the server says so."""


@dataclass(frozen=True)
class CallDelta:
    """A piece of a text model's function call, as Chat Completions streams it."""

    delta: Mapping[str, Any]


class Transcriber(Protocol):
    """Transcribes the person's speech."""

    model: str

    def transcribe(self, clip: AudioClip) -> AsyncIterator[str | Word | StepUsage]:
        """Yield the text, whole or in pieces, its words if their times are known, and the usage.

        A `Word` adds nothing to the text; it gives the time of a word in it.
        """
        ...


class TextModel(Protocol):
    """Writes an answer.

    If yours takes pictures, give it an attribute ``sees = True``: they are parts of a user's message, in Chat
    Completions' shape.
    """

    model: str

    def answer(self, messages: Sequence[Mapping[str, Any]]) -> AsyncIterator[str | CallDelta | StepUsage]:
        """Yield the answer to a conversation in Chat Completions' shape, as it is made, and the usage."""
        ...


class SpeechSynthesizer(Protocol):
    """Says the answer aloud."""

    model: str

    def speak(self, text: str) -> AsyncIterator[bytes | StepUsage]:
        """Yield PCM16 at 24 kHz as it is made, and the usage."""
        ...


class ApiTranscriber:
    """The transcription endpoint; words come as they are recognised if the model can stream."""

    def __init__(self, api: Api, model: str):
        self._api = api
        self.model = model

    async def transcribe(self, clip: AudioClip) -> AsyncIterator[str | Word | StepUsage]:
        """Yield the text of a clip, its words with their times if the model gives them, and the usage."""
        client = await self._api.client()
        file = ("speech.wav", io.BytesIO(await asyncio.to_thread(clip.encode, "wav")), "audio/wav")
        create: Any = client.audio.transcriptions.with_streaming_response.create
        times = {"response_format": "verbose_json", "timestamp_granularities": ["word"]}
        wanted: dict[str, Any] = times if self.model in _TELL_TIMES else {"stream": True}
        async with told_by_sdk(), create(file=file, model=self.model, **wanted) as response:
            answer = ServerAnswer(response)
            if answer.kind == "text/plain":  # Some servers send words and nothing else.
                text = (await response.text()).strip()
                if text and not text.startswith(("{", "[", "<", "data:", "event:")):
                    yield text
                    yield StepUsage(_metered(None, clip))
                    return
            words, usage, is_done, part = "", None, False, ""
            async for told in answer:
                text = told.get("delta") if told.get("type") == "transcript.text.delta" else told.get("text")
                if isinstance(text, str) and (told.get("type") == "transcript.text.delta" or not words):
                    words += text
                    yield text
                for word in _words_in(told):
                    yield word
                usage = told.get("usage") or usage
                part = answered_by(told.get("parts")).get("ears", part)
                is_done = is_done or isinstance(told.get("text"), str)
            if not is_done:
                what = "broke off before its transcript was complete" if words else "sent no transcript"
                raise ServerError(
                    f"{answer.where} {what}; check that {self.model} is a transcriber there, and ask again"
                )
            yield StepUsage(_metered(usage, clip), " ".join(answer.remarks), part=part)


class ApiTextModel:
    """A text model by Chat Completions, streamed."""

    sees = True
    """It gets pictures; a server reports a model that takes none."""

    def __init__(self, api: Api, model: str, **options: Any):
        self._api = api
        self.model = model
        self._options = options

    def with_options(self, **options: Any) -> ApiTextModel:
        """Return the same model with other options; `None` removes one."""
        changed = self._options | options
        return ApiTextModel(self._api, self.model, **{name: each for name, each in changed.items() if each is not None})

    async def answer(
        self, messages: Sequence[Mapping[str, Any]], **options: Any
    ) -> AsyncIterator[str | CallDelta | StepUsage]:
        """Yield the answer as it is made, its function calls, and the usage; `options` are only for this answer."""
        client = await self._api.client()
        create: Any = client.chat.completions.with_streaming_response.create
        request = create(
            model=self.model,
            messages=list(messages),
            stream=True,
            stream_options={"include_usage": True},
            **self._options | options,
        )
        reader = CompletionReader("", "")
        async with told_by_sdk(), request as response:
            try:
                async for told in ServerAnswer(response).completion(reader):
                    for event in reader.chunk(told):
                        if isinstance(event, ev.ResponseOutputTextDelta | ev.ResponseOutputAudioTranscriptDelta):
                            yield event.delta
                        elif isinstance(event, ev.ResponseOutputItemAdded) and event.item.type == "function_call":
                            function = {"name": event.item.name, "arguments": ""}
                            yield CallDelta(
                                {"index": event.output_index, "id": event.item.call_id, "function": function}
                            )
                        elif isinstance(event, ev.ResponseFunctionCallArgumentsDelta):
                            yield CallDelta({"index": event.output_index, "function": {"arguments": event.delta}})
            except ServerError:
                if usage := realtime_usage(reader.usage):
                    yield StepUsage(usage)  # A failed answer is billed, too.
                raise
            yield StepUsage(realtime_usage(reader.usage) or {}, "; ".join(reader.remarks), reader.finish_reason)


class ApiSpeaker:
    """The speech endpoint. OpenAI's models for it end on 2027-01-06; other servers keep it."""

    def __init__(self, api: Api, model: str, voice: str):
        self._api = api
        self.model = model
        self._voice = voice

    async def speak(self, text: str) -> AsyncIterator[bytes | StepUsage]:
        """Yield a text's speech as it is made, and the usage: characters, or tokens if the server counts them."""
        client = await self._api.client()
        # Plain audio carries no usage, and models other than tts-1 are billed by tokens.
        by_tokens = self.model.startswith("gpt-")
        create: Any = client.audio.speech.with_streaming_response.create
        wanted = {"model": self.model, "voice": self._voice, "input": text, "response_format": "pcm"}
        options = {"stream_format": "sse"} if by_tokens else {}
        async with told_by_sdk(), create(**wanted, **options) as response:
            answer = ServerAnswer(response)
            if answer.kind in ("text/event-stream", "application/json") or answer.kind.startswith("text/"):
                async for piece in self._told(answer):
                    yield piece
                return
            came = False
            async for piece in _sound_in(answer, response.iter_bytes(_PIECE_BYTES)):
                came = True
                yield piece
            if not came:
                raise ServerError(f"{answer.where} sent no speech: its answer is empty; check the model {self.model!r}")
            characters = {"type": "characters", "characters": len(text)}
            yield StepUsage({} if by_tokens else characters, part=str(response.headers.get(VOICE_HEADER) or ""))

    async def _told(self, answer: ServerAnswer) -> AsyncIterator[bytes | StepUsage]:
        """Yield speech that comes as events."""
        came, is_plain, usage = False, True, None
        async for event in answer:
            if event.get("type") == "speech.audio.delta":
                if not (pcm := decode_audio(event.get("audio"))):
                    raise ServerError(f"{answer.where} sent sound that is not base64")
                is_plain = is_plain and is_plain_base64(event["audio"])
                came = True
                yield pcm
            elif event.get("type") == "speech.audio.done":
                usage = _speech_tokens(event.get("usage"))
        if not came:
            raise ServerError(f"{answer.where} sent no speech; check the model {self.model!r}")
        if usage is None and not answer.is_whole:
            raise ServerError(f"{answer.where} broke off before the sentence was spoken; ask again")
        remarks = [*answer.remarks, *([] if is_plain else [f"The sound of a sentence {ODD_BASE64}."])]
        yield StepUsage(usage or {}, " ".join(remarks))


class RealtimeSpeaker:
    """Speech by out-of-band responses of a Realtime session; its words are checked against the text.

    `connect`: returns a session with manual turns; it is opened with the first sentence, and belongs to this speaker.
    """

    def __init__(self, connect: Callable[[], RealtimeSession], model: str):
        self._connect = connect
        self._session: RealtimeSession | None = None
        self._leaving: set[Pending[None]] = set()
        self.model = model

    async def speak(self, text: str) -> AsyncIterator[bytes | StepUsage]:
        """Yield a text's speech as it is made, and the usage; a remark says if it spoke other words."""
        if self._session is None:
            self._session = self._connect()
        pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

        def take(event: Any, elapsed_ms: float) -> None:
            if isinstance(event, ev.ResponseOutputAudioDelta):
                pieces.put_nowait(event.delta)

        stop = self._session.listen(take)
        said = self._session.respond(
            conversation="none",
            input=[{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}],
            instructions="Read the user's text aloud, word for word. Add nothing and leave nothing out.",
            output_modalities=["audio"],
        )
        loop = asyncio.get_running_loop()
        said.add_done_callback(lambda _: loop.call_soon_threadsafe(pieces.put_nowait, None))
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            reply = await said
        finally:
            stop()
            if not said.done():
                self._hang_up()
        if reply.status != "completed":
            raise ServerError(f"the sentence was not spoken: {reply.status} {reply.reason}".strip())
        spoken = reply.transcript
        remark = "" if _words(spoken) == _words(text) else f"other words were spoken than written: “{spoken}”"
        yield StepUsage(_realtime_tokens(reply.usage), remark)

    def _hang_up(self) -> None:
        """Cancel a sentence that is no longer wanted, so that it costs no more and is not heard in the next one."""
        session, self._session = self._session, None
        if session is not None:
            left = session.close()
            self._leaving.add(left)
            left.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Hang up."""
        self._hang_up()
        await asyncio.gather(*self._leaving, return_exceptions=True)


async def _sound_in(answer: ServerAnswer, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield PCM16 as it comes; decodes a sound file sent in its place.

    Raises `ServerError` for text, whatever its content type says, and for a file that cannot be read.
    """
    is_pcm = False
    held = b""
    async for piece in pieces:
        if is_pcm:
            yield piece
            continue
        held += piece
        is_pcm = len(held) >= 4 and not held.startswith((*_FILES, b"{", b"<"))
        if is_pcm:
            yield held
    if is_pcm or not held:
        return
    if held.startswith(_FILES):
        try:
            clip = await asyncio.to_thread(AudioClip.from_bytes, held)
            yield await asyncio.to_thread(clip.to_pcm16, WIRE_SAMPLE_RATE)
        except AudioError as error:
            raise ServerError(f"{answer.where} sent a sound file that cannot be read: {error}") from error
        return
    text = held.decode("utf-8", "replace").strip()
    if text.isprintable() or text.startswith(("{", "<!", "<html")):
        answer.read(text)
        raise ServerError(f"{answer.where} sent JSON in place of sound: {text[:120]!r}")
    yield held  # It only started like one.


def _words_in(told: Mapping[str, Any]) -> Iterator[Word]:
    """Yield the words for which a transcriber gives times; skip anything else."""
    words = told.get("words")
    for word in words if isinstance(words, list) else []:
        if isinstance(word, Mapping) and isinstance(word.get("word"), str):
            start, end = word.get("start"), word.get("end")
            if is_amount(start) and is_amount(end):
                yield Word(word["word"], 1000 * start, 1000 * end)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower().replace("'", "").replace("’", ""))


def _metered(usage: Any, clip: AudioClip) -> dict[str, Any]:
    """Return a transcription's usage with the clip's length: some models are billed by the minute."""
    told = {key: value for key, value in usage.items() if value is not None} if isinstance(usage, Mapping) else {}
    if not (is_amount(told.get("seconds")) and told["seconds"]):
        told["seconds"] = clip.duration_s
    return told


def _speech_tokens(usage: Any) -> dict[str, Any]:
    """Put the usage of the speech endpoint in the Realtime API's shape: text goes in, audio comes out.

    Empty unless the server gives both.
    """
    told = usage if isinstance(usage, Mapping) else {}
    read, made = told.get("input_tokens"), told.get("output_tokens")
    if read is None or made is None:
        return {}
    return {"input_token_details": {"text_tokens": read}, "output_token_details": {"audio_tokens": made}}


def _realtime_tokens(usage: Usage | None) -> dict[str, Any]:
    """Return the tokens that a server reports, if it does."""
    if usage is None:
        return {}
    cached = {"text_tokens": usage.text_cached, "audio_tokens": usage.audio_cached, "image_tokens": usage.image_cached}
    told: dict[str, Any] = {}
    if usage.input_tokens or usage.is_complete:
        told |= {
            "input_tokens": usage.input_tokens,
            "input_token_details": {
                "text_tokens": usage.text_in - usage.unsplit_in,
                "audio_tokens": usage.audio_in,
                "image_tokens": usage.image_in,
                "cached_tokens": usage.cached_tokens,
                "cached_tokens_details": cached,
            },
        }
    if usage.output_tokens or usage.is_complete:
        out = {"text_tokens": usage.text_out - usage.unsplit_out, "audio_tokens": usage.audio_out}
        told |= {"output_tokens": usage.output_tokens, "output_token_details": out}
    return told
