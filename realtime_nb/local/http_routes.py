"""The addresses of the HTTP endpoints."""

from __future__ import annotations

from starlette.routing import Route

from .chat_audio_store import LIFETIME_S, ChatAudioStore
from .chat_completions import ChatEndpoint
from .http_body import answering
from .realtime_session import Parts
from .speech import SpeechEndpoint
from .transcriptions import TranscriptionEndpoint


def http_routes(parts: Parts, *, audio_lifetime_s: float = LIFETIME_S) -> list[Route]:
    """Return the routes of all endpoints.

    Parameters
    ----------
    parts : Parts
        Brains, voice and ears.
    audio_lifetime_s : float, default 3600
        How long Chat Completions may refer to what was said.
    """
    chat = ChatEndpoint(parts, ChatAudioStore(lifetime_s=audio_lifetime_s))
    transcriptions = TranscriptionEndpoint(parts.ears, parts.brain)
    return [
        Route("/v1/chat/completions", answering(chat.post), methods=["POST"]),
        Route("/v1/audio/transcriptions", answering(transcriptions.post), methods=["POST"]),
        Route("/v1/audio/speech", answering(SpeechEndpoint(parts.voice).post), methods=["POST"]),
    ]
