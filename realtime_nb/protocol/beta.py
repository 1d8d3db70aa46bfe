"""Translate names of the beta dialect, which ended in May 2026; some servers and many logs still use them."""

from __future__ import annotations

import re
from typing import Any

from .settings import setting_at

#: Azure Voice Live and programs that were written for the beta use these.
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
#: Names of audio formats.
FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}

_RATE = re.compile(r"[-_](\d+)hz$", re.IGNORECASE)


def modern_type(kind: str) -> str:
    """Return the current name of an event type."""
    return TYPES.get(kind, kind)


def modern_session(session: dict[str, Any]) -> dict[str, Any]:
    """Move the beta's top-level settings to where the current API has them; a format that is there already stays."""
    audio = session.get("audio")
    if audio and isinstance(audio, dict):
        told = [side for side in ("input", "output") if session.get(f"{side}_audio_format")]
        lacking = [side for side in told if not setting_at(audio, f"{side}.format")]
        return session | {"audio": audio | {side: _filled(session, side) for side in lacking}} if lacking else session
    if not session.keys() & {"input_audio_format", "output_audio_format"}:
        return session
    formats: dict[str, dict[str, Any]] = {side: {"format": _format(session, side)} for side in ("input", "output")}
    formats["output"]["voice"] = session.get("voice")
    formats["input"]["transcription"] = session.get("input_audio_transcription")
    formats["input"]["turn_detection"] = session.get("turn_detection")
    return session | {"audio": formats}


def _filled(session: dict[str, Any], side: str) -> dict[str, Any]:
    """Return a side's settings with the format from the beta's name."""
    settings = setting_at(session, f"audio.{side}")
    return (settings if isinstance(settings, dict) else {}) | {"format": _format(session, side)}


def _format(session: dict[str, Any], side: str) -> dict[str, Any]:
    """Return a side's format in the current shape; Azure Voice Live puts rates in names, e.g. ``"pcm16_16000hz"``."""
    name = str(session.get(f"{side}_audio_format") or "pcm16")
    if found := _RATE.search(name):
        return {"type": FORMATS.get(name[: found.start()], name), "rate": int(found[1])}
    return {"type": FORMATS.get(name, name)}
