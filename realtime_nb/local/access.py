"""Accept only requests that carry the server's key and call this machine by its own name.

All users of a machine share its loopback, and any page in a browser can send requests to it, so every request needs the
key. A page that has pointed its own name at 127.0.0.1 (DNS rebinding) still sends that name as Host, and is refused.
"""

from __future__ import annotations

import hmac
import ipaddress
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..strangers import Strangers
from .api_errors import ApiError

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
    """Return the key of a request: a Bearer token, Azure's ``api-key``, or the subprotocol that a browser sends."""
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
    """ASGI middleware that refuses requests without the key.

    `loopback_only`: whether to refuse names other than this machine's own as well.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        api_key: str,
        loopback_only: bool,
        strangers: Strangers,
    ):
        self._app = app
        self._strangers = strangers
        self._key = api_key.encode()
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
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
        if not hmac.compare_digest(key.encode(), self._key):
            return ApiError("Incorrect API key provided.", code="invalid_api_key", status=401)
        return None


async def refuse(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or a WebSocket that is not open yet, with an HTTP error."""
    response: Any = JSONResponse(error.body(), status_code=error.status)
    await response(scope, receive, send)
