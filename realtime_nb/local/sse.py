"""Server-sent events, as the API streams them: a line of JSON each."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import msgspec
from starlette.responses import StreamingResponse

from ..errors import RealtimeError
from .api_errors import ApiError

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
