"""Sound between files and PCM16, and server-sent events, for the endpoints."""

from __future__ import annotations

import base64
import binascii
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import msgspec
from starlette.responses import StreamingResponse

from ...errors import AudioError, RealtimeError
from ...media.clip import WIRE_SAMPLE_RATE, AudioClip
from ..api_errors import ApiError, invalid_value

# --- Sound between files and PCM16, for the endpoints; what takes long, so that they call it in a thread --------------

#: Longest sound in a file: 25 MB can hold hours that take gigabytes once they are samples.
LONGEST_S = 1500.0
_RATES = range(4_000, 384_001)
_SHORTEST_PCM = bytes(WIRE_SAMPLE_RATE // 5)  # 100 ms: some formats have no files without samples
# A call of this length holds the interpreter for a millisecond or two; live sessions get their turn in between.
_BASE64_AT_ONCE = 4 * 262_144


def encode(pcm: bytes, format: str) -> bytes:
    """Return PCM16 at 24 kHz as a file: "wav", "mp3", "flac", "opus", "aac", or "pcm" and "pcm16" as it is."""
    if format in ("pcm", "pcm16"):
        return pcm
    return AudioClip.from_pcm16(pcm or _SHORTEST_PCM).encode(format)


def decode(data: bytes, param: str) -> AudioClip:
    """Return the sound of a file in any format that `AudioClip` reads.

    Raises `ApiError` if it is not audio, or longer than `LONGEST_S`.
    """
    try:
        clip = AudioClip.from_bytes(data, longest_s=LONGEST_S)
    except AudioError as error:
        raise ApiError(
            f"Audio file might be corrupted or unsupported: {error}", code="invalid_value", param=param
        ) from error
    if clip.sample_rate not in _RATES:
        raise invalid_value(param, f"a sample rate of {clip.sample_rate} Hz is none of speech")
    return clip


def decode_base64(text: str, param: str) -> bytes:
    """Return the bytes of a base64 text; raises `ApiError` if it is none."""
    decoded = bytearray()
    try:
        for start in range(0, len(text), _BASE64_AT_ONCE):
            decoded += base64.b64decode(text[start : start + _BASE64_AT_ONCE], validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_value(param, "expected a base64-encoded string") from error
    return bytes(decoded)


# --- Server-sent events, as the API streams them: a line of JSON each -------------------------------------------------

log = logging.getLogger(__name__)

DONE = b"data: [DONE]\n\n"


def line(event: Any) -> bytes:
    """Return one event as it is sent."""
    return b"data: " + msgspec.json.encode(event) + b"\n\n"


async def stream(events: AsyncGenerator[Any, None], *, ends_with_done: bool = False) -> StreamingResponse:
    """Return the answer that sends `events` as they are made.

    What goes wrong before the first of them is raised, so that it can be answered with a status of its own; what goes
    wrong later is sent as an event with an ``error``, which the API's clients raise.
    """
    first = await anext(events)
    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    return StreamingResponse(_lines(first, events, ends_with_done), media_type="text/event-stream", headers=headers)


async def _lines(first: Any, events: AsyncGenerator[Any, None], ends_with_done: bool) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(events):
        yield line(first)
        try:
            async for event in events:
                yield line(event)
        except ApiError as error:
            yield line(error.body())
        except RealtimeError as error:
            yield line(ApiError(str(error), type="server_error").body())
        except Exception:
            log.exception("a stream failed")
            message = "The server had an error while processing your request."
            yield line(ApiError(message, type="server_error").body())
        if ends_with_done:
            yield DONE
