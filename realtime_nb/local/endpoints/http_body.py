"""Requests in, answers out: bodies and forms, read without holding up live sessions."""

from __future__ import annotations

import asyncio
import email
import email.message
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from ...errors import RealtimeError
from ..api_errors import ApiError, missing_parameter
from ..realtime.conversation_state import new_id
from .json_fields import MOST_DEPTH, MOST_VALUES, Fields, count_values, is_too_deep

# --- Forms with files in them, as ``multipart/form-data`` carries them (RFC 7578) -------------------------------------
#
# A body is at most 25 MB and all there, so this looks for the boundaries in it and needs no parser that takes pieces.

_MOST_FIELDS = 1_000
_LONGEST_HEAD = 8_192


@dataclass(frozen=True)
class FormField:
    """One field."""

    name: str
    content: bytes
    filename: str | None = None
    """`None` unless it is a file."""


class Form:
    """A form that was sent."""

    def __init__(self, fields: list[FormField]):
        self._fields = fields

    def file(self, name: str) -> bytes:
        """Return what is in a file; raises `ApiError` if it is not there."""
        for field in self._fields:
            if field.name == name and field.filename is not None:
                return field.content
        raise missing_parameter(name)

    def all(self, name: str) -> list[str]:
        """Return the texts of an array, whose items come as fields called ``name[]`` or ``name``."""
        return [_text(field) for field in self._fields if field.name in (name, f"{name}[]")]

    @property
    def fields(self) -> Fields:
        """All texts by name, the last of each; empty ones count as missing."""
        texts: dict[str, Any] = {field.name: _text(field) or None for field in self._fields if field.filename is None}
        return Fields(texts)


def _text(field: FormField) -> str:
    try:
        return field.content.decode()
    except UnicodeDecodeError as error:
        raise ApiError(f"The field '{field.name}' is not UTF-8.", code="invalid_value", param=field.name) from error


def parse_form(body: bytes | bytearray, content_type: str) -> Form:
    """Return the form that a body holds.

    Raises `ApiError` if it is no form.
    """
    header = email.message.Message()
    header["content-type"] = content_type
    boundary = header.get_boundary()
    if not boundary:
        raise _broken("the Content-Type header names no boundary")
    mark = b"--" + boundary.encode("latin-1", "replace")
    at = 0 if body.startswith(mark) else body.find(b"\r\n" + mark) + 2
    if at == 1:
        raise _broken("its boundary is nowhere in it")
    fields: list[FormField] = []
    while True:
        at += len(mark)
        if body[at : at + 2] == b"--":
            return Form(fields)
        head_end = body.find(b"\r\n\r\n", at, at + _LONGEST_HEAD)
        end = body.find(b"\r\n" + mark, head_end + 2)
        if head_end < 0 or end < 0:
            raise _broken("it ends in the middle of a field")
        if len(fields) == _MOST_FIELDS:
            raise _broken(f"it has more than {_MOST_FIELDS} fields")
        fields.append(_field(bytes(body[at:head_end]), bytes(memoryview(body)[head_end + 4 : end])))
        at = end + 2


def _field(head: bytes, content: bytes) -> FormField:
    headers = email.message_from_bytes(head.partition(b"\r\n")[2] + b"\r\n\r\n")
    name = headers.get_param("name", header="content-disposition")
    if not isinstance(name, str):
        raise _broken("a field has no name")
    return FormField(name, content, headers.get_filename())


def _broken(why: str) -> ApiError:
    return ApiError(f"We could not parse the form in the body of your request: {why}.")


# --- Requests in, answers out: bodies up to 25 MB, read without holding up live sessions, and errors in the API's
# shape ---
#
# The loop only collects what comes in. Whatever takes time with a large body, parsing above all, is done in a thread.

log = logging.getLogger(__name__)

#: What the API takes, too: 25 MiB.
LARGEST_BODY = 25 * 1024 * 1024
# A client that is refused in the middle of its body may lose the answer with the connection, so a body that is too
# large is read on to its end; but not forever.
_MOST_READ = 8 * LARGEST_BODY

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


async def read_body(request: Request) -> bytearray:
    """Return the body of a request.

    Raises `ApiError` with status 413 if it is larger than `LARGEST_BODY`.
    """
    announced = request.headers.get("content-length", "")
    body, size = bytearray(), int(announced) if announced.isdigit() else 0
    if size <= _MOST_READ:
        size = 0
        async for piece in request.stream():
            size += len(piece)
            if size <= LARGEST_BODY:
                body += piece
            elif size > _MOST_READ:
                break
    if size > LARGEST_BODY:
        raise ApiError(f"Maximum content size limit ({LARGEST_BODY}) exceeded ({size} bytes read)", status=413)
    return body


def require_content_type(request: Request, wanted: str) -> None:
    """Raise `ApiError` unless a request's body is of a type."""
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != wanted:
        raise ApiError(
            f"Unsupported content type: '{given}'. This method only accepts '{wanted}' requests.",
            code="unsupported_content_type",
            status=415,
        )


async def read_json(request: Request) -> Fields:
    """Return the JSON object that a request brings; raises `ApiError` if it brings something else."""
    require_content_type(request, "application/json")
    body = await read_body(request)
    return await asyncio.to_thread(_parse, body)


def _parse(body: bytearray) -> Fields:
    if count_values(body, MOST_VALUES) > MOST_VALUES:
        raise ApiError(f"The JSON body of your request holds more than {MOST_VALUES} values.", status=413)
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(f"We could not parse the JSON body of your request: {error}.") from error
    if is_too_deep(data):
        raise ApiError(f"The JSON body of your request is nested more than {MOST_DEPTH} levels deep.")
    return Fields(data)


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
