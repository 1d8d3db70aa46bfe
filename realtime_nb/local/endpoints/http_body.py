"""Requests in, answers out: bodies and forms of up to 25 MB, and errors in the API's shape."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from ...errors import RealtimeError
from ..api_errors import ApiError
from ..realtime.conversation_state import new_id
from .json_fields import MOST_DEPTH, Fields, is_too_deep

log = logging.getLogger(__name__)

#: What the API takes, too: 25 MiB.
LARGEST_BODY = 25 * 1024 * 1024

Handler = Callable[[Request], Awaitable[Response]]


def answering(handler: Handler) -> Handler:
    """Return an endpoint that answers with the API's errors what `handler` raises."""

    async def endpoint(request: Request) -> Response:
        try:
            response = await handler(request)
        except ApiError as error:
            response = refusal(error)
        except RealtimeError as error:
            log.warning("%s failed: %s", request.url.path, error)
            response = refusal(ApiError(str(error), type="server_error"))
        except ClientDisconnect:
            response = Response(status_code=499)  # nobody reads it
        except Exception:
            log.exception("%s failed", request.url.path)
            message = "The server had an error while processing your request."
            response = refusal(ApiError(message, type="server_error"))
        response.headers["x-request-id"] = new_id("req")
        return response

    return endpoint


def refusal(error: ApiError) -> Response:
    """Return an error as an HTTP answer."""
    # What a session tells in an event says in its type whose fault it was; here the status has to.
    status = 500 if error.type == "server_error" else error.status
    return JSONResponse(error.body(), status_code=status)


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


@asynccontextmanager
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
    """Return data as JSON; quick even with minutes of sound in it, but see that large data are encoded in a thread."""
    return Response(msgspec.json.encode(data), media_type="application/json")
