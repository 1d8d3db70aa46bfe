"""Read the bodies of requests, and write answers, streams and errors as the API does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import python_multipart  # noqa: F401 – Starlette reads forms with it, and misses it only at the first one.
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ..api_errors import ApiError, of_failure
from ..realtime.conversation_state import new_id
from .json_fields import MOST_DEPTH, Fields, is_too_deep

#: 25 MiB, as for the API.
LARGEST_BODY = 25 * 1024 * 1024

Handler = Callable[[Request], Awaitable[Response]]


def answering(handler: Handler) -> Handler:
    """Return an endpoint that turns exceptions from `handler` into the API's errors."""

    async def endpoint(request: Request) -> Response:
        try:
            response = await handler(request)
        except ClientDisconnect:
            response = Response(status_code=499)  # The client is gone.
        except Exception as error:
            response = refusal(of_failure(error, request.url.path))
        response.headers["x-request-id"] = new_id("req")
        return response

    return endpoint


def refusal(error: ApiError) -> Response:
    """Return an error as an HTTP answer."""
    return JSONResponse(error.body(), status_code=error.status)


async def read_json(request: Request) -> Fields:
    """Return the JSON object in the body of a request; raises `ApiError` if there is none."""
    _require_content_type(request, "application/json")
    return await asyncio.to_thread(_parse, b"".join([piece async for piece in _pieces(request)]))


def _parse(body: bytes) -> Fields:
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(f"We could not parse the JSON body of your request: {error}.") from error
    if is_too_deep(data):
        raise ApiError(f"The JSON body of your request is nested more than {MOST_DEPTH} levels deep.")
    return Fields(data)


@contextlib.asynccontextmanager
async def read_form(request: Request) -> AsyncGenerator[FormData, None]:
    """Read the form in the body of a request; raises `ApiError` if there is none."""
    _require_content_type(request, "multipart/form-data")
    parser = MultiPartParser(request.headers, _pieces(request))
    parser.spool_max_size = LARGEST_BODY  # Never write speech to the disk.
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise ApiError(f"We could not parse the form in the body of your request: {error.message}") from error
    try:
        yield form
    finally:
        await form.close()


def _require_content_type(request: Request, wanted: str) -> None:
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != wanted:
        raise ApiError(
            f"Unsupported content type: '{given}'. This method only accepts '{wanted}' requests.",
            code="unsupported_content_type",
            status=415,
        )


async def _pieces(request: Request) -> AsyncGenerator[bytes, None]:
    """Yield the body of a request; raises `ApiError` if it is larger than `LARGEST_BODY`."""
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size <= LARGEST_BODY:
            yield piece
    # Refused only at its end: if it were cut off in the middle, a client might lose the answer with the connection.
    if size > LARGEST_BODY:
        raise ApiError(f"Maximum content size limit ({LARGEST_BODY}) exceeded ({size} bytes read)", status=413)


async def not_found(request: Request, error: Exception) -> Response:
    """Answer a request for an address that does not exist."""
    return refusal(ApiError(f"Invalid URL ({request.method} {request.url.path})", status=404))


async def wrong_method(request: Request, error: Exception) -> Response:
    """Answer a request whose method its address does not take."""
    message = (
        f"Not allowed to {request.method} on {request.url.path}. "
        "(HINT: Perhaps you meant to use a different HTTP method?)"
    )
    response = refusal(ApiError(message, code="method_not_supported", status=405))
    response.headers["allow"] = (getattr(error, "headers", None) or {}).get("Allow", "")
    return response


def json_response(data: Any) -> Response:
    """Return data as JSON."""
    return Response(msgspec.json.encode(data), media_type="application/json")


async def stream(events: AsyncGenerator[Any, None], *, ends_with_done: bool = False) -> StreamingResponse:
    """Return an answer that streams `events` as server-sent events.

    Errors before the first event are raised, so that the answer gets their status. Later ones are sent as an event
    with an ``error``, which the API's clients raise.
    """
    first = await anext(events)
    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    return StreamingResponse(_lines(first, events, ends_with_done), media_type="text/event-stream", headers=headers)


async def _lines(first: Any, events: AsyncGenerator[Any, None], ends_with_done: bool) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(events):
        yield _line(first)
        try:
            async for event in events:
                yield _line(event)
        except Exception as error:
            yield _line(of_failure(error, "a stream").body())
        if ends_with_done:
            yield b"data: [DONE]\n\n"


def _line(event: Any) -> bytes:
    return b"data: " + msgspec.json.encode(event) + b"\n\n"
