"""Names of the beta dialect, which ended in May 2026, in those of today: some servers and many logs still use them."""

from __future__ import annotations

from typing import Any

#: Azure Voice Live speaks so, and what was written for the beta.
TYPES = {
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "conversation.item.created": "conversation.item.added",
    "transcription_session.created": "session.created",
    "transcription_session.updated": "session.updated",
}
#: Names of sound formats.
FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}


def modern_type(kind: str) -> str:
    """Return today's name of an event's type."""
    return TYPES.get(kind, kind)


def modern_session(session: dict[str, Any]) -> dict[str, Any]:
    """Say where today's API keeps what the beta kept at the top of a session."""
    if "audio" in session or "input_audio_format" not in session:
        return session
    formats: dict[str, dict[str, Any]] = {
        side: {"format": {"type": FORMATS.get(str(session.get(f"{side}_audio_format")), "audio/pcm")}}
        for side in ("input", "output")
    }
    formats["output"]["voice"] = session.get("voice")
    formats["input"]["transcription"] = session.get("input_audio_transcription")
    formats["input"]["turn_detection"] = session.get("turn_detection")
    return session | {"audio": formats}
