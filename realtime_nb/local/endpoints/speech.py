"""``POST /v1/audio/speech``: text in, audio out, whole or as a stream.

Source: the API reference, "Create speech". ``instructions`` change nothing here, and the voices limit ``speed``:
espeak-ng speaks 80 to 449 words per minute, and hibari is 2.4 times as fast at a speed of 4 as at 1.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import math
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ...media.clip import WIRE_SAMPLE_RATE
from ...protocol.parts import VOICE_HEADER
from ..api_errors import ApiError, unsupported_value
from ..realtime.responder import TextToSpeech
from ..realtime.usage import OUTPUT_MS_PER_TOKEN, text_tokens
from ..synthesis.synthesizer import VOICES, Speech
from .audio_files import encode
from .http_body import read_json, stream
from .json_fields import Fields, model_of

LONGEST_INPUT = 4096
FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
MIME_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_BYTES_PER_MS = WIRE_SAMPLE_RATE * 2 // 1000
_EVENT_BYTES = 16_384


@dataclass(frozen=True)
class SpeechRequest:
    """A request: what to say, and how."""

    text: str
    voice: str
    format: str
    speed: float
    instructions: str
    is_stream: bool

    @classmethod
    def read(cls, fields: Fields) -> SpeechRequest:
        """Return the request in a body; raises `ApiError` where the API would refuse it."""
        model_of(fields)
        text = fields.text("input")
        if not text:
            raise _length_error("short", "minimum length 1", "below_min", text)
        if len(text) > LONGEST_INPUT:
            raise _length_error("long", f"maximum length {LONGEST_INPUT}", "above_max", text)
        form = fields.one_of("response_format", FORMATS, "mp3")
        return cls(
            text=text,
            voice=voice_of(fields),
            format=form,
            speed=fields.number("speed", 1.0, least=0.25, most=4.0),
            instructions=fields.text("instructions", ""),
            is_stream=fields.one_of("stream_format", ("audio", "sse"), "audio") == "sse",
        )

    def usage(self, size: int) -> dict[str, int]:
        """Return the usage object for that many bytes of PCM16."""
        read = text_tokens(self.text) + text_tokens(self.instructions)
        spoken = math.ceil(size / _BYTES_PER_MS / OUTPUT_MS_PER_TOKEN)
        return {"input_tokens": read, "output_tokens": spoken, "total_tokens": read + spoken}


def _length_error(how: str, expected: str, code: str, text: str) -> ApiError:
    return ApiError(
        f"Invalid 'input': string too {how}. Expected a string with {expected}, "
        f"but got a string with length {len(text)} instead.",
        code=f"string_{code}_length",
        param="input",
    )


def voice_of(fields: Fields) -> str:
    """Return the voice in an object, a name or ``{"id": …}``; raises `ApiError` if there is no such voice."""
    voice = fields.fields("voice").text("id") if isinstance(fields.data.get("voice"), dict) else fields.text("voice")
    if voice not in VOICES:
        raise unsupported_value(fields.at("voice"), voice, VOICES)
    return str(voice)


class SpeechEndpoint:
    """The endpoint."""

    def __init__(self, voice: TextToSpeech):
        self._voice = voice

    async def post(self, request: Request) -> Response:
        """Answer."""
        wanted = SpeechRequest.read(await read_json(request))
        if wanted.is_stream:
            return await stream(self._events(wanted))
        if wanted.format == "pcm":
            return await self._chunks(wanted)
        content = await asyncio.to_thread(encode, await self._whole(wanted), wanted.format)
        return Response(content, media_type=MIME_TYPES[wanted.format])

    async def _pieces(self, wanted: SpeechRequest) -> AsyncGenerator[Speech, None]:
        pieces = self._voice.speak(wanted.text, voice=wanted.voice, speed=wanted.speed)
        async with contextlib.aclosing(pieces):
            async for piece in pieces:
                if piece.pcm:
                    yield piece

    async def _whole(self, wanted: SpeechRequest) -> bytes:
        return b"".join([piece.pcm async for piece in self._pieces(wanted)])

    async def _chunks(self, wanted: SpeechRequest) -> Response:
        pieces = self._pieces(wanted)
        first = await anext(
            pieces, Speech(b"", engine="")
        )  # Before the answer begins, so that a failure sets its status.

        async def chunks() -> AsyncIterator[bytes]:
            async with contextlib.aclosing(pieces):
                yield first.pcm
                async for piece in pieces:
                    yield piece.pcm

        return StreamingResponse(chunks(), media_type=MIME_TYPES["pcm"], headers={VOICE_HEADER: first.engine})

    async def _events(self, wanted: SpeechRequest) -> AsyncGenerator[dict[str, Any], None]:
        size = 0
        if wanted.format == "pcm":
            async with contextlib.aclosing(self._pieces(wanted)) as pieces:
                async for piece in pieces:
                    size += len(piece.pcm)
                    yield _delta(piece.pcm)
        else:
            pcm = await self._whole(wanted)
            size = len(pcm)
            content = await asyncio.to_thread(encode, pcm, wanted.format)
            for start in range(0, len(content), _EVENT_BYTES):
                yield _delta(content[start : start + _EVENT_BYTES])
        yield {"type": "speech.audio.done", "usage": wanted.usage(size)}


def _delta(audio: bytes) -> dict[str, Any]:
    return {"type": "speech.audio.delta", "audio": base64.b64encode(audio).decode()}
