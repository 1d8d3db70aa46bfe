"""The routes of the HTTP endpoints, and ``GET /v1/models``."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..protocol.parts import DEFAULT_MODEL
from .api_errors import ApiError
from .endpoints import moderations
from .endpoints.chat_answer import ChatEndpoint
from .endpoints.chat_request import AUDIO_LIFETIME_S, ChatAudioStore
from .endpoints.http_body import Handler, answering, json_response
from .endpoints.speech import SpeechEndpoint
from .endpoints.transcriptions import TranscriptionEndpoint
from .realtime.session import Parts

#: OpenAI's, and Azure's.
PREFIXES = ("/v1", "/openai/v1")


def http_routes(parts: Parts, *, audio_lifetime_s: float = AUDIO_LIFETIME_S) -> list[Route]:
    """Return the routes of all endpoints."""
    chat = ChatEndpoint(parts, ChatAudioStore(lifetime_s=audio_lifetime_s))
    models = ModelsEndpoint(parts)
    posts: dict[str, Handler] = {
        "/chat/completions": chat.post,
        "/audio/transcriptions": TranscriptionEndpoint(parts.recognizer, parts.brain).post,
        "/audio/speech": SpeechEndpoint(parts.voice).post,
        "/moderations": moderations.post,
    }
    gets: dict[str, Handler] = {"/models": models.list, "/models/{model:path}": models.get}
    routes = [
        Route(f"{prefix}{path}", answering(handler), methods=[method])
        for prefix in PREFIXES
        for method, handlers in (("POST", posts), ("GET", gets))
        for path, handler in handlers.items()
    ]
    # Azure's older form. Its clients put the model into the body as well.
    deployed = (path for path in posts if path.startswith(("/chat", "/audio")))
    return routes + [
        Route(f"/openai/deployments/{{deployment}}{path}", answering(posts[path]), methods=["POST"])
        for path in deployed
    ]


# --- ``GET /v1/models`` -----------------------------------------------------------------------------------------------

# Requests may name other models, too: the same parts answer. Source of the shape: the API reference, "List models";
# ``parts`` is this server's own. The default model is answered by the server's brain, whichever that is.
RECOGNIZER = "local-transcribe"
SYNTHESIZER = "local-tts"


class ModelsEndpoint:
    """The endpoint that lists the models."""

    def __init__(self, parts: Parts):
        self._parts = parts
        self._names = list(dict.fromkeys([DEFAULT_MODEL, parts.brain.name, *parts.others, RECOGNIZER, SYNTHESIZER]))

    async def list(self, request: Request) -> Response:
        """Answer with all models."""
        return json_response({"object": "list", "data": [self._model(name) for name in self._names]})

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
        return json_response(self._model(name))

    def _model(self, name: str) -> dict[str, Any]:
        model = {"id": name, "object": "model", "created": 0, "owned_by": "realtime_nb", "shutdown_date": None}
        return {**model, "parts": self._parts.answering(name).to_dict()}
