"""What a reply took: its tokens, by what they are billed as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeGuard

from .record import Record

_KINDS = ("text", "audio", "image")
#: What tokens are billed as: read anew, read from the cache, or made.
BILLED = (
    "text_fresh",
    "text_cached",
    "audio_fresh",
    "audio_cached",
    "image_fresh",
    "image_cached",
    "text_out",
    "audio_out",
)


@dataclass(frozen=True, kw_only=True)
class Usage(Record):
    """Tokens of one reply, or of several added up.

    Cached tokens are part of the input tokens of their kind, not on top of them; audio and text are apart.
    Source: Realtime API reference, ``response.done``, ``response.usage``.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> first, second = rt.Usage(audio_in=600, audio_out=1200), rt.Usage(audio_in=900, audio_cached=300)
    >>> (first + second).input_tokens
    1500
    >>> second.cached_share
    0.3333333333333333
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
        read = {kind: _count(into, f"{kind}_tokens") for kind in _KINDS}
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

    @property
    def cached_share(self) -> float | None:
        """How much of the input came from the cache, 0 to 1; `None` where there was no input."""
        return self.cached_tokens / self.input_tokens if self.input_tokens else None

    @property
    def tokens(self) -> dict[str, int]:
        """Tokens by what they are billed as, under the names of `BILLED`; together they are all tokens, each once."""
        fresh = {f"{kind}_fresh": getattr(self, f"{kind}_in") - getattr(self, f"{kind}_cached") for kind in _KINDS}
        return {name: fresh[name] if name in fresh else getattr(self, name) for name in BILLED}

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
    return int(value) if is_amount(value) else 0


def is_amount(value: object) -> TypeGuard[float]:
    """Whether a value of a server's is a number that can be counted with."""
    return isinstance(value, int | float) and 0 <= value < 2**53
