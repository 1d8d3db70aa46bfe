"""Answers on a page: some to be listened to, side by side, and all to be read."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from ..audio import AudioClip
from ..errors import AudioError
from ..pricing import format_usd
from ..views import words
from ..views.budget import AudioBudget
from ..views.html import escape, note, player, saying, table, unbroken
from ..views.page import wide
from .groups import Row, graded, label_of
from .tabling import LATENCY

if TYPE_CHECKING:
    from .results import Results

#: More rows make a page slow; all are in the folder.
_MOST_ROWS = 1_000
_LONGEST_TEXT = 300


def sample(results: Results, examples: int, audio_mb: float, seed: int) -> str:
    """Return some examples, by chance, with the answers of all systems under all conditions, to be listened to."""
    ids = list(dict.fromkeys(row["example_id"] for row in results.rows))
    chosen = sorted(random.Random(seed).sample(ids, min(examples, len(ids))), key=ids.index)
    if not chosen:
        return ""
    budget = AudioBudget(audio_mb)
    parts = [_example(results, example_id, budget) for example_id in chosen]
    told = f"{len(chosen)} of {len(ids)} examples, by chance (seed {seed}); the first repeat of each."
    if budget.left_out:
        told += (
            f" {len(budget.left_out)} clips ({sum(budget.left_out):.0f} s) are left out or cut to keep the sound of "
            f"this page within {audio_mb:g} MB; they are in the folder audio/, and report(audio_mb=…) takes more in."
        )
    return note(told) + "".join(parts)


def _example(results: Results, example_id: str, budget: AudioBudget) -> str:
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
                escape(row["system"]),
                f"{_answer(row)}<br>{_player(results.path, row.get('output_audio_path'), budget)}",
                escape(row.get("heard") or "–"),
                unbroken(words.milliseconds(row.get(LATENCY))),
                _grades(row),
            ]
            for row in of_condition
        ]
        heading = f"<div><strong>{escape(condition)}</strong>&ensp;{asked}</div>"
        parts.append(heading + wide(table(("system", "answer", "heard", "first audible after", "graded"), lines)))
    return "".join(parts)


def _player(folder: Path, path: str | None, budget: AudioBudget) -> str:
    if not path:
        return player(None, budget)
    file = (folder / path).resolve()
    if not file.is_relative_to(
        folder.resolve()
    ):  # A folder from elsewhere must not put this machine's files on a page.
        return note("its file is not in the folder")
    try:
        return player(AudioClip.from_file(file), budget)
    except (AudioError, OSError):
        return note("its file is not there")


def _answer(row: Row) -> str:
    said = escape(_short(row.get("assistant_text") or ""))
    if row["status"] == "completed":
        return said or "(no words)"
    failure = f"failed ({escape(row['failure_stage'])}): {escape(row['error_message'])}"
    return f"{said}<br>{failure}" if said else failure


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def _grades(row: Row) -> str:
    told = []
    for name in graded([row]):
        if name not in ("completed", "wer"):  # They stand beside it.
            reason = row.get(f"reason_{name.removeprefix('grade_')}", "")
            told.append(f"{label_of(name)} {row[name]:.3g}{f' ({reason})' if reason else ''}")
    return "<br>".join(map(escape, told)) or "–"


def all_answers(results: Results) -> str:
    """Return a line for each answer, without its sound."""
    shown = results.rows[:_MOST_ROWS]
    lines = [
        [
            escape(row["example_id"]),
            escape(row["system"]),
            escape(row["condition"]),
            str(row["repeat"]),
            escape(_short(row.get("user_text", ""))),
            _answer(row),
            unbroken(words.milliseconds(row.get(LATENCY))),
            unbroken(format_usd(row["cost_usd"]) if "cost_usd" in row else "–"),
            _grades(row),
        ]
        for row in shown
    ]
    if not lines:
        return ""
    header = ("example", "system", "condition", "repeat", "asked", "answer", "first audible after", "cost", "graded")
    left = len(results.rows) - len(shown)
    return wide(table(header, lines)) + (note(f"{left:,} more are in results.csv.") if left else "")
