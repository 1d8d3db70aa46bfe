"""Turn usage into cost. If any price is missing, the cost is unknown, never guessed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..display import Record
from .prices import AMOUNTS, find_price
from .usage import WAYS, Usage, amount_of, read_usage

#: The most seconds or characters of one answer that can be right: eleven days of sound.
_MOST = 10**6


@dataclass(frozen=True, kw_only=True)
class Cost(Record):
    """A cost in US dollars, split by kind.

    ``input_usd`` is for fresh input tokens, ``cached_usd`` for those from the cache; ``as_of`` and ``source`` say
    where the prices come from.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> cost = rt.Cost(input_usd=0.02, cached_usd=0.0, output_usd=0.08, as_of="2026-11-22", source="an example")
    >>> print(cost, cost.total_usd)
    $0.1000 0.1
    """

    input_usd: float = 0.0
    cached_usd: float = 0.0
    output_usd: float = 0.0
    as_of: str = ""
    source: str = ""
    unsure_usd: float = 0.0
    """How much more it may be if the server did not report everything; infinite if that cannot be known."""
    remarks: tuple[str, ...] = ()
    """Why the sum may be wrong; empty if it is sure."""

    @property
    def total_usd(self) -> float:
        """The sum; `remarks` say why it may be wrong."""
        return self.input_usd + self.cached_usd + self.output_usd

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            input_usd=self.input_usd + other.input_usd,
            cached_usd=self.cached_usd + other.cached_usd,
            output_usd=self.output_usd + other.output_usd,
            as_of=min(filter(None, (self.as_of, other.as_of)), default=""),
            source=self.source or other.source,
            unsure_usd=self.unsure_usd + other.unsure_usd,
            remarks=tuple(dict.fromkeys(self.remarks + other.remarks)),
        )

    def __str__(self) -> str:
        return format_cost(self)


def format_usd(usd: float | None) -> str:
    """Write dollars so that fractions of a cent can be read; `None` is "unknown"."""
    if usd is None:
        return "unknown"
    if usd == 0:
        return "$0"
    if abs(usd) < 0.01:
        return f"${usd:.5f}"
    return f"${usd:.4f}" if abs(usd) < 1 else f"${usd:,.2f}"


def format_least(usd: float | None, unsure_usd: float) -> str:
    """Write dollars, with "at least" if it may be more."""
    return f"at least {format_usd(usd)}" if usd is not None and unsure_usd else format_usd(usd)


def format_cost(cost: Cost | None) -> str:
    """Write a cost; `None` is "unknown"."""
    return format_least(cost.total_usd, cost.unsure_usd) if cost else "unknown"


def price_tokens(usage: Usage, model: str | None) -> dict[str, float | None]:
    """Price tokens by how they are billed.

    Returns a sum for each of `realtime_nb.pricing.usage.BILLED`; `None` if tokens were used that have no price.
    """
    row = find_price(model) or {}
    usd: dict[str, float | None] = {}
    for name, tokens in usage.tokens.items():
        kind, _, way = name.partition("_")
        price = row.get(f"{kind}_{WAYS[way]}")
        usd[name] = 0.0 if not tokens else None if price is None else tokens * price / 1e6
    return usd


def cost_of(usage: Usage, model: str | None) -> Cost | None:
    """Price a reply's tokens.

    `None` if the model has no price here, or has no price for a kind of token that was used.

    Per kind: ``(in − cached) · price_in + cached · price_cached + out · price_out``.
    """
    row = find_price(model)
    usd = price_tokens(usage, model)
    if row is None or None in usd.values():
        return None
    spent = {way: sum(usd[name] or 0.0 for name in usd if name.endswith(f"_{way}")) for way in WAYS}
    unsure_usd, remarks = _unsure(usage, row)
    return Cost(
        input_usd=spent["uncached_input"],
        cached_usd=spent["cached_input"],
        output_usd=spent["output"],
        as_of=row["as_of"],
        source=row["source"],
        unsure_usd=unsure_usd,
        remarks=remarks,
    )


def _unsure(usage: Usage, row: Mapping[str, Any]) -> tuple[float, tuple[str, ...]]:
    """Return how much more the tokens may cost than counted, and why the sum is not sure."""
    if is_free(row):
        return 0.0, ()
    remarks = list(usage.remarks)
    # Tokens without a kind count as text; all of them may be of the dearest kind.
    fresh = min(usage.unsplit_in, usage.text_in - usage.text_cached)
    unsplit = {"in": fresh, "cached": usage.unsplit_in - fresh, "out": usage.unsplit_out}
    unsure_usd = sum(
        tokens * (_dearest(row, way) - row[f"text_{way}"]) / 1e6 for way, tokens in unsplit.items() if tokens
    )
    if unsure_usd:
        count = usage.unsplit_in + usage.unsplit_out
        remarks.append(
            f"the server did not say whether {count:,} tokens are text or audio: they count as text, and may "
            f"cost {format_usd(unsure_usd)} more"
        )
    if usage.unsplit_cached:
        remarks.append(
            f"the server did not say what kind the {usage.unsplit_cached:,} cached tokens are: they count as text "
            "first, so it may have cost less"
        )
    if not usage.is_complete:
        unsure_usd = math.inf
        remarks.append(
            "the server did not say how many tokens are input and how many are output: it costs more than this"
        )
    return unsure_usd, tuple(remarks)


def _dearest(row: Mapping[str, Any], way: str) -> float:
    return max(float(row.get(f"{kind}_{way}", 0.0)) for kind in ("text", "audio", "image"))


def is_free(row: Mapping[str, Any] | None) -> bool:
    """Return whether a row of prices says that the model is free."""
    return row is not None and not any(row.get(key) for key in AMOUNTS)


def metered_cost(usage: Mapping[str, Any] | None, model: str | None) -> Cost | None:
    """Price usage that is billed separately from a reply: a transcription, speech, or a step of a chain.

    `usage`: as in ``…input_audio_transcription.completed``: ``{"type": "duration", "seconds": …}`` or tokens; or
    ``{"type": "characters", "characters": …}``.

    `None` if the usage or the price is not known.
    """
    row = find_price(model)
    if row is None or not isinstance(usage, Mapping) or not usage:
        return None
    if usage.get("type") == "duration" or ("per_minute" in row and usage.get("seconds") is not None):
        return _by_amount(amount_of(usage.get("seconds")), row, "per_minute", 60)
    if usage.get("type") == "characters":
        return _by_amount(amount_of(usage.get("characters")), row, "per_million_characters", 1e6)
    tokens = read_usage(usage)
    # A usage of no tokens at all cannot be right, so it counts as unknown.
    known = tokens is not None and (tokens.input_tokens or tokens.output_tokens or is_free(row))
    return cost_of(tokens, model) if tokens is not None and known else None


def _by_amount(amount: float | None, row: Mapping[str, Any], price: str, per: float) -> Cost | None:
    """Price an amount of time or characters; an amount of 0 cannot be right, either."""
    if price not in row or amount is None or not (amount or is_free(row)):
        return None
    odd = (f"the server reports more than anyone can have asked for: {amount:.6g}",) if amount > _MOST else ()
    return Cost(input_usd=amount / per * row[price], as_of=row["as_of"], source=row["source"], remarks=odd)
