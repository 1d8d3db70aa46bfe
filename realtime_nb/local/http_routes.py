"""The addresses of the HTTP endpoints."""

from __future__ import annotations

from starlette.routing import Route

from .http_body import answering
from .realtime_session import Parts
from .speech import SpeechEndpoint
from .transcriptions import TranscriptionEndpoint


def http_routes(parts: Parts) -> list[Route]:
    """Return the routes of all endpoints.

    Parameters
    ----------
    parts : Parts
        Brains, voice and ears.
    """
    transcriptions = TranscriptionEndpoint(parts.ears, parts.brain)
    return [
        Route("/v1/audio/transcriptions", answering(transcriptions.post), methods=["POST"]),
        Route("/v1/audio/speech", answering(SpeechEndpoint(parts.voice).post), methods=["POST"]),
    ]
