"""An estimate: the least and the most, the growth from turn to turn, and why."""

from __future__ import annotations

import base64
from typing import Any

from ..estimates import Estimate
from ..pricing import format_usd, price_tokens
from .costs import COLOURS
from .html import escape, facts, picture, section, table
from .plots import columns


def estimate_bundle(estimate: Estimate) -> dict[str, Any]:
    """Return an estimate's looks."""
    priced = [price_tokens(usage, estimate.model) for usage in estimate.usages]
    ways = {"read anew": "_fresh", "read from the cache": "_cached", "made": "_out"}
    layers = {
        name: (COLOURS[name], [sum(usd or 0.0 for kind, usd in each.items() if kind.endswith(way)) for each in priced])
        for name, way in ways.items()
    }
    png = columns(layers, xlabel="turn", ylabel="US dollars")
    totals = [
        ("cached as well as can be", format_usd(estimate.total_usd)),
        ("nothing cached", format_usd(estimate.uncached_usd)),
        ("model", estimate.model),
        ("turns", str(len(estimate.usages))),
    ]
    return {
        "text/plain": f"{estimate.explanation}\n{_text(estimate)}",
        "text/html": section(
            facts(totals),
            picture(png, "What each turn costs, stacked: read anew, read from the cache, made"),
            f"<p>{escape(estimate.explanation)}</p>",
            table(("turn", "reads", "from the cache", "makes", "costs", "so far"), _rows(estimate)),
            title="Estimate",
        ),
        "image/png": base64.b64encode(png).decode(),
    }


def _rows(estimate: Estimate) -> list[tuple[str, ...]]:
    """Return the first turn, some between, and the last."""
    count = len(estimate.usages)
    shown = sorted({round(1 + (count - 1) * step / 5) for step in range(6)})
    return [
        (
            str(turn),
            f"{estimate.usages[turn - 1].input_tokens:,}",
            f"{estimate.usages[turn - 1].cached_tokens:,}",
            f"{estimate.usages[turn - 1].output_tokens:,}",
            format_usd(estimate.turns_usd[turn - 1]),
            format_usd(sum(estimate.turns_usd[:turn])),
        )
        for turn in shown
    ]


def _text(estimate: Estimate) -> str:
    return "\n".join(
        f"turn {turn}: reads {read} tokens, {cached} cached, makes {made}, costs {usd}, so far {total}"
        for turn, read, cached, made, usd, total in _rows(estimate)
    )
