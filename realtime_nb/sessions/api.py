"""The official SDK behind the sessions that speak HTTP; loaded when the first one connects."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from .. import numeric
from ..errors import ConnectionLost, LocalProtocolError, ServerError
from ..protocol.chat import CompletionReader
from ..protocol.mending import parse, well_formed
from ..secrecy import Secret, hide, masked, shown_cause
from .backend import Backend
from .connection import LOOK, retry_after_s
from .rate_limit import Admission

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI, DefaultAsyncHttpxClient

#: The API version in which Azure's Chat Completions takes and returns audio.
_AZURE_API_VERSION = "2025-01-01-preview"
#: What the lines of an event stream start with. Source: HTML standard, "Server-sent events".
_STREAMED = ("data:", "event:", "id:", "retry:", ":")
#: How many characters of an unexpected answer an error quotes.
_QUOTED = 120


class Api:
    """A backend's HTTP endpoints."""

    def __init__(self, backend: Backend, client: AsyncOpenAI | None = None):
        self.backend = backend
        self._given = client
        self._own: AsyncOpenAI | None = None
        self.admission: Admission | None = None
        """Makes our own client wait and resend when the server refuses a request as one too many."""
        self._making = asyncio.Lock()
        self._closings = 0

    @classmethod
    def find(cls, backend: Backend | str | None, api_key: str | None, client: AsyncOpenAI | None) -> Api:
        """Return the endpoints for these arguments; a caller's own client already knows where to send."""
        backend, api_key = masked(backend), Secret.of_key(api_key)
        return cls(_backend_of(client) if client else Backend.find(backend, api_key=api_key), client)

    @property
    def secrets(self) -> list[str]:
        """The key of the caller's own client."""
        key = getattr(self._given, "api_key", None)
        return [Secret(key)] if isinstance(key, str) else []

    async def client(self) -> AsyncOpenAI:
        """Return the client. Loading the SDK and starting the local voice take a while, so they run off the loop.

        Raises `LocalProtocolError` if the session is closed in the meantime.
        """
        if self._given is not None:
            return self._given
        closings = self._closings
        async with self._making:
            own = self._own
            if own is None and self._closings == closings:
                own = await asyncio.to_thread(_client, self.backend, self.admission)
                if self._closings != closings:
                    await own.close()
            if own is None or self._closings != closings:
                raise LocalProtocolError("the session was closed before it was open")
            self._own = own
            return own

    async def close(self) -> None:
        """Close our own client, even while it is still being made."""
        self._closings += 1
        own, self._own = self._own, None
        if own is not None:
            await own.close()


def _backend_of(client: AsyncOpenAI) -> Backend:
    """Return the address and key of a caller's client: a chain may need a socket there, too."""
    from openai import AsyncAzureOpenAI

    address = client.base_url
    key = Secret("" if client.api_key.startswith("<") else client.api_key)  # The SDK's placeholder beside a token.
    if isinstance(client, AsyncAzureOpenAI):
        return Backend("azure", f"{address.scheme}://{address.netloc.decode()}", key, azure=True)
    name = "openai" if address.host == "api.openai.com" else address.host
    return Backend(name, str(address).rstrip("/"), key)


def _client(backend: Backend, admission: Admission | None) -> AsyncOpenAI:
    from openai import AsyncAzureOpenAI, AsyncOpenAI

    numeric.load()  # Answers may be spoken.
    located = backend.located()
    http_client = None if admission is None else _patient(admission)
    headers = located.headers() if located.user else {}
    if located.azure:
        return AsyncAzureOpenAI(
            azure_endpoint=located.base_url,
            api_key=located.api_key,
            api_version=_AZURE_API_VERSION,
            http_client=http_client,
            default_headers=headers,
            default_query=located.http_query,
        )
    # The SDK insists on a key; servers that need none take any.
    return AsyncOpenAI(
        base_url=located.base_url,
        api_key=located.api_key or "none",
        http_client=http_client,
        default_headers=headers,
        default_query=located.http_query,
    )


def _patient(admission: Admission) -> DefaultAsyncHttpxClient:
    """Return an HTTP client that waits and sends again when a server has too many requests.

    The SDK itself gives up after its second attempt, and does not say that it waits.
    """
    from openai import DefaultAsyncHttpxClient

    class Patient(DefaultAsyncHttpxClient):
        async def send(self, request: Any, **options: Any) -> Any:
            while True:
                answer = await super().send(request, **options)
                wait_s = retry_after_s(answer.headers)
                if answer.status_code != 429 and (answer.status_code != 503 or wait_s is None):
                    # The SDK would wait in silence, twice.
                    for name in ("retry-after", "retry-after-ms"):
                        answer.headers.pop(name, None)
                    return answer
                await answer.aread()
                try:
                    code = answer.json()["error"]["code"]
                except (ValueError, KeyError, TypeError, RecursionError):
                    code = None  # The body is not an error of the API's: the status must do.
                if answer.status_code == 503:
                    code = "too_many_requests"
                error = ServerError("", code=str(code or "too_many_requests"), retry_after_s=wait_s)
                if not admission.refuses(error):
                    if error.is_for_later or error.fatal:
                        answer.headers["x-should-retry"] = "false"  # The SDK would ask again for nothing.
                    return answer
                await admission.admit_again()

    return Patient()


@asynccontextmanager
async def told_by_sdk() -> AsyncIterator[None]:
    """Turn the SDK's errors into ours; the API's code and message stay.

    Raises `ServerError` if the server answered with an error; `ConnectionLost` if it could not be reached, or the
    answer broke off.
    """
    from openai import APIConnectionError, APIError, APIStatusError

    try:
        yield
    except APIStatusError as error:
        raise _refusal(error) from shown_cause(error)
    except APIConnectionError as error:
        host, reason = error.request.url.netloc.decode(), hide(str(error.__cause__ or error))
        raise ConnectionLost(f"{host} cannot be reached ({reason}): {LOOK}") from shown_cause(error)
    except APIError as error:
        raise _told(error.message, error.code, error.type, error.param) from shown_cause(error)
    except Exception as error:
        # The SDK passes on httpx's own errors if an answer breaks off, or is not compressed as it says.
        if not type(error).__module__.startswith("httpx"):
            raise
        raise ConnectionLost(f"the server's answer broke off: {hide(str(error)) or type(error).__name__}") from (
            shown_cause(error)
        )


def _refusal(error: APIStatusError) -> ServerError:
    """Turn an error answer into a `ServerError`; no frame in its traceback holds the original."""
    body: dict[str, Any] = error.body if isinstance(error.body, dict) else {}
    code = body.get("code") or {401: "invalid_api_key", 429: "too_many_requests"}.get(error.status_code)
    # Each server has its own name for this.
    kind = "server_error" if error.status_code >= 500 else body.get("type")
    message, wait_s = str(body.get("message") or error.message), retry_after_s(error.response.headers)
    return _told(message, code, kind, body.get("param"), retry_after_s=wait_s)


def _told(message: str, *details: Any, retry_after_s: float | None = None) -> ServerError:
    """Return an error without secrets, given its code, type and parameter: some servers name the key in any of them."""
    code, kind, param = (None if each is None else hide(str(each)) for each in details)
    return ServerError(hide(message), code=code, error_type=kind, param=param, retry_after_s=retry_after_s)


class ServerAnswer:
    """A server's answer: one JSON object, or a stream of them."""

    def __init__(self, response: Any):
        self._response = response
        self.is_whole = False
        """True if the server said that nothing follows."""
        self.remarks: list[str] = []
        """Remarks on odd JSON that was repaired."""

    @property
    def where(self) -> str:
        """The server's address, without its secrets."""
        url = self._response.http_request.url
        return f"{url.host}{url.path}"

    @property
    def kind(self) -> str:
        """The content type that the server gives."""
        return str(self._response.headers.get("Content-Type") or "").partition(";")[0].strip().lower()

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        lines = lines_of(self._response.iter_bytes())
        first = ""
        async for first in lines:
            if first.strip():
                break
        if not first.startswith(_STREAMED):
            yield self.read("\n".join([first, *[line async for line in lines]]))
            self.is_whole = True
            return
        data = [first[5:]] if first.startswith("data:") else []
        async for line in lines:
            if line.startswith("data:"):
                data.append(line[5:])
            elif not line and data:
                if (text := "\n".join(data).strip()) == "[DONE]":
                    self.is_whole = True
                    return
                yield self.read(text)
                data = []
        # Some servers forget the empty line after the last event.
        if data:
            self.is_whole = "\n".join(data).strip() == "[DONE]"
            if not self.is_whole:
                yield self.read("\n".join(data))

    async def completion(self, reader: CompletionReader) -> AsyncIterator[dict[str, Any]]:
        """Yield the pieces of a completion, while `reader` takes them in.

        Raises `ServerError` if there is no answer in them, or they break off before its end.
        """
        try:
            async for told in self:
                yield told
        except ServerError as error:
            if not reader.is_finished:
                raise
            reader.remarks.append(f"the server sent something unreadable after the end of an answer: {error}")
        finally:
            reader.remarks += self.remarks
        if problem := reader.problem:
            raise ServerError(f"{self.where}: {problem}")
        if not (self.is_whole or reader.finish_reason or reader.usage):
            raise ServerError(
                f"{self.where} ended its stream before the answer was complete: neither a finish_reason nor [DONE] "
                "came; ask again"
            )

    def read(self, text: str) -> dict[str, Any]:
        """Read a JSON object.

        Raises `ServerError` if it is not one, or if it reports an error.
        """
        odd: set[str] = set()
        told = _object(text, odd)
        self.remarks += [f"In an answer {each}." for each in sorted(odd) if f"In an answer {each}." not in self.remarks]
        if told is None or "error" in told or told.get("type") == "error":
            # It may name a key, which must not stay in a variable that a traceback shows.
            told = _object(text := hide(text), odd)
        if told is None:
            raise ServerError(
                f"{self.where} did not send a JSON object, but {self._in_words(text)}: check base_url, and whether the "
                "model is served there"
            )
        if error := told.get("error") or (told if told.get("type") == "error" else None):
            detail = error if isinstance(error, dict) else {"message": error}
            message = well_formed(str(detail.get("message") or error))
            raise _told(message, *(detail.get(name) for name in ("code", "type", "param")))
        return told

    def _in_words(self, text: str) -> str:
        text = " ".join(text.split())
        if not text:
            return "nothing at all"
        start = text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1]}…"
        return f"{self.kind or 'something'}: {hide(well_formed(start))!r}"


def _object(text: str, odd: set[str]) -> dict[str, Any] | None:
    try:
        told = parse(text, odd)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


async def lines_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Yield the lines of a text as it arrives; only CR and LF end a line."""
    waiting: list[bytes] = []
    async for piece in pieces:
        if b"\n" not in piece and b"\r" not in piece and not (waiting and waiting[-1].endswith(b"\r")):
            waiting.append(piece)
            continue
        # A CR at the end may be half of a line end.
        *whole, rest = re.split(rb"\r\n|\n|\r(?!\Z)", b"".join([*waiting, piece]))
        waiting = [rest]
        for line in whole:
            yield line.decode("utf-8", "replace").removeprefix("\ufeff")
    if rest := b"".join(waiting).rstrip(b"\r"):
        yield rest.decode("utf-8", "replace").removeprefix("\ufeff")
