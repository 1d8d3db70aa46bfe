"""The usage of a reply: its tokens, by how they are billed."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any, TypeGuard

from ..display import Record

_KINDS = ("text", "audio", "image")
#: Names of the parts of a usage in the Realtime API, and in other APIs whose names some of its servers use.
_NAMES = {
    "total_tokens": ("total_tokens",),
    "input_tokens": ("input_tokens", "prompt_tokens"),
    "output_tokens": ("output_tokens", "completion_tokens"),
    "input_token_details": ("input_token_details", "input_tokens_details", "prompt_tokens_details"),
    "output_token_details": ("output_token_details", "output_tokens_details", "completion_tokens_details"),
}
#: Far more tokens than any model uses for one answer.
_MOST = 10**8
#: The ways in which tokens are billed, in the words of OpenAI's price list, and their short names in `Usage` and in the
#: table of prices. The API's own `input_tokens` include the cached ones, so the rest is called "uncached input".
WAYS = {"uncached_input": "in", "cached_input": "cached", "output": "out"}
#: Each kind of token in each way that it is billed. No model makes pictures.
BILLED = tuple(f"{kind}_{way}" for kind in _KINDS for way in WAYS if (kind, way) != ("image", "output"))


@dataclass(frozen=True, kw_only=True)
class Usage(Record):
    """Tokens of one reply, or of several added up.

    Cached tokens are part of the input tokens of their kind, not added to them; audio and text are separate.
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

    unsplit_in: int = field(default=0, compare=False)
    """Part of ``text_in``: tokens whose kind the server did not report."""
    unsplit_out: int = field(default=0, compare=False)
    """The same, part of ``text_out``."""
    unsplit_cached: int = field(default=0, compare=False)
    """Cached tokens whose kind the server did not report; they count as text, up to the number of text tokens."""
    is_complete: bool = field(default=True, compare=False)
    """True if the server reported both input and output; otherwise these are minimums."""
    remarks: tuple[str, ...] = field(default=(), compare=False)
    """Remarks on parts of the server's report that cannot be read, or contradict each other."""

    @classmethod
    def from_realtime(cls, usage: Mapping[str, Any] | None) -> Usage:
        """Read the ``usage`` of a ``response.done``; a missing one counts as 0 tokens (`read_usage` returns `None`).

        Tokens that the server does not split by kind count as text; `unsplit_in` and `unsplit_out` say how many.
        """
        return read_usage(usage) or cls()

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
        """All tokens that the model generated."""
        return self.text_out + self.audio_out

    @property
    def cached_share(self) -> float | None:
        """How much of the input came from the cache, 0 to 1; `None` if there was no input."""
        return self.cached_tokens / self.input_tokens if self.input_tokens else None

    @property
    def tokens(self) -> dict[str, int]:
        """Tokens by how they are billed, under the names of `BILLED`; each token counts once."""
        counts = {}
        for name in BILLED:
            kind, _, way = name.partition("_")
            cached = getattr(self, f"{kind}_cached") if way == "uncached_input" else 0
            counts[name] = getattr(self, f"{kind}_{WAYS[way]}") - cached
        return counts

    def __add__(self, other: Usage) -> Usage:
        counts = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self) if f.type == "int"}
        return Usage(
            **counts,
            is_complete=self.is_complete and other.is_complete,
            remarks=tuple(dict.fromkeys(self.remarks + other.remarks)),
        )


def read_usage(usage: Any) -> Usage | None:
    """Read a server's report of tokens in the Realtime API's shape, even if it is odd.

    `usage`: ``input_tokens``, ``output_tokens`` and ``total_tokens``, with ``input_token_details`` and
    ``output_token_details``, or under the names of other APIs; any of them may be missing or odd.

    `None` if it has no number of tokens at all.
    """
    remarks: list[str] = []
    usage = {key: _told(usage, names) for key, names in _NAMES.items()} if isinstance(usage, Mapping) else {}
    into, out = _details(usage, "input_token_details", remarks), _details(usage, "output_token_details", remarks)
    read: dict[str, int | None] = {kind: _count(into, f"{kind}_tokens", remarks) for kind in _KINDS}
    made: dict[str, int | None] = {kind: _count(out, f"{kind}_tokens", remarks) for kind in ("text", "audio")}
    reasoning = _count(out, "reasoning_tokens", remarks) or 0
    tokens_in, tokens_out = _totals(usage, read, made, reasoning, remarks)
    if tokens_in is None and tokens_out is None:
        return None
    text_in, unsplit_in = _split(tokens_in or 0, read, 0, "of input", remarks)
    # Servers that count reasoning separately from text still include it in the total.
    text_out, unsplit_out = _split(tokens_out or 0, made, reasoning, "of output", remarks)
    counts = {"text": text_in, "audio": read["audio"] or 0, "image": read["image"] or 0}
    cached, unsplit_cached = _cached(into, counts, remarks)
    return Usage(
        text_in=text_in,
        audio_in=counts["audio"],
        image_in=counts["image"],
        text_cached=cached["text"],
        audio_cached=cached["audio"],
        image_cached=cached["image"],
        text_out=text_out,
        audio_out=made["audio"] or 0,
        reasoning_out=min(reasoning, text_out),
        unsplit_in=unsplit_in,
        unsplit_out=unsplit_out,
        unsplit_cached=unsplit_cached,
        is_complete=tokens_in is not None and tokens_out is not None,
        remarks=tuple(remarks),
    )


def _told(usage: Mapping[str, Any], names: Iterable[str]) -> Any:
    """Return the value under one of several names; a name with another value than zero comes first."""
    values = [value for name in names if (value := usage.get(name)) is not None]
    return next(filter(None, values), values[0] if values else None)


def _details(usage: Mapping[str, Any], key: str, remarks: list[str]) -> Mapping[str, Any]:
    value = usage.get(key)
    if value is not None and not isinstance(value, Mapping):
        remarks.append(f"{key} of the usage is not an object of tokens: {reprlib.repr(value)}")
    return value if isinstance(value, Mapping) else {}


def _totals(
    usage: Mapping[str, Any],
    read: Mapping[str, int | None],
    made: Mapping[str, int | None],
    reasoning: int,
    remarks: list[str],
) -> tuple[int | None, int | None]:
    """Return how many tokens were read and generated; `None` if neither a total nor the details say so."""
    tokens_in, tokens_out = (_count(usage, key, remarks) for key in ("input_tokens", "output_tokens"))
    total = _count(usage, "total_tokens", remarks)
    if tokens_in is None and any(value is not None for value in read.values()):
        tokens_in = sum(filter(None, read.values()))
    if tokens_out is None and (any(value is not None for value in made.values()) or reasoning):
        tokens_out = sum(filter(None, made.values())) or reasoning
    if reasoning > (tokens_out or 0):
        tokens_out = (tokens_out or 0) + reasoning  # Reasoning is billed even if it is not counted as output.
    more = (total or 0) - (tokens_in or 0) - (tokens_out or 0)
    if more <= 0:
        return tokens_in, tokens_out
    if tokens_in and not tokens_out:
        return tokens_in, more
    if tokens_out and not tokens_in:
        return more, tokens_out
    if not tokens_in and not tokens_out:
        remarks.append("the usage has only total_tokens: how many are input and how many are output is not known")
        return more, None
    if tokens_out is not None and more == reasoning:
        return tokens_in, tokens_out + more
    # Servers that leave reasoning out of output_tokens still include it in the total, e.g. Gemini's.
    remarks.append(
        "total_tokens of the usage is more than input_tokens and output_tokens together: the rest counts as output"
    )
    return tokens_in, (tokens_out or 0) + more


def _split(
    tokens: int, kinds: Mapping[str, int | None], text_beside: int, way: str, remarks: list[str]
) -> tuple[int, int]:
    """Return how many tokens count as text, and how many of them may be of another kind.

    `text_beside` of them are known to be text, although the details do not list them as such.
    """
    told = sum(filter(None, kinds.values()))
    left = max(0, tokens - told)
    if told > tokens:
        remarks.append(f"the usage reports more tokens {way} by kind than in total: those by kind are counted")
    # If only the audio is reported, the rest is text, as in Chat Completions.
    is_text = kinds["text"] is None and kinds["audio"] is not None
    return (kinds["text"] or 0) + left, 0 if is_text else max(0, left - text_beside)


def _cached(into: Mapping[str, Any], read: Mapping[str, int], remarks: list[str]) -> tuple[dict[str, int], int]:
    """Return the cached tokens of each kind, and how many of them are of an unknown kind.

    If the server does not split them, text counts first and audio last, so the cost is too high rather than too low.
    """
    split = _details(into, "cached_tokens_details", remarks)
    told = {kind: _count(split, f"{kind}_tokens", remarks) or 0 for kind in read}
    cached = {kind: min(tokens, told[kind]) for kind, tokens in read.items()}
    left = max(0, (_count(into, "cached_tokens", remarks) or 0) - sum(told.values()))
    room = {kind: read[kind] - cached[kind] for kind in ("text", "image", "audio") if read[kind] > cached[kind]}
    if told != {kind: cached[kind] for kind in told} or left > sum(room.values()):
        remarks.append("the usage reports more cached tokens than input: only as many as there is input are counted")
    unsplit = left if len(room) > 1 and left < sum(room.values()) else 0
    for kind, free in room.items():
        cached[kind] += min(left, free)
        left -= min(left, free)
    return cached, unsplit


def _count(usage: Mapping[str, Any], key: str, remarks: list[str]) -> int | None:
    """Return a number of tokens; `None`, with a remark, for anything else."""
    value = usage.get(key)
    if value is None:
        return None
    number = amount_of(value)
    if number is None:
        remarks.append(f"{key} of the usage is not a number of tokens: {reprlib.repr(value)}")
        return None
    if number > _MOST:
        remarks.append(f"{key} of the usage is more than any model uses: {reprlib.repr(value)}")
    return math.ceil(number)


def amount_of(value: Any) -> float | None:
    """Return a finite number of at least 0, even if a server writes it as text; otherwise `None`."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = float(value)
    return value if is_amount(value) else None


def add_usages(usages: Iterable[Any]) -> dict[str, Any] | None:
    """Add up the usage of a step's requests, as servers reported it; `None` if one of them is not known.

    Numbers are added; everything else comes from the first request, and `read_usage` remarks on odd values.
    """
    total: dict[str, Any] = {}
    for usage in usages:
        if not isinstance(usage, Mapping) or not usage:
            return None
        for key, value in usage.items():
            before, number = total.get(key), amount_of(value)
            if isinstance(value, Mapping):
                total[key] = add_usages([each for each in (before, value) if each]) or {}
            elif number is not None and (before is None or amount_of(before) is not None):
                total[key] = number + (amount_of(before) or 0)
            elif value is not None and (before is None or amount_of(before) is not None):
                total[key] = value
    return total or None


def is_amount(value: object) -> TypeGuard[float]:
    """Return whether a value from a server is a finite number of at least 0."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53
