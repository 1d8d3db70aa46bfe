"""The three steps of a chain, each replaceable: a transcriber, a text model, a speaker.

What a step makes comes as an async iterator: pieces as they are ready, and at the end what the step took. The steps
here speak HTTP to a backend through the official SDK, or, for speech, over a Realtime session; anything with the same
method will do.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..audio import AudioClip
from ..errors import ServerError
from ..tokens import Usage
from ..wire import events as ev
from ..wire.chat import realtime_usage
from ..wire.local import Word
from .http import Api, told_by_sdk
from .realtime import RealtimeSession

# These say when each word was spoken, but only of a whole recording: whisper-1 cannot stream at all, and the local
# recogniser has nothing to stream before an utterance is over.
_TELL_TIMES = ("whisper-1", "local-sphinx")
# 100 ms of PCM16 at 24 kHz: little enough not to wait for.
_PIECE_BYTES = 4_800


@dataclass(frozen=True)
class Took:
    """What a step took, as `realtime_nb.pricing.metered_cost` takes it, and what the person should know of it."""

    usage: Mapping[str, Any]
    remark: str = ""


@dataclass(frozen=True)
class Call:
    """A piece of a function call that a text model makes, as Chat Completions streams it."""

    delta: Mapping[str, Any]


class Transcriber(Protocol):
    """Writes down what the person said."""

    model: str

    def transcribe(self, clip: AudioClip) -> AsyncIterator[str | Word | Took]:
        """Yield the text, in one piece or as it is made out, and what that took; single words where times are known.

        A `Word` adds nothing to the text; it says when something in it was spoken.
        """
        ...


class TextModel(Protocol):
    """Thinks of an answer.

    One that takes pictures says so by an attribute ``sees = True``: they are parts of a user's message, as Chat
    Completions has them.
    """

    model: str

    def answer(self, messages: Sequence[Mapping[str, Any]]) -> AsyncIterator[str | Call | Took]:
        """Yield the answer to a conversation, in Chat Completions' shape, as it is made, and what that took."""
        ...


class Speaker(Protocol):
    """Says the answer aloud."""

    model: str

    def speak(self, text: str) -> AsyncIterator[bytes | Took]:
        """Yield PCM16 at 24 kHz as it is made, and what that took."""
        ...


class ApiTranscriber:
    """The transcription endpoint; words come as they are made out where the model can do that."""

    def __init__(self, api: Api, model: str):
        self._api = api
        self.model = model

    async def transcribe(self, clip: AudioClip) -> AsyncIterator[str | Word | Took]:
        """Yield the text of a clip, its words with their times where the model tells them, and what that took."""
        client = await self._api.client()
        file = ("speech.wav", io.BytesIO(await asyncio.to_thread(clip.encode, "wav")), "audio/wav")
        create: Any = client.audio.transcriptions.create
        async with told_by_sdk():
            if self.model in _TELL_TIMES:
                times = {"response_format": "verbose_json", "timestamp_granularities": ["word"]}
                answer = (await create(file=file, model=self.model, **times)).model_dump(warnings=False)
                yield answer["text"]
                for word in answer.get("words") or []:
                    yield Word(word["word"], 1000 * word["start"], 1000 * word["end"])
                yield Took(_metered(answer.get("usage"), clip))
                return
            async for event in await create(file=file, model=self.model, stream=True):
                if event.type == "transcript.text.delta":
                    yield event.delta
                elif event.type == "transcript.text.done":
                    yield Took(_metered(event.model_dump(warnings=False).get("usage"), clip))


class ApiTextModel:
    """A text model by Chat Completions, streamed."""

    sees = True
    """Pictures go to it; a server whose model takes none says so."""

    def __init__(self, api: Api, model: str, **options: Any):
        self._api = api
        self.model = model
        self._options = options

    def with_options(self, **options: Any) -> ApiTextModel:
        """Return the same model with other options; `None` takes one away."""
        changed = self._options | options
        return ApiTextModel(self._api, self.model, **{name: each for name, each in changed.items() if each is not None})

    async def answer(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> AsyncIterator[str | Call | Took]:
        """Yield the answer as it is made, its function calls, and what it took; `options` are for this answer alone."""
        client = await self._api.client()
        create: Any = client.chat.completions.create
        async with told_by_sdk():
            chunks = await create(
                model=self.model,
                messages=list(messages),
                stream=True,
                stream_options={"include_usage": True},
                **self._options | options,
            )
            async for chunk in chunks:
                told = chunk.model_dump(warnings=False)
                for choice in told.get("choices") or []:
                    delta = choice.get("delta") or {}
                    if delta.get("content"):
                        yield delta["content"]
                    for call in delta.get("tool_calls") or []:
                        yield Call(call)
                if usage := realtime_usage(told.get("usage")):
                    yield Took(usage)


class ApiSpeaker:
    """The speech endpoint. OpenAI's models for it end on 2027-01-06; other servers go on to have it."""

    def __init__(self, api: Api, model: str, voice: str):
        self._api = api
        self.model = model
        self._voice = voice

    async def speak(self, text: str) -> AsyncIterator[bytes | Took]:
        """Yield a text's speech as it is made, and what that took: characters, or tokens where the server says so."""
        client = await self._api.client()
        # Plain audio carries no usage, and models other than tts-1 are billed by tokens.
        by_tokens = self.model.startswith("gpt-")
        create: Any = client.audio.speech.with_streaming_response.create
        wanted = {"model": self.model, "voice": self._voice, "input": text, "response_format": "pcm"}
        async with told_by_sdk(), create(**wanted, **({"stream_format": "sse"} if by_tokens else {})) as answer:
            if by_tokens:
                async for line in answer.iter_lines():
                    event = json.loads(line[5:]) if line.startswith("data:") and line[5:].strip() != "[DONE]" else {}
                    if event.get("type") == "speech.audio.delta":
                        yield base64.b64decode(event["audio"])
                    elif event.get("type") == "speech.audio.done":
                        yield Took(_speech_tokens(event.get("usage")))
            else:
                async for piece in answer.iter_bytes(_PIECE_BYTES):
                    yield piece
                yield Took({"type": "characters", "characters": len(text)})


class RealtimeSpeaker:
    """Speech by out-of-band responses of a Realtime session, which reads word for word and is checked for it.

    Parameters
    ----------
    connect : callable
        Returns a session with manual turns; it is opened with the first sentence, and belongs to this speaker.
    """

    def __init__(self, connect: Callable[[], RealtimeSession], model: str):
        self._connect = connect
        self._session: RealtimeSession | None = None
        self.model = model

    async def speak(self, text: str) -> AsyncIterator[bytes | Took]:
        """Yield a text's speech as it is made, and what that took; a remark says where other words were spoken."""
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
        yield Took(_realtime_tokens(reply.usage), remark)

    def _hang_up(self) -> None:
        """Leave a sentence that nobody wants any more: neither pay for the rest, nor hear it in the next one."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    async def close(self) -> None:
        """Hang up."""
        if self._session is not None:
            await self._session.close()


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower().replace("'", "").replace("’", ""))


def _metered(usage: Any, clip: AudioClip) -> dict[str, Any]:
    """Return the usage of a transcription with the clip's length: some models are billed by the minute."""
    told = {key: value for key, value in usage.items() if value is not None} if isinstance(usage, Mapping) else {}
    return {"seconds": clip.duration_s, **told}


def _speech_tokens(usage: Any) -> dict[str, Any]:
    """Put the usage of the speech endpoint in the Realtime API's shape: text goes in, audio comes out.

    Nothing where the server does not say both.
    """
    told = usage if isinstance(usage, Mapping) else {}
    read, made = told.get("input_tokens"), told.get("output_tokens")
    if read is None or made is None:
        return {}
    return {"input_token_details": {"text_tokens": read}, "output_token_details": {"audio_tokens": made}}


def _realtime_tokens(usage: Usage | None) -> dict[str, Any]:
    """Return tokens as a server tells them; nothing where it did not."""
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
