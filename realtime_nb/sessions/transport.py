"""The socket of a session: text messages both ways, with the library's errors in our words."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Mapping
from email.utils import parsedate_to_datetime
from types import TracebackType
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import CloseCode

from ..errors import ConnectionLost, RealtimeError, ServerError
from ..secrecy import QuietLogger, Secrets, hide, secrets_of, shown_cause

# It would tell all headers.
_LOGGER = QuietLogger(logging.getLogger("websockets.client"))
#: How long the server may take to accept the socket.
OPEN_TIMEOUT_S = 15.0
#: What to do about a server that is not there.
LOOK = "check the address and the network, or let realtime_nb.doctor() look"


class Transport:
    """A WebSocket to a Realtime server; use `Transport.open`."""

    def __init__(self, socket: ClientConnection, secrets: Secrets):
        self._socket = socket
        self._secrets = secrets

    @classmethod
    async def open(cls, url: str, headers: dict[str, str]) -> Transport:
        """Connect.

        Raises
        ------
        ServerError
            If the server answers with an error, e.g. to a bad key.
        ConnectionLost
            If it cannot be reached.
        """
        host = urlsplit(url).netloc.rpartition("@")[2]
        loopback = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
        try:
            socket = await connect(
                url,
                additional_headers=headers,
                max_size=None,  # items with audio or images come in one message
                compression=None,  # base64 audio hardly shrinks, and deflate costs more than the rest
                open_timeout=OPEN_TIMEOUT_S,
                proxy=None if loopback else True,
                logger=_LOGGER,
            )
        except InvalidStatus as error:
            raise _refusal(error, host) from shown_cause(error)
        except TimeoutError as error:
            lost = ConnectionLost(f"{host} did not answer within {OPEN_TIMEOUT_S:.0f} s: {LOOK}")
            raise lost from shown_cause(error)
        except (OSError, ValueError, WebSocketException) as error:
            lost = ConnectionLost(f"{host} cannot be reached ({hide(str(error))}): {LOOK}")
            raise lost from shown_cause(error)
        return cls(socket, secrets_of(url, headers))

    async def send(self, message: str) -> None:
        """Send one message; raises `ConnectionLost` where the socket is gone."""
        try:
            await self._socket.send(message)
        except ConnectionClosed as error:
            raise _closed(error) from shown_cause(error)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield messages until the server closes the session normally; raises `ConnectionLost` otherwise."""
        try:
            while True:
                # Some servers name the key that they refuse.
                yield self._secrets.hide_known(await self._socket.recv(decode=False))
        except ConnectionClosed as error:
            # The library ends in peace on 1001 too, by which servers end sessions of their own accord.
            if error.rcvd is None or error.rcvd.code != CloseCode.NORMAL_CLOSURE:
                raise _closed(error) from shown_cause(error)

    async def close(self) -> None:
        """Close the socket; does nothing where it is closed."""
        await self._socket.close()

    async def __aenter__(self) -> Transport:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _closed(error: ConnectionClosed) -> ConnectionLost:
    frame = error.rcvd
    if frame is None:
        return ConnectionLost("the connection broke off; connect again to go on", code=1006)
    return ConnectionLost(hide(frame.reason) or "the server closed the connection", code=frame.code)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds a server asks to wait; `None` where it does not say, or says nothing that can be read.

    A date counts from the server's own, if it tells that. ``retry-after-ms`` is Azure's and OpenAI's.
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        said = _header(headers, name)
        with contextlib.suppress(ValueError):
            if not math.isnan(seconds := float(said) * scale):
                return max(0.0, seconds)
    until, now = _timestamp(_header(headers, "retry-after")), _timestamp(_header(headers, "date"))
    return None if until is None else max(0.0, until - (time.time() if now is None else now))


def _header(headers: Mapping[str, str], name: str) -> str:
    try:
        return headers.get(name) or ""
    except LookupError:
        return ""  # It is there twice.


def _timestamp(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


def _refusal(error: InvalidStatus, host: str) -> RealtimeError:
    """Turn an HTTP answer that is no upgrade into the API's error."""
    status = error.response.status_code
    try:
        detail = msgspec.json.decode(error.response.body or b"")["error"]
        return ServerError(
            hide(detail["message"]),
            code=detail.get("code") or ("invalid_api_key" if status == 401 else None),
            error_type=detail.get("type"),
            param=detail.get("param"),
            retry_after_s=retry_after_s(error.response.headers),
        )
    except (msgspec.DecodeError, KeyError, TypeError):
        pass
    if status in (401, 403):
        return ServerError(f"{host} refused the key (HTTP {status})", code="invalid_api_key")
    if status == 429:
        wait_s = retry_after_s(error.response.headers)
        return ServerError(f"{host} has too much to do (HTTP 429)", code="too_many_requests", retry_after_s=wait_s)
    if status == 404:
        return ConnectionLost(f"{host} has no Realtime endpoint at this address (HTTP 404): check base_url and model")
    return ConnectionLost(f"{host} answered HTTP {status}")
