"""Results as one page of HTML that stands alone: what was run, what came of it, and what does not follow from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..errors import SettingsError
from ..pricing import format_usd
from ..views import words
from ..views.html import escape, facts, note, table, unbroken
from ..views.page import bullets, figure, notice, page, paragraph, wide
from .caveats import caveats
from .conditions import describe
from .groups import grouped, label_of
from .listening import all_answers, sample
from .plotting import Plot
from .provenance import Made, made_with
from .summaries import summarise
from .tabling import format_difference, main_measures, tabulate

if TYPE_CHECKING:
    from .results import Results

#: So many failures are told one by one.
_TOLD = 50


def make_report(results: Results, *, title: str, examples: int, audio_mb: float, seed: int) -> str:
    """Return the page; see `Results.report`."""
    made = made_with(results.path, results.rows, results.about["systems"])
    return page(
        title,
        [
            ("What was run", _what_was_run(results, made)),
            ("In sum", _sums(results, seed)),
            ("Differences", _differences(results, seed)),
            ("Pictures", _pictures(results, seed)),
            ("What may not be concluded", bullets(caveats(results, made))),
            ("What failed", _failures(results)),
            ("Listen", sample(results, examples, audio_mb, seed)),
            ("All answers", all_answers(results)),
        ],
        lead=_lead(results),
    )


def _lead(results: Results) -> str:
    failed = len(results.failed)
    cost = "unknown" if results.cost_usd is None else format_usd(results.cost_usd)
    estimate = results.about.get("estimate_usd")
    told = facts(
        [
            ("answers", f"{len(results):,}"),
            ("failed", f"{failed:,}"),
            ("examples", f"{len({row['example_id'] for row in results.rows}):,}"),
            ("cost", cost if estimate is None else f"{cost} (estimated {format_usd(estimate)})"),
            ("begun", str(results.about.get("began_at", "–"))),
        ]
    )
    parts = [note(f"{words.DISCLOSURE}s: all answers on this page were made by AI models."), told]
    if results.missing:
        why = f" ({results.stopped})" if results.stopped else ""
        parts.append(notice(f"Not complete: {results.missing:,} answers are still to be asked{why}."))
    parts += [notice(f"{remark}.") for remark in results.remarks]
    return "".join(parts)


def _what_was_run(results: Results, made: dict[str, Made]) -> str:
    about = results.about
    rows = []
    for system in about["systems"]:
        each = made.get(system)
        cells = (each.session, each.model, each.backend, each.prices) if each else ("not known", "–", "–", "–")
        settings = each.settings if each else {}
        listed = " · ".join(f"{name}: {value}" for name, value in settings.items())
        rows.append([*map(escape, (system, *cells)), escape(listed or "–")])
    header = ("system", "session", "model", "backend", "prices as of", "settings")
    repeats = max((row["repeat"] for row in results.rows), default=0)
    versions = dict(about.get("libraries", {}))
    for each in made.values():
        versions |= each.versions
    return (
        facts(
            [
                ("dataset", str(about.get("dataset", "–"))),
                ("repeats", str(repeats)),
                ("seed of the conditions", str(about["seed"])),
            ]
        )
        + wide(table(header, rows))
        + wide(
            table(
                ("condition", "what happens to the clips"),
                ([escape(name), escape(_what_happens(what))] for name, what in about["conditions"].items()),
            )
        )
        + note("Made with " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".")
    )


def _what_happens(condition: str) -> str:
    return "nothing" if condition == describe(()) else condition


def _sums(results: Results, seed: int) -> str:
    if not results.rows:
        return paragraph("There are no answers yet.")
    headings, lines = tabulate(results.rows, results.about, ("system", "condition"), seed=seed)
    return wide(table(headings, ([unbroken(cell) for cell in line] for line in lines))) + note(
        "In brackets: 95 % intervals over examples; none where all answers are the same. What failed is in no mean but "
        "that of the cost. How the intervals were made is said beneath the pictures."
    )


def _differences(results: Results, seed: int) -> str:
    """Lay systems beside the first one, and conditions beside the first one, on the same examples."""
    return "".join(_differences_by(results, by, seed) for by in (("system", "condition"), ("condition", "system")))


def _differences_by(results: Results, by: tuple[str, str], seed: int) -> str:
    levels = list(dict.fromkeys(key[0] for key in grouped(results.rows, by, results.about))) if results.rows else []
    if len(levels) < 2:
        return ""
    wanted = main_measures(results.rows)
    found = [
        row
        for row in summarise(results.rows, results.about, by, seed=seed)
        if row["measure"] in wanted and row["difference"] is not None
    ]
    if not found:
        return paragraph(f"No two {by[0]}s have two answered examples in common: nothing can be paired.")
    lines = [
        [
            escape(label_of(row["measure"])),
            *(escape(str(row[name])) for name in by),
            unbroken(format_difference(row["difference"], row["low"], row["high"], row["measure"])),
            "–" if row["effect"] is None else f"{row['effect']:+.2f}".replace("-", "−"),
            str(row["pairs"]),
        ]
        for row in sorted(found, key=lambda row: wanted.index(row["measure"]))
    ]
    header = ("measure", *by, f"difference to {levels[0]}", "effect size d_z", "pairs")
    holding = sum(not row["low"] <= 0 <= row["high"] for row in found)
    return wide(table(header, lines)) + note(
        f"Means of differences on the same examples, with 95 % intervals (paired bootstrap). {holding} of {len(found)} "
        f"intervals do not hold 0; if nothing differed, about {0.05 * len(found):.1f} would not, by chance. "
        "d_z: the mean difference over its standard deviation; 0.2 is small, 0.5 medium, 0.8 large."
    )


def _pictures(results: Results, seed: int) -> str:
    plots: list[Callable[[], Plot]] = [
        lambda: results.plot.latency(seed=seed),
        lambda: results.plot.grades(seed=seed),
        lambda: results.plot.cost(seed=seed),
    ]
    return "".join(_drawn(plots))


def _drawn(plots: list[Callable[[], Plot]]) -> Iterator[str]:
    for draw in plots:
        try:
            plot = draw()
        except SettingsError:  # It was not measured.
            continue
        yield figure(plot.to_svg(), plot.caption)


def _failures(results: Results) -> str:
    failed = results.failed
    if not failed:
        return paragraph("Nothing.") if results.rows else ""
    kinds = Counter((row["system"], row["failure_stage"], row.get("error_type", "")) for row in failed)
    told = table(
        ("system", "stage", "error", "answers"),
        ([*map(escape, kind), str(count)] for kind, count in kinds.most_common()),
    )
    each = table(
        ("answer", "stage", "what was said of it"),
        (
            [escape(row["cell_id"]), escape(row["failure_stage"]), escape(row["error_message"])]
            for row in failed[:_TOLD]
        ),
    )
    more = note(f"{len(failed) - _TOLD:,} more are in results.csv.") if len(failed) > _TOLD else ""
    return wide(told) + wide(each) + more
