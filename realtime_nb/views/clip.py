"""A clip: a player."""

from __future__ import annotations

from typing import Any

from ..audio import AudioClip
from .html import player


def clip_bundle(clip: AudioClip) -> dict[str, Any]:
    """Return a clip's looks."""
    return {"text/plain": repr(clip), "text/html": player(clip)}
