"""What a reply took, and what that costs.

Prices are a dated table, `prices.json`, with a source for each row. A model that is not in it has no price: its
tokens are shown and its cost is unknown, never guessed.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import resources
from typing import Any, TypeGuard


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens of one reply, or of several added up.

    Cached tokens are part of the input tokens of their kind, not on top of them; audio and text are apart.
    Source: Realtime API reference, ``response.done``, ``response.usage``.
    """

    text_in: int = 0
    audio_in: int = 0
    image_in: int = 0
    text_cached: int = 0
    audio_cached: int = 0
    image_cached: int = 0
    text_out: int = 0
    audio_out: int = 0
    reasoning_out: int = 0
    """Part of ``text_out``."""

    @classmethod
    def from_realtime(cls, usage: Mapping[str, Any] | None) -> Usage:
        """Read the ``usage`` of a ``response.done``; what is missing counts as 0.

        Input that the server does not split by kind counts as text.
        """
        usage = usage or {}
        into = _details(usage, "input_token_details")
        out = _details(usage, "output_token_details")
        read = {kind: _count(into, f"{kind}_tokens") for kind in ("text", "audio", "image")}
        if not into:
            read["text"] = _count(usage, "input_tokens")
        cached = _cached(into, read)
        return cls(
            text_in=read["text"],
            audio_in=read["audio"],
            image_in=read["image"],
            text_cached=cached["text"],
            audio_cached=cached["audio"],
            image_cached=cached["image"],
            text_out=_count(out, "text_tokens") if out else _count(usage, "output_tokens"),
            audio_out=_count(out, "audio_tokens"),
            reasoning_out=_count(out, "reasoning_tokens"),
        )

    @property
    def input_tokens(self) -> int:
        """All tokens that the model read."""
        return self.text_in + self.audio_in + self.image_in

    @property
    def cached_tokens(self) -> int:
        """Tokens among `input_tokens` that came from the cache."""
        return self.text_cached + self.audio_cached + self.image_cached

    @property
    def output_tokens(self) -> int:
        """All tokens that the model made."""
        return self.text_out + self.audio_out

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


def _details(usage: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = usage.get(key)
    return value if isinstance(value, Mapping) else {}


def _cached(into: Mapping[str, Any], read: Mapping[str, int]) -> dict[str, int]:
    """Return the cached tokens of each kind; where the server does not split them, text counts first."""
    split = _details(into, "cached_tokens_details")
    left = _count(into, "cached_tokens")
    cached = {}
    for kind, tokens in read.items():
        cached[kind] = min(tokens, _count(split, f"{kind}_tokens") if split else left)
        left -= cached[kind]
    return cached


def _count(usage: Mapping[str, Any], key: str) -> int:
    value = usage.get(key)
    return int(value) if _is_amount(value) else 0


def _is_amount(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and 0 <= value < 2**53


@dataclass(frozen=True, kw_only=True)
class Cost:
    """US dollars, by what they were spent on.

    ``input_usd`` is for fresh input tokens, ``cached_usd`` for those from the cache; ``as_of`` and ``source`` say
    where the prices come from.
    """

    input_usd: float = 0.0
    cached_usd: float = 0.0
    output_usd: float = 0.0
    as_of: str = ""
    source: str = ""

    @property
    def total_usd(self) -> float:
        """The sum."""
        return self.input_usd + self.cached_usd + self.output_usd

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            input_usd=self.input_usd + other.input_usd,
            cached_usd=self.cached_usd + other.cached_usd,
            output_usd=self.output_usd + other.output_usd,
            as_of=min(filter(None, (self.as_of, other.as_of)), default=""),
            source=self.source or other.source,
        )

    def __str__(self) -> str:
        return format_usd(self.total_usd)


def format_usd(usd: float | None) -> str:
    """Write dollars so that fractions of a cent can be read; `None` is "unknown"."""
    if usd is None:
        return "unknown"
    if usd == 0:
        return "$0"
    if abs(usd) < 0.01:
        return f"${usd:.5f}"
    return f"${usd:.4f}" if abs(usd) < 1 else f"${usd:,.2f}"


@functools.cache
def price_table() -> dict[str, Any]:
    """Return `prices.json`: ``as_of``, ``sources``, and ``models`` with USD per million tokens or per minute."""
    table: dict[str, Any] = json.loads(resources.files("realtime_nb").joinpath("prices.json").read_text("utf-8"))
    return table


def find_price(model: str | None) -> dict[str, Any] | None:
    """Return the price row of a model, or `None` where there is none.

    A dated snapshot (``gpt-realtime-2025-08-28``) that has no row of its own costs what its family costs.
    """
    models = price_table()["models"]
    if not model:
        return None
    family = model[:-11] if len(model) > 11 and model[-11] == "-" and model[-10:].replace("-", "").isdigit() else model
    row: dict[str, Any] | None = models.get(model, models.get(family))
    return row


def shutdown_notice(model: str | None) -> str | None:
    """Say when a model is shut down and what takes its place, or return `None` where no date is announced."""
    for row in price_table()["shutdowns"]:
        if model in row["models"]:
            return f"the model {model!r} is shut down on {row['date']}; use {row['instead']} instead"
    return None


def cost_of(usage: Usage, model: str | None) -> Cost | None:
    """Price a reply's tokens.

    Parameters
    ----------
    usage : Usage
        What the reply took.
    model : str
        The model that made it.

    Returns
    -------
    cost : Cost or None
        `None` where the model has no price here, or none for a kind of token that was used.

    Notes
    -----
    Per kind: ``(in − cached) · price_in + cached · price_cached + out · price_out``.
    """
    row = find_price(model)
    if row is None:
        return None
    spent = {"in": 0.0, "cached": 0.0, "out": 0.0}
    for kind in ("text", "audio", "image"):
        cached = getattr(usage, f"{kind}_cached")
        fresh = getattr(usage, f"{kind}_in") - cached
        for way, tokens in (("in", fresh), ("cached", cached), ("out", getattr(usage, f"{kind}_out", 0))):
            if not tokens:
                continue
            price = row.get(f"{kind}_{way}")
            if price is None:
                return None
            spent[way] += tokens * price / 1e6
    return Cost(
        input_usd=spent["in"],
        cached_usd=spent["cached"],
        output_usd=spent["out"],
        as_of=row.get("as_of", price_table()["as_of"]),
        source=row["source"],
    )


def metered_cost(usage: Mapping[str, Any] | None, model: str | None) -> Cost | None:
    """Price what is billed apart from a reply: a transcription, speech, or a step of a chain.

    Parameters
    ----------
    usage : mapping or None
        As in ``…input_audio_transcription.completed``: ``{"type": "duration", "seconds": …}`` or tokens; or
        ``{"type": "characters", "characters": …}``.
    model : str
        The model that did it.

    Returns
    -------
    cost : Cost or None
        `None` where the usage or the price is not known.
    """
    row = find_price(model)
    if row is None or not usage:
        return None
    as_of = row.get("as_of", price_table()["as_of"])
    seconds = usage.get("seconds")
    if usage.get("type") == "duration" or ("per_minute" in row and seconds is not None):
        if "per_minute" not in row or not _is_amount(seconds):
            return None
        return Cost(input_usd=seconds / 60 * row["per_minute"], as_of=as_of, source=row["source"])
    if usage.get("type") == "characters":
        characters = usage.get("characters")
        if "per_million_characters" not in row or not _is_amount(characters):
            return None
        return Cost(input_usd=characters * row["per_million_characters"] / 1e6, as_of=as_of, source=row["source"])
    return cost_of(Usage.from_realtime(usage), model)
