"""The views of results: in a notebook, and as one self-contained HTML page."""

from __future__ import annotations

import base64
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from ..display import printable
from ..errors import AudioError, SettingsError
from ..media.clip import AudioClip
from ..pricing.cost import format_usd
from ..speech.statistics import FEW
from ..speech.words import ErrorCounts
from ..views import words
from ..views.budget import AudioBudget
from ..views.html import (
    EMPTY,
    bullets,
    facts,
    figure,
    joined,
    link,
    note,
    notice,
    page,
    paragraph,
    picture,
    player,
    saying,
    section,
    table,
    unbroken,
    wide,
)
from .conditions import describe
from .folder import Answers
from .metrics import value_of
from .plots import Plot, Plots
from .provenance import SystemDescription, made_with, mixed_parts
from .statistics import (
    LATENCY,
    Row,
    caveat_of,
    corpus_errors,
    format_difference,
    format_interval,
    format_value,
    graded,
    grouped,
    label_of,
    main_measures,
    summarise,
    tabulate,
)

# --- The caveats of these results: what they do not show --------------------------------------------------------------


def caveats(results: Answers, made: Mapping[str, SystemDescription]) -> Iterator[str]:
    """Yield caveats, the most serious first."""
    local = [system for system, each in made.items() if each.backend.startswith("local")]
    if local:
        yield (
            f"{', '.join(local)}: answered by the local voice, which is rules, a small recogniser and a synthesiser on "
            "one machine, not a language model. Its latencies depend on this machine and its load, its prices are "
            "zero, and it does not understand what was said. These results say nothing about OpenAI's or other models."
        )
    yield from mixed_parts(results.rows)
    if results.missing:
        yield "The run is not complete. The questions asked so far are not a random sample of all questions."
    failed = len(results.failed)
    if failed:
        yield (
            f"{failed} answers failed. They count only in the share of completed answers and in the cost, so a system "
            "that fails on hard examples looks better than it is. Compare the paired differences."
        )
    unsure = sum(bool(row.get("cost_remarks")) for row in results.rows)
    if unsure:
        yield (
            f"For {unsure} answers a server did not report the whole usage. Their cost is a minimum, an estimate or "
            "not known; cost_remarks says which. Read it before you compare costs."
        )
    examples = len({row["example_id"] for row in results.rows})
    if told := caveat_of(examples):
        yield (
            f"{told}. Means of fewer than {FEW} have t intervals, which cover about 90 % instead of 95 % if a few "
            "values are far out, as times may be; and medians of fewer than 6 have none."
        )
    yield (
        f"The intervals hold for examples like these {examples}. They say nothing about other languages, speakers, "
        "topics or microphones, or about the servers on another day or from another network."
    )
    yield (
        "Nothing is corrected for the number of comparisons: if nothing differs, about one interval in twenty excludes "
        "0 by chance. An interval that includes 0 does not show that two systems are alike."
    )
    yield (
        "Clips are sent, not spoken live: if a clip is sent faster than real time, latencies are not those of a live "
        "microphone. Conditions imitate noise, rooms and telephones; they do not replace them."
    )
    yield (
        "Word errors are those of the transcript that a system makes beside its answer. A speech-to-speech model does "
        "not read it, and a system without a transcript has no word errors."
    )


# --- Answers on a page: some to listen to, side by side, and all to read ----------------------------------------------

#: More rows would make a page slow; the folder has them all.
_MOST_ROWS = 1_000
_LONGEST_TEXT = 300


def sample(results: Answers, examples: int, audio_mb: float, seed: int) -> Markup:
    """Return some random examples to listen to, with the answers of all systems under all conditions."""
    ids = list(dict.fromkeys(row["example_id"] for row in results.rows))
    chosen = sorted(random.Random(seed).sample(ids, min(examples, len(ids))), key=ids.index)
    if not chosen:
        return EMPTY
    budget = AudioBudget(audio_mb)
    parts = [_example(results, example_id, budget) for example_id in chosen]
    told = f"{len(chosen)} of {len(ids)} examples, chosen at random (seed {seed}); the first repeat of each."
    if budget.left_out:
        told += (
            f" {len(budget.left_out)} clips ({sum(budget.left_out):.0f} s) are left out or cut to keep the sound of "
            f"this page within {audio_mb:g} MB; they are in the folder audio/, and report(audio_mb=…) includes more."
        )
    return note(told) + joined(parts)


def _example(results: Answers, example_id: str, budget: AudioBudget) -> Markup:
    rows = [row for row in results.rows if row["example_id"] == example_id]
    rows = [row for row in rows if row["repeat"] == min(each["repeat"] for each in rows)]
    conditions = [name for name in results.about["conditions"] if any(row["condition"] == name for row in rows)]
    parts = [saying(example_id, rows[0].get("user_text", ""))]
    for condition in conditions:
        of_condition = [row for row in rows if row["condition"] == condition]
        order = results.about["systems"]
        of_condition.sort(key=lambda row: order.index(row["system"]) if row["system"] in order else len(order))
        asked = _player(results.path, of_condition[0].get("input_audio_path"), budget)
        lines = [
            [
                row["system"],
                Markup("{}<br>{}").format(_answer(row), _player(results.path, row.get("output_audio_path"), budget)),
                row.get("heard") or "–",
                unbroken(words.milliseconds(row.get(LATENCY))),
                _grades(row),
            ]
            for row in of_condition
        ]
        heading = Markup("<div><strong>{}</strong>&ensp;{}</div>").format(condition, asked)
        parts.append(heading + wide(table(("system", "answer", "heard", "first audible after", "graded"), lines)))
    return joined(parts)


def _player(folder: Path, path: str | None, budget: AudioBudget) -> Markup:
    if not path:
        return player(None, budget)
    file = (folder / path).resolve()
    if not file.is_relative_to(
        folder.resolve()
    ):  # A folder from someone else must not put files of this machine on a page.
        return note("its file is not in the folder")
    try:
        clip = AudioClip.from_file(file)
        # The track of an answer begins with the silence in which the person spoke.
        begins = int(np.argmax(clip.samples != 0)) / clip.sample_rate if file.parent.parent.name == "recordings" else 0
        return player(clip.cut(begins, clip.duration_s), budget)
    except (AudioError, OSError):
        return note("its file is missing")


def _answer(row: Row) -> str:
    said = _short(row.get("assistant_text") or "")
    if row["status"] == "completed":
        return said or "(no words)"
    failure = f"failed ({row['failure_stage']}): {row['error_message']}"
    return Markup("{}<br>{}").format(said, failure) if said else failure


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def _grades(row: Row) -> str:
    told = []
    for name in graded([row]):
        if name not in ("completed", "wer"):  # These have their own columns.
            reason = row.get(f"reason_{name.removeprefix('grade_')}", "")
            told.append(f"{label_of(name)} {row[name]:.3g}{f' ({reason})' if reason else ''}")
    return Markup("<br>").join(told) or "–"


def all_answers(results: Answers) -> Markup:
    """Return a line for each answer, without its sound."""
    shown = results.rows[:_MOST_ROWS]
    lines = [
        [
            row["example_id"],
            row["system"],
            row["condition"],
            str(row["repeat"]),
            _short(row.get("user_text", "")),
            _answer(row),
            unbroken(words.milliseconds(row.get(LATENCY))),
            unbroken(format_usd(row["cost_usd"]) if "cost_usd" in row else "–"),
            _grades(row),
        ]
        for row in shown
    ]
    if not lines:
        return EMPTY
    header = ("example", "system", "condition", "repeat", "asked", "answer", "first audible after", "cost", "graded")
    left = len(results.rows) - len(shown)
    return wide(table(header, lines)) + (note(f"{left:,} more are in results.csv.") if left else EMPTY)


# --- The page: the run, its results, and its caveats ------------------------------------------------------------------

#: How many failures are listed one by one.
_TOLD = 50


def make_report(results: Answers, *, title: str, examples: int, audio_mb: float, seed: int) -> Markup:
    """Return the page; see `Results.report`."""
    made = made_with(results.path, results.rows, results.about["systems"])
    return page(
        title,
        [
            ("What was run", _what_was_run(results, made)),
            ("In sum", _sums(results, seed) + _word_errors(results, seed)),
            ("Differences", _differences(results, seed)),
            ("Pictures", _pictures(results, seed)),
            ("What may not be concluded", bullets(caveats(results, made))),
            ("What failed", _failures(results)),
            ("Listen", sample(results, examples, audio_mb, seed)),
            ("All answers", all_answers(results)),
        ],
        lead=_lead(results, seed),
    )


def finding(results: Answers, seed: int) -> list[str]:
    """Return what the run found, a sentence for each main measure: the difference to the first system, or the value."""
    wanted = main_measures(results.rows)
    if not wanted:
        return []
    rows = summarise(results.rows, results.about, "system", measures=wanted, seed=seed)
    rows.sort(key=lambda row: wanted.index(row["measure"]))
    [base] = next(iter(grouped(results.rows, ("system",), results.about)))
    told = []
    for row in rows:
        label, pairs = label_of(row["measure"]), row["pairs"]
        if row["system"] != base and row["difference"] is not None:
            difference = format_difference(row["difference"], row["low"], row["high"], row["measure"])
            open_ = row["low"] is None or row["low"] <= 0 <= row["high"]
            end = ": these examples do not tell the two apart" if open_ else ""
            told.append(f"{label}: {row['system']} {difference} against {base}, over {pairs} examples{end}.")
        elif len({each["system"] for each in rows}) == 1:
            told.append(f"{label}: {base} {format_value(row['median'], row['measure'])}, {row['examples']} examples.")
    return told


def without_wer(results: Answers) -> list[str]:
    """Return for each system without a word error rate why it has none."""
    told = []
    for (system,), rows in (grouped(results.rows, ("system",), results.about) if results.rows else {}).items():
        answered = [row for row in rows if row["status"] != "failed"]
        if answered and all(value_of(row, "wer") is None for row in answered):
            has_words = any(row.get("user_text") for row in answered)
            why = "it does not transcribe the questions" if has_words else "the examples have no words to compare with"
            told.append(f"{system} has no word error rate, because {why}.")
    return told


def _lead(results: Answers, seed: int) -> Markup:
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
    found = bullets(finding(results, seed))
    parts = [found, note(f"{words.DISCLOSURE}s: all answers on this page come from AI models."), told]
    if results.missing:
        why = f" ({results.stopped})" if results.stopped else ""
        parts.append(notice(f"Not complete: {results.missing:,} answers are still to be asked{why}."))
    parts += [notice(f"{remark}.") for remark in results.remarks]
    return joined(parts)


def _what_was_run(results: Answers, made: dict[str, SystemDescription]) -> Markup:
    about = results.about
    rows = []
    for system in about["systems"]:
        each = made.get(system)
        cells = (each.session, each.model, each.backend, each.prices) if each else ("not known", "–", "–", "–")
        settings = each.settings if each else {}
        listed = " · ".join(f"{name}: {value}" for name, value in settings.items())
        rows.append([system, *cells, listed or "–"])
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
                ([name, _what_happens(what)] for name, what in about["conditions"].items()),
            )
        )
        + note("Made with " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".")
    )


def _what_happens(condition: str) -> str:
    return "nothing" if condition == describe(()) else condition


def _sums(results: Answers, seed: int) -> Markup:
    if not results.rows:
        return paragraph("There are no answers yet.")
    headings, lines = tabulate(results.rows, results.about, ("system", "condition"), seed=seed)
    return wide(table(headings, ([unbroken(cell) for cell in line] for line in lines))) + note(
        "In brackets: 95 % intervals over examples; none if all answers are the same. Failed answers count only in the "
        "mean cost. The captions of the pictures say how the intervals were made."
    )


def _word_errors(results: Answers, seed: int) -> Markup:
    """Return the word error rates of all answers together."""
    found = list(corpus_errors(results.rows, results.about, _BY, "realtime_nb", seed=seed)) if results.rows else []
    if not found:
        return EMPTY
    names = ("answers", *ErrorCounts._fields)
    lines = [
        [
            *(str(row[name]) for name in _BY),
            *(f"{row[name]:,}" for name in names),
            unbroken(format_interval(row["wer"], row["low"], row["high"], "wer")),
            unbroken(format_value(row["mean_of_answers"], "wer")),
        ]
        for row in found
    ]
    header = (*_BY, *names, "word errors of all words", "mean of the answers")
    return wide(table(header, lines)) + note(
        "Words are compared as they are spoken, by this package's own normaliser, and letters of scripts without "
        "spaces one by one; results.word_errors(normaliser=…) counts by Whisper's rules or the Open ASR Leaderboard's."
    )


def _differences(results: Answers, seed: int) -> Markup:
    """Compare systems with the first one, and conditions with the first one, on the same examples."""
    return joined(_differences_by(results, by, seed) for by in (("system", "condition"), ("condition", "system")))


def _differences_by(results: Answers, by: tuple[str, str], seed: int) -> Markup:
    levels = list(dict.fromkeys(key[0] for key in grouped(results.rows, by, results.about))) if results.rows else []
    if len(levels) < 2:
        return EMPTY
    wanted = main_measures(results.rows)
    compared = summarise(results.rows, results.about, by, measures=wanted, seed=seed) if wanted else []
    found = [row for row in compared if row["pairs"] and row["difference"] is not None]
    if not found:
        return paragraph(f"No two {by[0]}s have two answered examples in common, so nothing can be paired.")
    lines = [
        [
            label_of(row["measure"]),
            *(str(row[name]) for name in by),
            unbroken(format_difference(row["difference"], row["low"], row["high"], row["measure"])),
            "–" if row["effect"] is None else f"{row['effect']:+.2f}".replace("-", "−"),
            str(row["pairs"]),
        ]
        for row in sorted(found, key=lambda row: wanted.index(row["measure"]))
    ]
    header = ("measure", *by, f"difference to {levels[0]}", "effect size d_z", "pairs")
    bounded = [row for row in found if row["low"] is not None]
    methods = sorted({row["method"] for row in bounded})
    holding = sum(not row["low"] <= 0 <= row["high"] for row in bounded)
    return wide(table(header, lines)) + note(
        f"Means of differences on the same examples, with 95 % intervals ({', '.join(methods)}). {holding} of "
        f"{len(bounded)} intervals exclude 0; if nothing differed, about {0.05 * len(bounded):.1f} would do so by "
        "chance. d_z: the mean difference over its standard deviation; 0.2 is small, 0.5 medium, 0.8 large."
    )


def _pictures(results: Answers, seed: int) -> Markup:
    plots = Plots(results.rows, results.about)
    wanted: list[Callable[[], Plot]] = [
        lambda: plots.latency(seed=seed),
        lambda: plots.grades(seed=seed),
        lambda: plots.cost(seed=seed),
    ]
    return joined(_drawn(wanted))


def _drawn(plots: list[Callable[[], Plot]]) -> Iterator[Markup]:
    for draw in plots:
        try:
            plot = draw()
        except SettingsError:  # This was not measured.
            continue
        yield figure(Markup(plot.to_svg()), plot.caption)


def _failures(results: Answers) -> Markup:
    failed = results.failed
    if not failed:
        return paragraph("Nothing.") if results.rows else EMPTY
    kinds = Counter((row["system"], row["failure_stage"], row.get("error_type", "")) for row in failed)
    told = table(
        ("system", "stage", "error", "answers"),
        ([*kind, str(count)] for kind, count in kinds.most_common()),
    )
    each = table(
        ("answer", "stage", "error"),
        ([row["cell_id"], row["failure_stage"], row["error_message"]] for row in failed[:_TOLD]),
    )
    more = note(f"{len(failed) - _TOLD:,} more are in results.csv.") if len(failed) > _TOLD else EMPTY
    return wide(told) + wide(each) + more


# --- Results in a notebook: a row for each system and condition, times as a picture, and failures ---------------------

_BY = ("system", "condition")
#: How many failures are listed one by one.
_FEW = 5


def results_bundle(results: Answers) -> dict[str, Any]:
    """Return results as a notebook shows them."""
    headings, lines = _table(results) if results.rows else ([], [])
    told = [repr(results), *(", ".join(map(" ".join, zip(headings, line, strict=True))) for line in lines)]
    bundle: dict[str, Any] = {"text/plain": printable("\n".join(told))}
    parts = []
    if lines:
        cells = ([cell if index < len(_BY) else unbroken(cell) for index, cell in enumerate(x)] for x in lines)
        caveat = caveat_of(len({row["example_id"] for row in results.rows}))
        brackets = f"In brackets: 95 % intervals, over examples.{f' {caveat}.' if caveat else ''}"
        parts += [table(headings, cells), note(brackets)]
    if any(value_of(row, LATENCY) is not None for row in results.rows):
        plot = Plots(results.rows, results.about).latency(by=_BY)
        png = plot.to_png()
        bundle["image/png"] = base64.b64encode(png).decode()
        parts += [picture(png, plot.description), note(plot.caption)]
    parts += [note(line) for line in _remarks(results)]
    parts.append(Markup("<div>{}</div>").format(link(results.path, "The folder of this run")))
    bundle["text/html"] = str(section(*parts, title=f"Results · {len(results)} answers · {words.DISCLOSURE}"))
    return bundle


def _table(results: Answers) -> tuple[list[str], list[list[str]]]:
    """Return the table for print, with each group's total cost."""
    headings, lines = tabulate(results.rows, results.about, _BY)
    for line, rows in zip(lines, grouped(results.rows, _BY, results.about).values(), strict=True):
        costs = [row["cost_usd"] for row in rows if "cost_usd" in row]
        line.append("unknown" if None in costs else format_usd(sum(costs)))
    return [*headings, "total cost"], lines


def _remarks(results: Answers) -> list[str]:
    """Return remarks on missing and failed answers, and on where the run is."""
    failed = results.failed
    remarks = [f"{row['cell_id']} failed ({row['failure_stage']}): {row['error_message']}" for row in failed[:_FEW]]
    if len(failed) > _FEW:
        remarks.append(f"{len(failed) - _FEW} more failed: see results.failed")
    if results.missing:
        why = f" ({results.stopped})" if results.stopped else ""
        remarks.append(f"still to be asked: {results.missing}{why}. Run the same again with resume=True")
    return [*results.remarks, *remarks, *without_wer(results), "results.show(0) plays the first answer."]
