"""How results look in a notebook: a row for each system and condition, times as a picture, and what failed."""

from __future__ import annotations

import base64
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ..pricing import format_usd
from ..views import words
from ..views.html import escape, note, picture, section, table, unbroken
from ..views.plots import distributions
from .groups import label_of
from .tabling import format_difference, format_value

if TYPE_CHECKING:
    from .results import Results
    from .run_comparison import RunComparison

_HEADER = ("system", "condition", "answers", "first audible, median (p95)", "word errors", "tools right", "cost")
#: What scenarios have beside that, where they have it.
_SCENARIO = {
    "task_success": "tasks right",
    "yield_rate": "yielded",
    "interruption_stop_ms": "silent after, median",
    "false_barge_in_rate": "false barge-ins",
    "heard_fraction": "heard",
}
#: So many failures are told one by one.
_TOLD = 5


def results_bundle(results: Results) -> dict[str, Any]:
    """Return the looks of results."""
    grades = list(dict.fromkeys(name for row in results.rows for name in row if name.startswith("grade_")))
    more = [name for name in _SCENARIO if _values(results.rows, name)]
    header = (*_HEADER, *(_SCENARIO[name] for name in more), *(name.removeprefix("grade_") for name in grades))
    order = results.about["systems"], list(results.about["conditions"])
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {group: [] for group in product(*order)}
    for row in results.rows:
        groups.setdefault((row["system"], row["condition"]), []).append(row)
    groups = {group: found for group, found in groups.items() if found}
    rows = [_row(*group, found, more, grades) for group, found in groups.items()]
    lines = [repr(results), *(", ".join(map(" ".join, zip(header, row, strict=True))) for row in rows)]
    bundle: dict[str, Any] = {"text/plain": "\n".join(lines)}
    parts = [
        table(
            header, ([unbroken(cell) if index > 1 else escape(cell) for index, cell in enumerate(row)] for row in rows)
        )
    ]
    times = {
        f"{system} · {condition}": _values(found, "latency_first_audible_ms")
        for (system, condition), found in groups.items()
    }
    if any(times.values()):
        png = distributions({"first audible in ms": times})
        bundle["image/png"] = base64.b64encode(png).decode()
        parts.append(picture(png, "First audible sample of each answer, in ms, by system and condition."))
        parts.append(
            note("A dot for each answer, a bar at the median: from the question's end to the first audible sample.")
        )
    parts += [note(line) for line in _remarks(results)]
    bundle["text/html"] = section(*parts, title=f"Results · {len(results)} answers · {words.DISCLOSURE}")
    return bundle


def run_comparison_bundle(comparison: RunComparison) -> dict[str, Any]:
    """Return the looks of two runs beside each other."""
    header = (*comparison.by, "measure", "here", "there", "difference", "effect size d_z", "pairs")
    rows = [
        (
            *(str(row[name]) for name in comparison.by),
            label_of(row["measure"]),
            *(format_value(row[name], row["measure"]) for name in ("mean", "other_mean")),
            format_difference(row["difference"], row["low"], row["high"], row["measure"]),
            "–" if row["effect"] is None else f"{row['effect']:+.2f}".replace("-", "−"),
            str(row["pairs"]),
        )
        for row in comparison.main_rows
    ]
    remarks = comparison.remarks
    lines = [repr(comparison), *(", ".join(map(" ".join, zip(header, row, strict=True))) for row in rows), *remarks]
    bundle: dict[str, Any] = {"text/plain": "\n".join(lines)}
    parts = [note("No example was answered in both: there is nothing to compare.")]
    if rows:
        plot = comparison.plot
        png = plot.to_png()
        bundle["image/png"] = base64.b64encode(png).decode()
        parts = [
            table(header, ([unbroken(cell) for cell in row] for row in rows)),
            picture(png, plot.description),
            note(f"{plot.caption} Where an interval holds 0, these examples do not tell the runs apart."),
        ]
    parts += [note(remark) for remark in remarks]
    bundle["text/html"] = section(
        *parts, title=f"{comparison.results.path} → {comparison.other.path} · {words.DISCLOSURE}"
    )
    return bundle


def _row(
    system: str, condition: str, rows: list[dict[str, Any]], more: list[str], grades: list[str]
) -> tuple[str, ...]:
    answered = sum(row["status"] == "completed" for row in rows)
    times = _values(rows, "latency_first_audible_ms")
    latency = f"{np.median(times):,.0f} ({np.percentile(times, 95):,.0f}) ms" if times else "–"
    costs = [row["cost_usd"] for row in rows if "cost_usd" in row]
    return (
        system,
        condition,
        f"{answered} of {len(rows)}",
        latency,
        _share(rows, "wer"),
        _share(rows, "tool_call_correctness", "tool_call_arg_correctness"),
        "unknown" if None in costs else format_usd(sum(costs)),
        *(_median_ms(rows, name) if name.endswith("_ms") else _share(rows, name) for name in more),
        *(f"{np.mean(values):.2f}" if (values := _values(rows, name)) else "–" for name in grades),
    )


def _median_ms(rows: list[dict[str, Any]], name: str) -> str:
    values = _values(rows, name)
    return f"{np.median(values):,.0f} ms" if values else "–"


def _values(rows: list[dict[str, Any]], name: str) -> list[float]:
    return [float(row[name]) for row in rows if row.get(name) is not None]


def _share(rows: list[dict[str, Any]], *names: str) -> str:
    """Return the mean, in percent, of what is right only where all of it is."""
    values = [min(float(row[name]) for name in names) for row in rows if row.get(names[0]) is not None]
    return f"{np.mean(values):.0%}" if values else "–"


def _remarks(results: Results) -> list[str]:
    """Say what is missing, what failed, and where it all is."""
    failed = results.failed
    remarks = [f"{row['cell_id']} failed ({row['failure_stage']}): {row['error_message']}" for row in failed[:_TOLD]]
    if len(failed) > _TOLD:
        remarks.append(f"{len(failed) - _TOLD} more failed: see results.failed")
    if results.missing:
        why = f" ({results.stopped})" if results.stopped else ""
        remarks.append(f"still to be asked: {results.missing}{why}. Run the same with resume=True")
    return [*remarks, f"All of it is in {str(results.path)!r}. results.show(0) plays the first answer."]
