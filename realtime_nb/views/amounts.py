"""Tokens, dollars, times and steps on their own: one line of names and values each."""

from __future__ import annotations

from typing import Any

from ..conversation.records import Stage
from ..conversation.timing import Timing
from ..pricing.cost import Cost, format_cost, format_usd
from ..pricing.usage import Usage
from . import words
from .html import facts


def usage_bundle(usage: Usage) -> dict[str, Any]:
    """Return the looks of tokens, by what they are billed as; kinds that were not used are left out."""
    named = [(name.replace("_", " "), f"{tokens:,}") for name, tokens in usage.tokens.items() if tokens]
    if usage.reasoning_out:
        named.append(("of it reasoning", f"{usage.reasoning_out:,}"))
    return _bundle([("tokens", f"{usage.input_tokens + usage.output_tokens:,}"), *named])


def cost_bundle(cost: Cost) -> dict[str, Any]:
    """Return the looks of dollars, and of when their prices were looked up."""
    spent = [("read", cost.input_usd), ("from the cache", cost.cached_usd), ("made", cost.output_usd)]
    named = [(name, format_usd(usd)) for name, usd in spent if usd]
    dated = [("prices of", cost.as_of)] if cost.as_of else []
    return _bundle([("cost", str(cost)), *named, *dated, *(("remark", remark) for remark in cost.remarks)])


def timing_bundle(timing: Timing) -> dict[str, Any]:
    """Return the looks of what happened when, in ms after the person had finished."""
    happened = [
        ("turn detected", timing.turn_detected_ms),
        ("begun", timing.created_ms),
        ("first text", timing.first_text_ms),
        ("first audio", timing.first_audio_ms),
        ("first audible", timing.first_audible_ms),
        ("done", timing.done_ms),
    ]
    steps = [(f"{name} begun", began_ms) for name, (began_ms, _) in timing.stages.items()]
    named = [(name, words.milliseconds(at_ms)) for name, at_ms in [*happened, *steps] if at_ms is not None]
    return _bundle(named or [("timing", "nothing has happened yet")])


def stage_bundle(stage: Stage) -> dict[str, Any]:
    """Return the looks of one step of a chain."""
    taken = [(name.replace("_", " "), f"{value:g}") for name, value in (stage.usage or {}).items() if _is_number(value)]
    remarks = filter(None, (stage.remark, *(stage.cost.remarks if stage.cost else ())))
    noted = [("remark", remark) for remark in remarks]
    return _bundle([("model", stage.model or "–"), *taken, ("cost", format_cost(stage.cost)), *noted])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bundle(named: list[tuple[str, str]]) -> dict[str, Any]:
    return {"text/plain": ", ".join(f"{name} {value}" for name, value in named), "text/html": facts(named)}
