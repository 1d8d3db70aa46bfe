"""Requests in, answers out: bodies and forms of up to 25 MB, and errors in the API's shape."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ..api_errors import ApiError, of_failure
from ..realtime.conversation_state import new_id
from .json_fields import MOST_DEPTH, Fields, is_too_deep

#: What the API takes, too: 25 MiB.
LARGEST_BODY = 25 * 1024 * 1024

Handler = Callable[[Request], Awaitable[Response]]


def answering(handler: Handler) -> Handler:
    """Return an endpoint that answers with the API's errors what `handler` raises."""

    async def endpoint(request: Request) -> Response:
        try:
            response = await handler(request)
        except ClientDisconnect:
            response = Response(status_code=499)  # Nobody reads it.
        except Exception as error:
            response = refusal(of_failure(error, request.url.path))
        response.headers["x-request-id"] = new_id("req")
        return response

    return endpoint


def refusal(error: ApiError) -> Response:
    """Return an error as an HTTP answer."""
    return JSONResponse(error.body(), status_code=error.status)


async def read_json(request: Request) -> Fields:
    """Return the JSON object that a request brings; raises `ApiError` if it brings something else."""
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
    """Hold the form that a request brings; raises `ApiError` if it brings something else."""
    _require_content_type(request, "multipart/form-data")
    parser = MultiPartParser(request.headers, _pieces(request))
    parser.spool_max_size = LARGEST_BODY  # What somebody said is not written to a disk.
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
    # Only now, at its end: a client that is refused in the middle may lose the answer with the connection.
    if size > LARGEST_BODY:
        raise ApiError(f"Maximum content size limit ({LARGEST_BODY}) exceeded ({size} bytes read)", status=413)


async def not_found(request: Request, error: Exception) -> Response:
    """Answer a request to an address that there is not."""
    return refusal(ApiError(f"Invalid URL ({request.method} {request.url.path})", status=404))


async def wrong_method(request: Request, error: Exception) -> Response:
    """Answer a request with a method that its address does not have."""
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
    """Return the answer that sends `events` as they are made, as server-sent events.

    What goes wrong before the first of them is raised, so that the answer has a status of its own. What goes wrong
    later is sent as an event with an ``error``, which the API's clients raise.
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
