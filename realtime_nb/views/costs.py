"""How costs and estimates look."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from ..conversation.costs import SEPARATE, CostRow, Costs, OtherModelCosts, sum_known
from ..conversation.records import Stage
from ..conversation.timing import Timing
from ..pricing.cost import Cost, format_cost, format_least, format_usd, price_tokens
from ..pricing.estimate import Estimate
from ..pricing.prices import find_price, shutdown_date
from ..pricing.usage import Usage
from . import words
from .html import facts, folded, note, paragraph, picture, section, table
from .plots import BLUE, columns

# --- What a conversation cost: totals, growth from reply to reply, every reply, and other models' prices --------------

#: A table shows at most this many replies; the frame has all of them.
_SHOWN = 30
_ASKED_LENGTH = 36
#: By what is billed. Input that is not cached costs up to ten times as much, so it has a colour of its own.
COLOURS = {
    "uncached input": BLUE,
    "cached input": "#9cc0ff",
    "output": "#e0735f",
    "transcription": "#8f7ee6",
    "speech": "#d6a43c",
}
_HEADER = (
    *("", "asked", "input", "cached input", "output"),
    *("transcription", "speech", "per turn", "cumulative", "not heard"),
)


#: What fits beside a narrow page's text; the rest is folded.
_SHORT = ("", "asked", "input", "cached input", "output", "per turn", "cumulative")


def costs_bundle(costs: Costs) -> dict[str, Any]:
    """Return the MIME bundle of a conversation's costs."""
    bundle: dict[str, Any] = {"text/plain": costs_text(costs)}
    if not costs.rows:
        return bundle | {"text/html": section(bundle["text/plain"], title="Costs")}
    png = _growth(costs)
    bundle["image/png"] = base64.b64encode(png).decode()
    earlier = len(costs) - _SHOWN
    more = (
        [note(f"The first {earlier:,} of {len(costs):,} rows are left out; all are in .frame.")] if earlier > 0 else []
    )
    bundle["text/html"] = section(
        facts(_totals(costs)),
        picture(png, f"What each turn is billed for, stacked. {_totals_text(costs)}"),
        *more,
        table(_SHORT, ([_unbroken(cell) for cell in _short_row(costs, number)] for number in _numbers(costs))),
        folded(
            "Each turn by kind of token",
            table(_HEADER, ([_unbroken(cell) for cell in _row(costs, number)] for number in _numbers(costs))),
        ),
        *(note(remark) for remark in _remarks(costs)),
        _other_models(costs.on()),
        title="Costs",
    )
    return bundle


def costs_text(costs: Costs) -> str:
    """Return a conversation's costs as plain text."""
    if not costs.rows:
        return "No replies yet: nothing has been billed."
    lines = []
    for number in _numbers(costs):
        _, asked, *cells = _row(costs, number)
        told = [f"{name} {cell}" for name, cell in zip(_HEADER[2:], cells, strict=True) if cell not in ("", "–")]
        lines.append(f"{number}. {asked}: {', '.join(told)}")
    if len(lines) < len(costs):
        lines.insert(0, f"({len(costs) - len(lines)} earlier rows are left out)")
    return "\n".join([*lines, _totals_text(costs), *_remarks(costs), other_models_text(costs.on())])


def other_models_bundle(costs: OtherModelCosts) -> dict[str, Any]:
    """Return the MIME bundle of what a session would have cost with other models."""
    return {"text/plain": other_models_text(costs), "text/html": section(_other_models(costs), title="Costs")}


def other_models_text(costs: OtherModelCosts) -> str:
    """Return as plain text what a session would have cost with other models."""
    return "\n".join(
        f"this session on {model} would cost {usd}{f' ({remark})' if remark else ''}"
        for model, usd, _, remark in _other_models_rows(costs)
    )


def _other_models(costs: OtherModelCosts) -> Markup:
    rows = [[_unbroken(cell) for cell in row] for row in _other_models_rows(costs)]
    return table(("model", "total", "× this session", ""), rows) + note(
        "What the same tokens, cached just as often, would have cost on other models. Transcription and speech stay as "
        "they were."
    )


def _other_models_rows(costs: OtherModelCosts) -> Iterable[tuple[str, str, str, str]]:
    for model, usd in costs.totals_usd.items():
        price, times = find_price(model), costs.times(model)
        if price is None:
            remark = "no price is known"
        elif usd is None:
            chain = any(row.is_chain for row in costs.costs.rows)
            remark = "a chain's tokens belong to three models" if chain else "it has no price for what was used"
        else:
            dated = f"prices of {price['as_of']}" if price["as_of"] else price["source"]
            ends = shutdown_date(model)
            remark = f"{dated}; shut down on {ends}" if ends else dated
        yield model, format_usd(usd), _times(times), remark


def _times(times: float | None) -> str:
    return "–" if times is None else f"× {times:,.0f}" if times >= 10 else f"× {times:.2f}"


def _numbers(costs: Costs) -> range:
    return range(max(1, len(costs) - _SHOWN + 1), len(costs) + 1)


def _row(costs: Costs, number: int) -> tuple[str, ...]:
    row = costs.rows[number - 1]
    asked = row.asked or "–"
    asked = asked if len(asked) <= _ASKED_LENGTH else f"{asked[: _ASKED_LENGTH - 1]}…"
    if row.calls:
        asked += f" → {row.calls[:_ASKED_LENGTH]}"
    state = "" if row.status in ("completed", "") else f" ({row.status})"
    return (
        str(number),
        asked + state,
        _kinds(row.usage, "uncached_input", "cached_input"),
        _cached(row.usage),
        _kinds(row.usage, "output"),
        *(format_usd(row.usd(what)) if row.of(what) else "" for what in SEPARATE),
        format_least(row.cost_usd, row.unsure_usd) if row.is_reported else "not reported",
        format_usd(costs.cumulative_usd[number - 1]),
        _unheard(row),
    )


def _short_row(costs: Costs, number: int) -> tuple[str, ...]:
    usage = costs.rows[number - 1].usage
    _, asked, _, cached, _, _, _, per_turn, cumulative, _ = _row(costs, number)
    return (str(number), asked, f"{usage.input_tokens:,}", cached, f"{usage.output_tokens:,}", per_turn, cumulative)


def _kinds(usage: Usage, *ways: str) -> str:
    """Return tokens by kind: "14 text, 27 audio"."""
    tokens = usage.tokens
    found = {kind: sum(tokens.get(f"{kind}_{way}", 0) for way in ways) for kind in ("text", "audio", "image")}
    return ", ".join(f"{count:,} {kind}" for kind, count in found.items() if count) or "–"


def _cached(usage: Usage) -> str:
    return f"{usage.cached_tokens:,} ({usage.cached_share:.0%})" if usage.cached_tokens else ""


def _unbroken(text: str) -> str:
    """Return a text that breaks lines only at commas, unless it is long."""
    return text if len(text) > 30 else text.replace(", ", ",\t").replace(" ", "\N{NO-BREAK SPACE}").expandtabs(1)


def _unheard(row: CostRow) -> str:
    if row.unheard_ms is None:
        return "–"
    return f"{row.unheard_ms / 1000:.1f} s, {format_usd(row.wasted_usd)}" if row.unheard_ms else ""


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _totals(costs: Costs) -> list[tuple[str, str]]:
    usage = costs.usage
    return [
        ("total", format_least(costs.total_usd, costs.unsure_usd)),
        *((f"of which {what}", format_usd(usd)) for what, usd in costs.separate_usd.items()),
        ("input", f"{usage.input_tokens:,} tokens"),
        ("cached input", _percent(costs.cached_share)),
        ("output", f"{usage.output_tokens:,} tokens"),
        ("not heard", "not known" if costs.wasted_usd is None else format_usd(costs.wasted_usd)),
        ("model", ", ".join(dict.fromkeys(row.model for row in costs.rows if row.model)) or "–"),
    ]


def _totals_text(costs: Costs) -> str:
    return ", ".join(f"{name} {value}" for name, value in _totals(costs))


def _remarks(costs: Costs) -> list[str]:
    known = [charge.cost for row in costs.rows for charge in row.charges if charge.cost is not None]
    dates = sorted({cost.as_of for cost in known if cost.as_of and cost.total_usd})
    prices = f"Prices of {', '.join(dates)}." if dates else ""
    lines = [
        prices,
        *(f"{each[0].upper()}{each[1:]}." for each in costs.remarks),
    ]
    return [line for line in lines if line]


def _growth(costs: Costs) -> bytes:
    """Draw dollars if all are known and not all are zero, tokens otherwise."""
    if costs.total_usd and sum_known(costs.separate_usd.values()) != costs.total_usd:
        amounts = [{**row.by_kind_usd, **{f"_{what}": row.usd(what) for what in SEPARATE}} for row in costs.rows]
        return _stacked(amounts, "US dollars")
    return _stacked([row.usage.tokens for row in costs.rows], "tokens")


def _stacked(amounts: Sequence[Mapping[str, float | None]], label: str) -> bytes:
    """Draw a column for each turn, by what is billed; what nothing was billed for has no place in the legend."""
    layers = {
        name: (
            colour,
            [sum(v or 0 for k, v in each.items() if k.endswith(f"_{name.replace(' ', '_')}")) for each in amounts],
        )
        for name, colour in COLOURS.items()
    }
    used = {name: layer for name, layer in layers.items() if any(layer[1])} or {"output": layers["output"]}
    return columns(used, xlabel="turn", ylabel=label)


# --- An estimate: the least and the most, the growth from turn to turn, and why ---------------------------------------


_TURN_HEADER = ("turn", "input", "cached input", "output", "per turn", "cumulative")


def estimate_bundle(estimate: Estimate) -> dict[str, Any]:
    """Return an estimate's MIME bundle."""
    priced = [price_tokens(usage, estimate.model) for usage in estimate.usages]
    png = _stacked(priced, "US dollars")
    totals = [
        ("total, all cached that can be", format_usd(estimate.total_usd)),
        ("total, nothing cached", format_usd(estimate.uncached_usd)),
        ("model", estimate.model),
        ("turns", str(len(estimate.usages))),
    ]
    return {
        "text/plain": f"{estimate.explanation}\n{_text(estimate)}",
        "text/html": section(
            facts(totals),
            picture(png, "What each turn costs, stacked: uncached input, cached input, output"),
            paragraph(estimate.explanation),
            table(_TURN_HEADER, _rows(estimate)),
            title="Estimate",
        ),
        "image/png": base64.b64encode(png).decode(),
    }


def _rows(estimate: Estimate) -> list[tuple[str, ...]]:
    """Return the first turn, the last, and some between them."""
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
        ", ".join(f"{name} {cell}" for name, cell in zip(_TURN_HEADER, row, strict=True)) for row in _rows(estimate)
    )


# --- Tokens, dollars, times and steps on their own: a line of names and values for each -------------------------------


def usage_bundle(usage: Usage) -> dict[str, Any]:
    """Return the MIME bundle of tokens, by what they are billed as; kinds that were not used are left out."""
    named = [(name.replace("_", " "), f"{tokens:,}") for name, tokens in usage.tokens.items() if tokens]
    if usage.reasoning_out:
        named.append(("of which reasoning", f"{usage.reasoning_out:,}"))
    return _bundle([("tokens", f"{usage.input_tokens + usage.output_tokens:,}"), *named])


def cost_bundle(cost: Cost) -> dict[str, Any]:
    """Return the MIME bundle of dollars, with the date of their prices."""
    spent = [("uncached input", cost.input_usd), ("cached input", cost.cached_usd), ("output", cost.output_usd)]
    named = [(name, format_usd(usd)) for name, usd in spent if usd]
    dated = [("prices of", cost.as_of)] if cost.as_of else []
    return _bundle([("total", str(cost)), *named, *dated, *(("remark", remark) for remark in cost.remarks)])


def timing_bundle(timing: Timing) -> dict[str, Any]:
    """Return the MIME bundle of a reply's times, in ms after the person had finished."""
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
    """Return the MIME bundle of one step of a chain."""
    taken = [(name.replace("_", " "), f"{value:g}") for name, value in (stage.usage or {}).items() if _is_number(value)]
    remarks = filter(None, (stage.remark, *(stage.cost.remarks if stage.cost else ())))
    noted = [("remark", remark) for remark in remarks]
    return _bundle([("model", stage.model or "–"), *taken, ("cost", format_cost(stage.cost)), *noted])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bundle(named: list[tuple[str, str]]) -> dict[str, Any]:
    return {"text/plain": ", ".join(f"{name} {value}" for name, value in named), "text/html": facts(named)}
