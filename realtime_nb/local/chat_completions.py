"""``POST /v1/chat/completions``: messages with text and sound in, text or speech out, whole or as it is made.

Source: the API reference, "Create chat completion", and recorded streams with audio: their first chunk has the audio's
id, transcript and data come apart from each other, and the last update has only ``expires_at``.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from .chat_answer import Call, ChatAnswer, Piece, Sound, Words
from .chat_audio_store import ChatAudioStore
from .chat_request import ChatRequest
from .encoding import encode
from .http_body import read_json
from .realtime_session import Parts
from .responder import deltas
from .sse import stream

# Each turn brings all recordings of the conversation again; what was recognised once is known.
_MOST_HEARD = 1_000


class ChatEndpoint:
    """The endpoint.

    Parameters
    ----------
    parts : Parts
        Brains, voice and ears.
    store : ChatAudioStore
        What was said before.
    """

    def __init__(self, parts: Parts, store: ChatAudioStore):
        self._parts = parts
        self._store = store
        self._heard: OrderedDict[tuple[bytes, int], str] = OrderedDict()

    async def post(self, request: Request) -> Response:
        """Answer."""
        fields = await read_json(request)
        wanted = await asyncio.to_thread(ChatRequest.read, fields, self._store.find)
        brain = self._parts.brain_of(wanted.model)
        await self._hear(wanted)
        answer = ChatAnswer(wanted, brain, self._parts.voice)
        if wanted.is_stream:
            return await stream(self._chunks(wanted, answer), ends_with_done=True)
        pcm = b"".join([piece.pcm async for piece in answer.pieces() if isinstance(piece, Sound)])
        expires_at = self._keep(wanted, answer)
        content = await asyncio.to_thread(_whole, wanted, answer, pcm, expires_at)
        return Response(content, media_type="application/json")

    async def _hear(self, wanted: ChatRequest) -> None:
        """Recognise what was said in the messages."""
        if not wanted.messages.recordings:
            return
        ears = self._parts.ears
        vocabulary = self._parts.brain_of(wanted.model).vocabulary
        expected = await ears.expect(
            instructions=wanted.messages.instructions, tools=wanted.tools, sentences=vocabulary
        )
        circumstances = hash((wanted.model, wanted.messages.instructions, json.dumps(wanted.tools)))
        for part, recording in wanted.messages.recordings:
            key = recording.digest, circumstances
            if key not in self._heard:
                heard = [await ears.recognize(utterance.pcm, expected) for utterance in recording.utterances]
                self._heard[key] = " ".join(filter(None, heard))
            self._heard.move_to_end(key)
            part.heard = self._heard[key]
            while len(self._heard) > _MOST_HEARD:
                self._heard.popitem(last=False)

    def _keep(self, wanted: ChatRequest, answer: ChatAnswer) -> int | None:
        """Keep what was said, so that the next turn may refer to it."""
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
        yield chunk(first, answer.finish_reason)
        if wanted.includes_usage:
            yield {**head, "choices": [], "usage": answer.usage}


def _opening(wanted: ChatRequest, answer: ChatAnswer, piece: Piece) -> dict[str, Any]:
    """Return what the first chunk says of an answer that begins with `piece`."""
    if not isinstance(piece, Words):
        return {}
    return {"audio": {"id": answer.audio_id}} if wanted.has_audio else {"content": ""}


def _deltas(wanted: ChatRequest, piece: Piece) -> Iterator[dict[str, Any]]:
    if isinstance(piece, Sound):
        yield {"audio": {"data": base64.b64encode(piece.pcm).decode()}}
    elif isinstance(piece, Words):
        yield {"audio": {"transcript": piece.text}} if wanted.has_audio else {"content": piece.text}
    else:
        yield from _call_deltas(piece)


def _call_deltas(call: Call) -> Iterator[dict[str, Any]]:
    yield {"tool_calls": [{"index": call.index, **call.as_json, "function": {"name": call.name, "arguments": ""}}]}
    for arguments in deltas(call.arguments) or [call.arguments]:
        yield {"tool_calls": [{"index": call.index, "function": {"arguments": arguments}}]}


def _whole(wanted: ChatRequest, answer: ChatAnswer, pcm: bytes, expires_at: int | None) -> bytes:
    """Return the answer as JSON; takes up to seconds where there is sound in it."""
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
        }
    )
