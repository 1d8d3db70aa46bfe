"""``POST /v1/realtime/client_secrets``: a key that a browser may hold, with the settings of the sessions that it opens.

Source: the API reference, "Create client secret".
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ..access import EphemeralKeys
from ..api_errors import missing_parameter
from ..realtime.session import Parts
from ..realtime.socket import initial_settings
from .http_body import json_response, read_json

LIFETIME_S = 600
SHORTEST_S, LONGEST_S = 10, 7200


class ClientSecretEndpoint:
    """The endpoint."""

    def __init__(self, parts: Parts, keys: EphemeralKeys):
        self._parts = parts
        self._keys = keys

    async def post(self, request: Request) -> Response:
        """Answer."""
        fields = await read_json(request)
        seconds = LIFETIME_S
        if fields.has("expires_after"):
            after = fields.fields("expires_after")
            after.one_of("anchor", ("created_at",), "created_at")
            seconds = after.integer("seconds", LIFETIME_S, least=SHORTEST_S, most=LONGEST_S)
        session = {"type": "realtime"}
        if fields.has("session"):
            given = fields.fields("session")
            if not given.has("type"):
                raise missing_parameter("session.type")
            if given.has("model"):
                given.text("model")
            session = given.data
        # What a session would refuse is refused here, where somebody can still do something about it.
        model = str(session.get("model") or self._parts.brain.name)
        settings = initial_settings(self._parts, model, session=session)
        key = self._keys.issue(session, seconds)
        return json_response({"value": key.value, "expires_at": key.expires_at, "session": settings.data})
