"""A comparison: a row for each system, its distributions, and the answers side by side."""

from __future__ import annotations

import base64
import re
from typing import Any

import numpy as np
from markupsafe import Markup

from ..conversation.costs import sum_known
from ..pricing.cost import format_usd
from ..speech.comparison import Comparison, ComparisonCell
from ..speech.voice import Prosody, prosody, words_per_minute
from . import words
from .budget import AudioBudget
from .html import folded, left_out, note, picture, player, section, table
from .plots import distributions

_HEADER = (
    "system",
    "answers",
    "first audio, median",
    "done, median",
    "total cost",
    "word errors",
    "what the model got",
    "its own voice",
)
#: The columns that fit beside a narrow page's text; the rest is folded.
_FIRST = 6
_DOTS = "A dot for each answer, a bar at the median."
#: Finding the pitch takes a quarter of a clip's length, so only this many clips are measured.
_MEASURED_CLIPS = 3


def comparison_bundle(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison's MIME bundle."""
    rows = [_row(comparison, system) for system in comparison.systems]
    bundle: dict[str, Any] = {"text/plain": _text(rows)}
    cells = [[_unbroken(cell) for cell in row] for row in rows]
    parts = [table(_HEADER[:_FIRST], (row[:_FIRST] for row in cells))]
    voices = table(("system", *_HEADER[_FIRST:]), ([row[0], *row[_FIRST:]] for row in cells))
    parts.append(folded("What each model heard, and how it sounds", voices))
    timed = {
        "first audio in ms": {name: comparison.values(name, "first_audio_ms") for name in comparison.systems},
        "done in ms": {name: comparison.values(name, "done_ms") for name in comparison.systems},
    }
    if any(found for values in timed.values() for found in values.values()):
        png = distributions(timed)
        bundle["image/png"] = base64.b64encode(png).decode()
        parts += [picture(png, f"First audio and done, in ms. {_DOTS}"), note(_DOTS)]
    budget = AudioBudget()
    parts.append(table(("asked", *comparison.systems), _answers(comparison, budget)))
    parts.append(left_out(budget, 'clip.save("clip.flac") for the clips of comparison.clips and the cells\' audio'))
    bundle["text/html"] = section(*parts, title=f"Comparison · {words.DISCLOSURE}")
    return bundle


def _row(comparison: Comparison, system: str) -> tuple[str, ...]:
    cells = [cell for cell in comparison.cells if cell.system == system]
    failed = [cell for cell in cells if cell.error]
    wer = comparison.values(system, "wer")
    return (
        system,
        f"{len(cells) - len(failed)} of {len(cells)}" + (f"; first failure: {failed[0].error}" if failed else ""),
        words.milliseconds(_median(comparison.values(system, "first_audio_ms"))),
        words.milliseconds(_median(comparison.values(system, "done_ms"))),
        _cost(cells),
        f"{np.mean(wer):.0%}" if wer else next((cell.no_wer for cell in cells if cell.no_wer), "–"),
        _input(comparison, system),
        _output(cells),
    )


def _unbroken(text: str) -> str:
    """Keep numbers with their units, so that narrow columns stay readable."""
    return re.sub(r"(?<=\d) (?=ms|dBFS|words|semitones)", "\N{NO-BREAK SPACE}", text)


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None


def _cost(cells: list[ComparisonCell]) -> str:
    """Say what a system's questions cost, failed ones too, or how many tokens they took if the cost is not known."""
    total = sum_known(cell.cost_usd for cell in cells)
    if total is not None and any(not cell.error for cell in cells):
        remarks = dict.fromkeys(cell.cost_remarks for cell in cells if cell.cost_remarks)
        return "; ".join([format_usd(total), *list(remarks)[:1]])
    read = sum(cell.tokens_in or 0 for cell in cells)
    written = sum(cell.tokens_out or 0 for cell in cells)
    return f"unknown ({read:,} input · {written:,} output tokens)" if read or written else "unknown"


def _input(comparison: Comparison, system: str) -> str:
    """Say how much of the person's voice reached the model: all of it, or none."""
    if system in comparison.words_only:
        return "words alone: pitch, rate and loudness are lost"
    # Any system that transcribed the words knows how many there were.
    heard = {cell.clip: cell.heard for cell in comparison.cells if cell.heard}
    measured = list(comparison.clips.items())[:_MEASURED_CLIPS]
    rates = [words_per_minute(heard.get(name, ""), clip) for name, clip in measured]
    return f"the sound: {_voice([prosody(clip) for _, clip in measured], rates)}"


def _output(cells: list[ComparisonCell]) -> str:
    spoken = [(cell.reply, cell.audio) for cell in cells if cell.audio is not None][:_MEASURED_CLIPS]
    if not spoken:
        return "–"
    rates = [words_per_minute(reply, audio) for reply, audio in spoken]
    return _voice([prosody(audio) for _, audio in spoken], rates)


def _voice(measured: list[Prosody], rates: list[float | None]) -> str:
    ranges = [each.pitch_range_semitones for each in measured if each.pitch_range_semitones is not None]
    known = [rate for rate in rates if rate is not None]
    pitch = f"pitch range {np.median(ranges):.0f} semitones, " if ranges else ""
    rate = f"{np.median(known):.0f} words/min, " if known else ""
    return f"{pitch}{rate}loudness {np.median([each.loudness_db for each in measured]):.0f} dBFS".replace("-", "−")


def _answers(comparison: Comparison, budget: AudioBudget) -> list[list[str]]:
    """Return the first answer of each system to each clip, side by side."""
    first = {(cell.clip, cell.system): cell for cell in reversed(comparison.cells)}
    return [
        [
            Markup("{}<br>{}").format(name, player(clip, budget)),
            *(_answer(first.get((name, system)), budget) for system in comparison.systems),
        ]
        for name, clip in comparison.clips.items()
    ]


def _answer(cell: ComparisonCell | None, budget: AudioBudget) -> str:
    if cell is None:
        return "–"
    if cell.error:
        return f"failed: {cell.error}"
    return cell.reply if cell.audio is None else Markup("{}<br>{}").format(cell.reply, player(cell.audio, budget))


def _text(rows: list[tuple[str, ...]]) -> str:
    return "\n".join(
        ", ".join(f"{name} {value}" for name, value in zip(_HEADER, row, strict=True) if value != "–") for row in rows
    )
