"""``POST /v1/chat/completions``: messages with text and audio in, text or speech out, whole or as a stream.

Source: the API reference, "Create chat completion", and recorded streams with audio: the first chunk has the audio's
id, transcript and data come in separate chunks, and the last update has only ``expires_at``.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import math
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ...media.clip import WIRE_SAMPLE_RATE
from ...media.sentences import split_sentences
from ..brains.brain import Brain, CallTool, Say
from ..realtime.conversation_state import new_id
from ..realtime.responder import TextToSpeech, deltas, parts_of
from ..realtime.session import Parts
from ..realtime.usage import OUTPUT_MS_PER_TOKEN, text_tokens
from .audio_files import encode
from .chat_request import ChatAudioStore, ChatRequest
from .http_body import read_json, stream

# --- An answer, piece by piece ----------------------------------------------------------------------------------------

_BYTES_PER_MS = WIRE_SAMPLE_RATE * 2 // 1000


@dataclass(frozen=True)
class WordsPiece:
    """More of the text, or of the transcript."""

    text: str


@dataclass(frozen=True)
class SoundPiece:
    """More of the audio."""

    pcm: bytes


@dataclass(frozen=True)
class CallPiece:
    """A call of a tool."""

    index: int
    id: str
    name: str
    arguments: str

    @property
    def as_json(self) -> dict[str, Any]:
        """The call as a part of a message."""
        return {
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments},
        }


Piece = WordsPiece | SoundPiece | CallPiece


class ChatAnswer:
    """An answer in the making, with what is complete so far."""

    def __init__(self, request: ChatRequest, brain: Brain, voice: TextToSpeech):
        self.id = f"chatcmpl-{new_id('x')[2:]}"
        self.audio_id = new_id("audio")
        self.text = ""
        self.calls: list[CallPiece] = []
        self._request = request
        self._brain = brain
        self._voice = voice
        self.voices: list[str] = []
        self._spoken_bytes = 0
        self._is_cut = False

    @property
    def duration_ms(self) -> float:
        """How much was spoken so far."""
        return self._spoken_bytes / _BYTES_PER_MS

    @property
    def finish_reason(self) -> Literal["stop", "length", "tool_calls"]:
        """Why it ended."""
        return "length" if self._is_cut else "tool_calls" if self.calls else "stop"

    @property
    def usage(self) -> dict[str, Any]:
        """The usage object."""
        return self._request.usage(self._written, self._spoken_tokens)

    @property
    def parts(self) -> dict[str, Any]:
        """The field that says which parts heard the last recording and spoke; empty if neither happened."""
        recordings = self._request.messages.recordings
        told = parts_of(ears=[recordings[-1][0].ears] if recordings else [], voice=self.voices)
        return {"parts": told} if told else {}

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """Yield the answer as it is made; close this generator to stop the brain and the voice."""
        async with contextlib.aclosing(self._brain.respond(self._request.context)) as actions:
            async for action in actions:
                if isinstance(action, CallTool):
                    if len(self.calls) < self._request.most_calls:
                        yield self._call(action)
                    continue
                async with contextlib.aclosing(self._say(action)) as pieces:
                    async for piece in pieces:
                        yield piece
                        if self._is_too_long():
                            self._is_cut = True
                            return

    def _call(self, action: CallTool) -> CallPiece:
        arguments = action.arguments if isinstance(action.arguments, str) else json.dumps(action.arguments)
        call = CallPiece(len(self.calls), new_id("call"), action.name, arguments)
        self.calls.append(call)
        return call

    async def _say(self, action: Say) -> AsyncGenerator[Piece, None]:
        for sentence in _sentences(action.text):
            apart = self.text and not self.text[-1].isspace()
            for delta in deltas(f" {sentence}" if apart else sentence):
                self.text += delta
                yield WordsPiece(delta)
            if self._request.has_audio:
                spoken = self._voice.speak(sentence, voice=self._request.voice)
                async with contextlib.aclosing(spoken):
                    async for piece in spoken:
                        if piece.pcm:
                            self._spoken_bytes += len(piece.pcm)
                            self.voices.append(piece.engine)
                            yield SoundPiece(piece.pcm)

    @property
    def _written(self) -> str:
        return self.text + "".join(call.name + call.arguments for call in self.calls)

    @property
    def _spoken_tokens(self) -> int:
        return math.ceil(self.duration_ms / OUTPUT_MS_PER_TOKEN)

    def _is_too_long(self) -> bool:
        return text_tokens(self._written) + self._spoken_tokens >= self._request.max_tokens


def _sentences(text: str) -> Iterator[str]:
    return filter(None, (sentence.strip() for sentence in split_sentences(text)))


# --- The endpoint -----------------------------------------------------------------------------------------------------

# Each request sends all recordings of its conversation again, so recognised words are kept.
_MOST_HEARD = 1_000


class ChatEndpoint:
    """The endpoint."""

    def __init__(self, parts: Parts, store: ChatAudioStore):
        self._parts = parts
        self._store = store
        self._heard: OrderedDict[tuple[bytes, int], tuple[str, float | None, str]] = OrderedDict()

    async def post(self, request: Request) -> Response:
        """Answer."""
        fields = await read_json(request)
        wanted = await asyncio.to_thread(ChatRequest.read, fields, self._store.find)
        brain = self._parts.brain_of(wanted.model)
        await self._hear(wanted)
        answer = ChatAnswer(wanted, brain, self._parts.voice)
        if wanted.is_stream:
            return await stream(self._chunks(wanted, answer), ends_with_done=True)
        pcm = b"".join([piece.pcm async for piece in answer.pieces() if isinstance(piece, SoundPiece)])
        expires_at = self._keep(wanted, answer)
        content = await asyncio.to_thread(_whole, wanted, answer, pcm, expires_at)
        return Response(content, media_type="application/json")

    async def _hear(self, wanted: ChatRequest) -> None:
        """Recognise the audio in the messages."""
        if not wanted.messages.recordings:
            return
        recognizer = self._parts.recognizer
        vocabulary = self._parts.brain_of(wanted.model).vocabulary
        expected = await recognizer.expect(
            instructions=wanted.messages.instructions, tools=wanted.tools, sentences=vocabulary
        )
        circumstances = hash((wanted.model, wanted.messages.instructions, json.dumps(wanted.tools)))
        for part, recording in wanted.messages.recordings:
            key = recording.digest, circumstances
            if key not in self._heard:
                heard = [await recognizer.listen(utterance.pcm, expected) for utterance in recording.utterances]
                sure = [each.confidence for each in heard if each.confidence is not None]
                ears = parts_of(ears=(each.engine for each in heard)).get("ears", "")
                self._heard[key] = " ".join(each.text for each in heard if each.text), min(sure, default=None), ears
            self._heard.move_to_end(key)
            part.heard, part.confidence, part.ears = self._heard[key]
            while len(self._heard) > _MOST_HEARD:
                self._heard.popitem(last=False)

    def _keep(self, wanted: ChatRequest, answer: ChatAnswer) -> int | None:
        """Keep what was said, so that later requests can refer to it."""
        if not (wanted.has_audio and answer.text):
            return None
        return self._store.keep(answer.audio_id, answer.text, answer.duration_ms)

    async def _chunks(self, wanted: ChatRequest, answer: ChatAnswer) -> AsyncGenerator[dict[str, Any], None]:
        head = {
            "id": answer.id,
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": wanted.model,
            "system_fingerprint": None,
        }
        usage: dict[str, Any] = {"usage": None} if wanted.includes_usage else {}

        def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
            return {**head, "choices": [choice], **usage}

        first: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        async with contextlib.aclosing(answer.pieces()) as pieces:
            async for piece in pieces:
                if first:
                    yield chunk({**first, **_opening(wanted, answer, piece)})
                    first = {}
                for delta in _deltas(wanted, piece):
                    yield chunk(delta)
        expires_at = self._keep(wanted, answer)
        if expires_at is not None:
            yield chunk({"audio": {"expires_at": expires_at}})
        yield {**chunk(first, answer.finish_reason), **answer.parts}
        if wanted.includes_usage:
            yield {**head, "choices": [], "usage": answer.usage}


def _opening(wanted: ChatRequest, answer: ChatAnswer, piece: Piece) -> dict[str, Any]:
    """Return the other fields of the first chunk, besides `piece`."""
    if not isinstance(piece, WordsPiece):
        return {}
    return {"audio": {"id": answer.audio_id}} if wanted.has_audio else {"content": ""}


def _deltas(wanted: ChatRequest, piece: Piece) -> Iterator[dict[str, Any]]:
    if isinstance(piece, SoundPiece):
        yield {"audio": {"data": base64.b64encode(piece.pcm).decode()}}
    elif isinstance(piece, WordsPiece):
        yield {"audio": {"transcript": piece.text}} if wanted.has_audio else {"content": piece.text}
    else:
        yield from _call_deltas(piece)


def _call_deltas(call: CallPiece) -> Iterator[dict[str, Any]]:
    yield {"tool_calls": [{"index": call.index, **call.as_json, "function": {"name": call.name, "arguments": ""}}]}
    for arguments in deltas(call.arguments) or [call.arguments]:
        yield {"tool_calls": [{"index": call.index, "function": {"arguments": arguments}}]}


def _whole(wanted: ChatRequest, answer: ChatAnswer, pcm: bytes, expires_at: int | None) -> bytes:
    """Return the answer as JSON; takes up to seconds if it holds audio."""
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    if expires_at is not None:
        data = base64.b64encode(encode(pcm, wanted.format)).decode()
        message["audio"] = {
            "id": answer.audio_id,
            "data": data,
            "expires_at": expires_at,
            "transcript": answer.text,
        }
    elif answer.text or not answer.calls:
        message["content"] = answer.text
    if answer.calls:
        message["tool_calls"] = [call.as_json for call in answer.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
    return msgspec.json.encode(
        {
            "id": answer.id,
            "object": "chat.completion",
            "created": int(time.time()),
            "model": wanted.model,
            "choices": [choice],
            "usage": answer.usage,
            "system_fingerprint": None,
            **answer.parts,
        }
    )
