"""The addresses of the HTTP endpoints."""

from __future__ import annotations

from starlette.routing import Route

from . import moderations
from .chat_audio_store import LIFETIME_S, ChatAudioStore
from .chat_completions import ChatEndpoint
from .client_secrets import ClientSecretEndpoint
from .ephemeral_keys import EphemeralKeys
from .http_body import Handler, answering
from .models import ModelsEndpoint
from .realtime_session import Parts
from .speech import SpeechEndpoint
from .transcriptions import TranscriptionEndpoint


def http_routes(parts: Parts, keys: EphemeralKeys, *, audio_lifetime_s: float = LIFETIME_S) -> list[Route]:
    """Return the routes of all endpoints.

    Parameters
    ----------
    parts : Parts
        Brains, voice and ears.
    keys : EphemeralKeys
        Where client secrets are kept.
    audio_lifetime_s : float, default 3600
        How long Chat Completions may refer to what was said.
    """
    chat = ChatEndpoint(parts, ChatAudioStore(lifetime_s=audio_lifetime_s))
    models = ModelsEndpoint(parts)
    posts: dict[str, Handler] = {
        "/v1/chat/completions": chat.post,
        "/v1/audio/transcriptions": TranscriptionEndpoint(parts.ears, parts.brain).post,
        "/v1/audio/speech": SpeechEndpoint(parts.voice).post,
        "/v1/realtime/client_secrets": ClientSecretEndpoint(parts, keys).post,
        "/v1/moderations": moderations.post,
    }
    return [
        *(Route(path, answering(handler), methods=["POST"]) for path, handler in posts.items()),
        Route("/v1/models", answering(models.list), methods=["GET"]),
        Route("/v1/models/{model:path}", answering(models.get), methods=["GET"]),
    ]
