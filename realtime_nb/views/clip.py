"""A clip: a player."""

from __future__ import annotations

from typing import Any

from ..audio import AudioClip
from .budget import AudioBudget
from .html import left_out, player


def clip_bundle(clip: AudioClip) -> dict[str, Any]:
    """Return a clip's looks."""
    budget = AudioBudget()
    markup = player(clip, budget)
    return {"text/plain": repr(clip), "text/html": markup + left_out(budget, 'clip.save("clip.flac")')}
