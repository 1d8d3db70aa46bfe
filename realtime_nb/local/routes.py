"""The addresses of the HTTP endpoints."""

from __future__ import annotations

from starlette.routing import Route

from .access import EphemeralKeys
from .endpoints import moderations
from .endpoints.chat_answer import ChatEndpoint
from .endpoints.chat_audio_store import LIFETIME_S, ChatAudioStore
from .endpoints.client_secrets import ClientSecretEndpoint
from .endpoints.http_body import Handler, answering
from .endpoints.models import ModelsEndpoint
from .endpoints.speech import SpeechEndpoint
from .endpoints.transcriptions import TranscriptionEndpoint
from .realtime.session import Parts

#: OpenAI's, and Azure's.
PREFIXES = ("/v1", "/openai/v1")


def http_routes(parts: Parts, keys: EphemeralKeys, *, audio_lifetime_s: float = LIFETIME_S) -> list[Route]:
    """Return the routes of all endpoints."""
    chat = ChatEndpoint(parts, ChatAudioStore(lifetime_s=audio_lifetime_s))
    models = ModelsEndpoint(parts)
    posts: dict[str, Handler] = {
        "/chat/completions": chat.post,
        "/audio/transcriptions": TranscriptionEndpoint(parts.ears, parts.brain).post,
        "/audio/speech": SpeechEndpoint(parts.voice).post,
        "/realtime/client_secrets": ClientSecretEndpoint(parts, keys).post,
        "/moderations": moderations.post,
    }
    gets: dict[str, Handler] = {"/models": models.list, "/models/{model:path}": models.get}
    routes = [
        Route(f"{prefix}{path}", answering(handler), methods=[method])
        for prefix in PREFIXES
        for method, handlers in (("POST", posts), ("GET", gets))
        for path, handler in handlers.items()
    ]
    # Azure's older form; its clients name the model in the body as well.
    deployed = (path for path in posts if path.startswith(("/chat", "/audio")))
    return routes + [
        Route(f"/openai/deployments/{{deployment}}{path}", answering(posts[path]), methods=["POST"])
        for path in deployed
    ]
