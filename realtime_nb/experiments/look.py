"""How results look in a notebook: a row for each system and condition, times as a picture, and what failed."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from ..pricing.cost import format_usd
from ..terminal import printable
from ..views import words
from ..views.html import escape, note, picture, section, table, unbroken
from .metrics import value_of
from .statistics import LATENCY, format_difference, format_value, grouped, label_of, tabulate

if TYPE_CHECKING:
    from .compare import RunComparison
    from .results import Results

_BY = ("system", "condition")
#: So many failures are told one by one.
_TOLD = 5


def results_bundle(results: Results) -> dict[str, Any]:
    """Return the looks of results."""
    headings, lines = _table(results) if results.rows else ([], [])
    told = [repr(results), *(", ".join(map(" ".join, zip(headings, line, strict=True))) for line in lines)]
    bundle: dict[str, Any] = {"text/plain": printable("\n".join(told))}
    parts = []
    if lines:
        cells = ([escape(cell) if index < len(_BY) else unbroken(cell) for index, cell in enumerate(x)] for x in lines)
        parts += [table(headings, cells), note("In brackets: 95 % intervals, over examples.")]
    if any(value_of(row, LATENCY) is not None for row in results.rows):
        plot = results.plot.latency(by=_BY)
        png = plot.to_png()
        bundle["image/png"] = base64.b64encode(png).decode()
        parts += [picture(png, plot.description), note(plot.caption)]
    parts += [note(line) for line in _remarks(results)]
    bundle["text/html"] = section(*parts, title=f"Results · {len(results)} answers · {words.DISCLOSURE}")
    return bundle


def _table(results: Results) -> tuple[list[str], list[list[str]]]:
    """Return the table that one would print, and what each group cost in all."""
    headings, lines = tabulate(results.rows, results.about, _BY)
    for line, rows in zip(lines, grouped(results.rows, _BY, results.about).values(), strict=True):
        costs = [row["cost_usd"] for row in rows if "cost_usd" in row]
        line.append("unknown" if None in costs else format_usd(sum(costs)))
    return [*headings, "cost in all"], lines


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
    bundle: dict[str, Any] = {"text/plain": printable("\n".join(lines))}
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


def _remarks(results: Results) -> list[str]:
    """Say what is missing, what failed, and where it all is."""
    failed = results.failed
    remarks = [f"{row['cell_id']} failed ({row['failure_stage']}): {row['error_message']}" for row in failed[:_TOLD]]
    if len(failed) > _TOLD:
        remarks.append(f"{len(failed) - _TOLD} more failed: see results.failed")
    if results.missing:
        why = f" ({results.stopped})" if results.stopped else ""
        remarks.append(f"still to be asked: {results.missing}{why}. Run the same with resume=True")
    return [
        *results.remarks,
        *remarks,
        f"All of it is in {str(results.path)!r}. results.show(0) plays the first answer.",
    ]
