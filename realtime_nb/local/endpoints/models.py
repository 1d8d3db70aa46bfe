"""``GET /v1/models``: what there is here. Any other name of a model is taken too, and answered by the same parts.

Source: the API reference, "List models"; ``shutdown_date`` is a day, or null for a model that stays.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..api_errors import ApiError
from ..realtime.session import Parts
from .http_body import json_response

RECOGNIZER = "local-sphinx"
SYNTHESIZER = "local-espeak"


class ModelsEndpoint:
    """The endpoint."""

    def __init__(self, parts: Parts):
        self._names = list(dict.fromkeys([parts.brain.name, *parts.others, RECOGNIZER, SYNTHESIZER]))

    async def list(self, request: Request) -> Response:
        """Answer with all models."""
        return json_response({"object": "list", "data": [_model(name) for name in self._names]})

    async def get(self, request: Request) -> Response:
        """Answer with one model."""
        name = request.path_params["model"]
        if name not in self._names:
            raise ApiError(
                f"The model '{name}' does not exist or you do not have access to it.",
                code="model_not_found",
                param="model",
                status=404,
            )
        return json_response(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "realtime_nb", "shutdown_date": None}
