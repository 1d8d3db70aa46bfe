"""Who may come in: holders of the server's key, or of a short-lived one made with it."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..strangers import Strangers
from .api_errors import ApiError, overloaded

# --- Keys for a browser: they open realtime sessions, nothing else, and only for a while ------------------------------

MOST_KEYS = 1_000
PREFIX = "ek_"


@dataclass(frozen=True)
class EphemeralKey:
    """One key."""

    value: str
    expires_at: int
    """Unix time."""
    session: dict[str, Any]
    """What sessions that it opens begin with, as the client that asked for it gave it; with ``type`` always."""


class EphemeralKeys:
    """The keys that a server has given out."""

    def __init__(self, clock: Callable[[], float] = time.time):
        self._clock = clock
        self._keys: dict[str, EphemeralKey] = {}

    def issue(self, session: dict[str, Any], lifetime_s: int) -> EphemeralKey:
        """Make a key that holds for `lifetime_s` seconds.

        Raises `ApiError` if there are too many.
        """
        now = self._clock()
        if len(self._keys) >= MOST_KEYS:
            self._keys = {value: key for value, key in self._keys.items() if now < key.expires_at}
        if len(self._keys) >= MOST_KEYS:
            raise overloaded(f"At most {MOST_KEYS} client secrets may be valid at once.")
        key = EphemeralKey(f"{PREFIX}{secrets.token_hex(16)}", int(now) + lifetime_s, session)
        self._keys[key.value] = key
        return key

    def find(self, value: str) -> EphemeralKey | None:
        """Return a key, unless it has expired."""
        key = self._keys.get(value)
        return key if key and self._clock() < key.expires_at else None


# --- Who may come in: whoever holds the server's key, or one made with it, from no page that pretends to be this
# machine ---
#
# Loopback is shared by all users of a host and can be reached by every page in a browser, so nothing is open without
# the key. A page whose name was rebound to 127.0.0.1 still sends its own name as Host; it is refused.

_KEY_SUBPROTOCOL = "openai-insecure-api-key."


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def key_of(scope: Scope) -> str | None:
    """Return the key that a request brings: as Bearer, as Azure's ``api-key``, or as a browser's subprotocol."""
    headers = Headers(scope=scope)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    if "api-key" in headers:
        return headers["api-key"]
    for protocol in scope.get("subprotocols", []):
        if protocol.startswith(_KEY_SUBPROTOCOL):
            return str(protocol.removeprefix(_KEY_SUBPROTOCOL))
    return None


class Access:
    """ASGI middleware that lets in who holds the key.

    `ephemeral_keys`: keys that open WebSockets as well; the application finds the one that was used under
    ``"ephemeral_key"``.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        api_key: str,
        loopback_only: bool,
        ephemeral_keys: EphemeralKeys,
        strangers: Strangers,
    ):
        self._app = app
        self._strangers = strangers
        self._key = api_key.encode()
        self._ephemeral_keys = ephemeral_keys
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] in ("http", "websocket"):
            refusal = self._refusal(scope)
            if refusal:
                await refuse(refusal, scope, receive, send)
                return
            self._strangers.known(scope["client"])
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> ApiError | None:
        host = Headers(scope=scope).get("host", "")
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if self._loopback_only and not is_loopback(name):
            return ApiError(f"This server answers only to this machine's own names, not to '{host}'.", status=403)
        key = key_of(scope)
        if key is None:
            return ApiError(
                "You didn't provide an API key. Provide it in an Authorization header using Bearer auth "
                "(i.e. Authorization: Bearer YOUR_KEY).",
                code="invalid_api_key",
                status=401,
            )
        if scope["type"] == "websocket" and (ephemeral := self._ephemeral_keys.find(key)):
            scope["ephemeral_key"] = ephemeral
            return None
        if not hmac.compare_digest(key.encode(), self._key):
            return ApiError("Incorrect API key provided.", code="invalid_api_key", status=401)
        return None


async def refuse(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or a WebSocket before it is open, with an error over HTTP."""
    response: Any = JSONResponse(error.body(), status_code=error.status)
    await response(scope, receive, send)
