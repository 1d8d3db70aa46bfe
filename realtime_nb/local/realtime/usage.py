"""The usage of a response in the API's tokens, by the published rules of thumb.

Sound counts 1 token per 100 ms as input and 1 per 50 ms as output (Realtime API costs guide). Text counts as four
characters a token, a picture as `realtime_nb.media.picture.picture_tokens` says. Every response reads the whole
conversation again; a prefix that the last response read too is cached, from 1,024 tokens on and in steps of 64 (prompt
caching guide).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .conversation_state import ItemState
from .session_settings import ResponseSettings

INPUT_MS_PER_TOKEN = 100
OUTPUT_MS_PER_TOKEN = 50
CHARACTERS_PER_TOKEN = 4
CONTEXT_TOKENS = 28_672
_CACHED_FROM, _CACHED_STEP = 1024, 64


@dataclass(frozen=True)
class Unit:
    """One stretch of the context: the settings, or an item."""

    key: tuple[Any, ...]
    text: int = 0
    audio: int = 0
    image: int = 0

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.text + self.audio + self.image


def text_tokens(text: str) -> int:
    """Return how many tokens a text counts as."""
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


def unit_of_settings(settings: ResponseSettings) -> Unit:
    """Return the tokens of instructions and tools, which come first in every context."""
    tools = json.dumps(settings.tools) if settings.tools else ""
    return Unit(
        ("settings", settings.instructions, tools), text=text_tokens(settings.instructions) + text_tokens(tools)
    )


def unit_of_entry(entry: ItemState) -> Unit:
    """Return the tokens of an item."""
    text = text_tokens(entry.name) + text_tokens(entry.arguments) + text_tokens(entry.output)
    audio = image = 0
    for part in entry.parts:
        audio += math.ceil(part.duration_ms / INPUT_MS_PER_TOKEN)
        # A person's sound counts only as sound; a voice's answer counts as sound and words.
        text += 0 if part.type == "input_audio" else text_tokens(part.text)
        image += part.image_tokens
    return Unit((entry.id, entry.revision, entry.status), text, audio, image)


def within(units: Sequence[Unit], limit: int = CONTEXT_TOKENS) -> list[Unit]:
    """Return the units that fit: the settings and the latest items."""
    kept, tokens = [], units[0].tokens
    for unit in reversed(units[1:]):
        tokens += unit.tokens
        if tokens > limit:
            break
        kept.append(unit)
    return [units[0], *reversed(kept)]


def cached(units: Sequence[Unit], before: Sequence[Unit]) -> tuple[int, int]:
    """Return the (text, audio) tokens of `units` that are cached since the response before."""
    text = audio = 0
    for unit, same in zip(units, before, strict=False):
        if unit != same:
            break
        text, audio = text + unit.text, audio + unit.audio
    if text + audio < _CACHED_FROM:
        return 0, 0
    return text // _CACHED_STEP * _CACHED_STEP, audio // _CACHED_STEP * _CACHED_STEP


def usage_of(units: Sequence[Unit], before: Sequence[Unit], *, text: str, audio_ms: float) -> dict[str, Any]:
    """Return the usage object of a response."""
    input_text, input_audio = sum(unit.text for unit in units), sum(unit.audio for unit in units)
    input_image = sum(unit.image for unit in units)
    cached_text, cached_audio = cached(units, before)
    output_text, output_audio = text_tokens(text), math.ceil(audio_ms / OUTPUT_MS_PER_TOKEN)
    read, written = input_text + input_audio + input_image, output_text + output_audio
    return {
        "total_tokens": read + written,
        "input_tokens": read,
        "output_tokens": written,
        "input_token_details": {
            "text_tokens": input_text,
            "audio_tokens": input_audio,
            "image_tokens": input_image,
            "cached_tokens": cached_text + cached_audio,
            "cached_tokens_details": {"text_tokens": cached_text, "audio_tokens": cached_audio, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": output_text, "audio_tokens": output_audio},
    }


def transcription_usage(model: str | None, duration_ms: float, transcript: str) -> dict[str, Any]:
    """Return the usage of an input transcription: seconds for the models billed by time, tokens for the others."""
    if model is None or "whisper" in model or "live" in model or model.startswith("local"):
        return {"type": "duration", "seconds": math.ceil(duration_ms / 1000)}
    audio, text = math.ceil(duration_ms / INPUT_MS_PER_TOKEN), text_tokens(transcript)
    details = {"text_tokens": 0, "audio_tokens": audio}
    return {
        "type": "tokens",
        "total_tokens": audio + text,
        "input_tokens": audio,
        "output_tokens": text,
        "input_token_details": details,
    }
