"""How the measures of speech look: systems side by side, turn detection side by side, and one voice."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from ..conversation.costs import sum_known
from ..media.clip import AudioClip
from ..media.turn_cuts import Cut, Span
from ..pricing.cost import format_usd
from ..speech.comparison import Comparison, ComparisonCell
from ..speech.turn_detection import TurnDetectionComparison
from ..speech.voice import Prosody, VoiceMeasures, prosody, words_per_minute
from . import words
from .budget import AudioBudget
from .html import facts, folded, left_out, note, picture, player, section, table, unbroken
from .plots import BLUE, INK, compact, curves, distributions, quiet

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# --- A comparison of systems: a row for each, its distributions, and the answers side by side -------------------------

_SYSTEM_HEADER = (
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
    rows = [_system_row(comparison, system) for system in comparison.systems]
    bundle: dict[str, Any] = {"text/plain": _text(rows)}
    cells = [[_unbroken(cell) for cell in row] for row in rows]
    parts = [table(_SYSTEM_HEADER[:_FIRST], (row[:_FIRST] for row in cells))]
    voices = table(("system", *_SYSTEM_HEADER[_FIRST:]), ([row[0], *row[_FIRST:]] for row in cells))
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


def _system_row(comparison: Comparison, system: str) -> tuple[str, ...]:
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
        ", ".join(f"{name} {value}" for name, value in zip(_SYSTEM_HEADER, row, strict=True) if value != "–")
        for row in rows
    )


# --- A comparison of turn detection: a picture of where each setting cuts, the totals, and their reference ------------

_TURNS_HEADER = (
    *("setting", "turn over after the last word, median (p95)", "sooner than the baseline", "speech clipped"),
    *("turns split", "merged", "missed", "false starts"),
)


def turn_comparison_bundle(comparison: TurnDetectionComparison) -> dict[str, Any]:
    """Return a comparison's MIME bundle."""
    sums = comparison.summary().astype(object)
    sums = [{key: None if value != value else value for key, value in row.items()} for row in sums.to_dict("records")]
    rows = [_setting_row(number, row, comparison) for number, row in enumerate(sums, 1)]
    points = [None if row["latency_p50_ms"] is None else (row["latency_p50_ms"], row["clipped_share"]) for row in sums]
    png = draw(comparison, points)
    remarks = _remarks(comparison)
    turns = sum(len(sound.spoken) for sound in comparison.sounds)
    lines = [repr(comparison), *(_line(row) for row in rows), *remarks]
    return {
        "text/plain": "\n".join(lines),
        "text/html": section(
            picture(png, "Waveform, each setting's turns, and what is waited against what is clipped; see the table."),
            table(_TURNS_HEADER, ([row[0], *(unbroken(cell) for cell in row[1:])] for row in rows)),
            *(note(remark) for remark in remarks),
            title=f"Turn detection · {turns} turn{'s' if turns > 1 else ''}",
        ),
        "image/png": base64.b64encode(png).decode(),
    }


def _setting_row(number: int, sums: dict[str, Any], comparison: TurnDetectionComparison) -> tuple[str, ...]:
    latency, gained = sums["latency_p50_ms"], sums["gained_p50_ms"]
    turns = sums["turns"]
    is_baseline = sums["setting"] == comparison.baseline
    return (
        f"{number} · {sums['setting']}",
        "–" if latency is None else f"{latency:,.0f} ({sums['latency_p95_ms']:,.0f}) ms",
        "(baseline)" if is_baseline else "–" if gained is None else f"{_signed(gained)} ms",
        f"{sums['clipped_share']:.1%}",
        *(_count(sums[f"{name}_share"] * turns, turns) for name in ("split", "merged", "missed")),
        str(sums["false_starts"]),
    )


def _line(row: tuple[str, ...]) -> str:
    return ", ".join([row[0], *(f"{name} {cell}" for name, cell in zip(_TURNS_HEADER[1:], row[1:], strict=True))])


def _signed(value: float) -> str:
    return f"{value:+,.0f}".replace("-", "−") if round(value) else "0"


def _count(count: float, of: int) -> str:
    return f"{count:.0f} of {of}" if round(count) else "0"


def _remarks(comparison: TurnDetectionComparison) -> list[str]:
    sound, start_s, stop_s = comparison.shown
    reach = sound.clip.duration_s
    part = f", {start_s:.0f} to {stop_s:.0f} s of {reach:.0f}" if start_s or stop_s < reach else ""
    remarks = []
    if len(comparison.sounds) > 1 or part:
        others = "" if len(comparison.sounds) == 1 else f", one of {len(comparison.sounds)} clips"
        remarks.append(f"The picture shows {sound.name!r}{part}{others}: .show(clip, start_s=…, stop_s=…) for others.")
    engine = "Silero, version 5" if comparison.engine == "silero" else "WebRTC's detector; Silero is not installed"
    remarks += [
        f"Compared with: {comparison.reference}. A mark ends each turn where its end was noticed. Clipped is speech "
        "before the turn begins, and speech after its first cut, which is answered before it is said.",
        f"Cut by the local server's own turn detection ({engine}). OpenAI's may cut elsewhere.",
    ]
    if any(given.get("type") == "semantic_vad" for given in comparison.settings.values()):
        beside = f", and {comparison.turn_model}" if comparison.turn_model else ""
        remarks.append(f"semantic_vad goes by the words that the local recogniser writes{beside}.")
    if comparison.recorded:
        used = ", ".join(f"{name}={value}" for name, value in comparison.settings[comparison.recorded].items())
        remarks.append(
            f"{comparison.recorded!r} is what the recorded server cut, the network's time included; "
            f"its settings: {used}."
        )
    return remarks


# --- The picture: the waveform, each setting's turns below it, and latency against clipped speech ---------------------

_SPEECH = "#1fa187"
_CLIPPED = "#e0523f"
_FALSE_START = "#e0a526"
_PALE = 0.35
_COLUMNS = 1_200
#: Points that are closer than this share of the axes share a label.
_APART_X, _APART_Y = 0.05, 0.06
#: Width of a letter in these labels.
_LETTER_X = 0.025


def draw(comparison: TurnDetectionComparison, points: Sequence[tuple[float, float] | None]) -> bytes:
    """Draw a comparison.

    `points`: for each setting its latency in ms, and the share of speech that it clips; `None` if it has none.
    """
    return compact(_figure(comparison, points))


def _figure(comparison: TurnDetectionComparison, points: Sequence[tuple[float, float] | None]) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sound, start_s, stop_s = comparison.shown
    names = [f"{name}  {number}" for number, name in enumerate(comparison.settings, 1)]
    figure = Figure(figsize=(11, max(3.0, 1.9 + 0.27 * len(names))), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 2, width_ratios=(2.6, 1), height_ratios=(1, 0.5 + 0.27 * len(names)))
    wave, rows = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
    curve = figure.add_subplot(grid[:, 1])
    _draw_wave(wave, sound.clip, start_s, stop_s)
    speech = [span for turn in sound.spoken for span in turn.speech]
    _fill(rows, 0, speech, _SPEECH)
    if sound.answers:
        _fill(rows, -1, sound.answers, INK, alpha=_PALE)
    for height, name in enumerate(comparison.settings, 1):
        for cut in sound.cuts[name]:
            if _is_between(cut, start_s * 1000, stop_s * 1000):
                _draw_cut(rows, height, cut)
    names = [*(["answers then"] if sound.answers else []), "speech", *names]
    top = -1 if sound.answers else 0
    rows.set(xlim=(start_s, stop_s), ylim=(top + len(names) - 0.4, top - 0.6), xlabel="s")
    rows.set_yticks(range(top, top + len(names)))
    for label in rows.set_yticklabels(names):
        label.set_parse_math(False)
    rows.grid(axis="x", color=INK, alpha=0.25, linewidth=0.6)
    rows.set_axisbelow(True)
    _draw_curve(curve, points)
    for axes in (wave, rows, curve):
        axes.patch.set_alpha(0)
        quiet(axes)
    wave.tick_params(labelbottom=False, bottom=False)
    handles = _legend(any(cut.is_false_start for cuts in sound.cuts.values() for cut in cuts))
    figure.legend(handles=handles, loc="outside upper left", ncols=6, frameon=False, fontsize=8, labelcolor=INK)
    return figure


def _legend(has_false_starts: bool) -> list[Artist]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = [
        Patch(color=_SPEECH, label="speech"),
        Patch(color=BLUE, label="in the turn"),
        Patch(color=BLUE, alpha=_PALE, label="its padding and silence"),
        Line2D([], [], color=INK, linestyle="", marker="|", markersize=9, markeredgewidth=1.4, label="turn over"),
        Patch(color=_CLIPPED, label="clipped"),
    ]
    return [*handles, Patch(color=_FALSE_START, alpha=_PALE, label="false start")] if has_false_starts else handles


def _is_between(cut: Cut, start_ms: float, stop_ms: float) -> bool:
    """Return whether any part of it is visible."""
    times = [time for turn in cut.found for time in (turn.start_ms, turn.ended_at_ms)]
    times += [cut.spoken.start_ms, cut.spoken.end_ms] if cut.spoken else []
    return min(times) < stop_ms and max(times) > start_ms


def _draw_wave(axes: Axes, clip: AudioClip, start_s: float, stop_s: float) -> None:
    samples = clip.cut(start_s, stop_s).samples
    columns = max(1, min(_COLUMNS, len(samples)))
    edges = np.linspace(0, len(samples), columns + 1).astype(int)[:-1]
    if len(samples):
        low, high = np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)
        times: npt.NDArray[np.floating] = start_s + edges / clip.sample_rate
        axes.fill_between(times, low, high, color=INK, linewidth=0.4)
    reach = max(clip.peak, 1e-3)
    axes.set(xlim=(start_s, stop_s), ylim=(-reach, reach), yticks=[])


def _draw_cut(axes: Axes, height: int, cut: Cut) -> None:
    """Draw a turn: where it was cut, in a pale colour; the speech in it; and a mark where its end was noticed."""
    for turn in cut.found:
        colour = BLUE if cut.spoken else _FALSE_START
        _fill(axes, height, [(turn.start_ms, turn.end_ms)], colour, alpha=_PALE)
        axes.plot([turn.ended_at_ms / 1000] * 2, [height - 0.38, height + 0.38], color=INK, linewidth=1.4)
        if cut.spoken:
            _fill(axes, height, cut.spoken.speech_between(turn.start_ms, turn.end_ms), BLUE)
    _fill(axes, height, [*cut.clipped_start, *cut.clipped_end], _CLIPPED)


def _fill(axes: Axes, height: int, spans: Sequence[Span], colour: str, alpha: float = 1.0) -> None:
    bars = [(start_ms / 1000, (end_ms - start_ms) / 1000) for start_ms, end_ms in spans]
    axes.broken_barh(bars, (height - 0.3, 0.6), color=colour, alpha=alpha, linewidth=0)


def _draw_curve(axes: Axes, points: Sequence[tuple[float, float] | None]) -> None:
    """Draw each setting's latency against the speech that it clips, numbered like the rows."""
    known = sorted((*point, number) for number, point in enumerate(points, 1) if point is not None)
    axes.plot([x for x, _, _ in known], [100 * y for _, y, _ in known], "o", color=BLUE, markersize=6)
    right = max([x for x, _, _ in known], default=1.0) * 1.12
    top = max([100 * y for _, y, _ in known], default=0.0) * 1.25 or 1.0
    labels: list[tuple[float, float, list[int]]] = []
    for x, share, number in known:
        y = 100 * share
        near = [each for each in labels if abs(each[0] - x) < _APART_X * right and abs(each[1] - y) < _APART_Y * top]
        if near:
            near[0][2].append(number)
        else:
            labels.append((x, y, [number]))
    taken: list[tuple[float, float, int]] = []
    for x, y, numbers in labels:
        text = ", ".join(map(str, sorted(numbers)))
        # One above the other, if they would touch.
        step = 0
        while any(
            abs(x - at) < (len(text) + 3) * _LETTER_X * right and abs(y - high) < 2 * _APART_Y * top and step == used
            for at, high, used in taken
        ):
            step += 1
        taken.append((x, y, step))
        axes.annotate(text, (x, y), (0, 6 + 11 * step), textcoords="offset points", size=8, color=INK, ha="center")
    axes.set(xlim=(0, right), ylim=(-0.04 * top, top))
    axes.set(xlabel="turn over after the last word, ms", ylabel="speech clipped, %")
    axes.grid(color=INK, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


# --- A voice: a table, and the pitch over time ------------------------------------------------------------------------

_QUALITY = {"dnsmos_ovrl": "overall", "dnsmos_sig": "speech", "dnsmos_bak": "background", "dnsmos_p808": "P.808"}
_QUALITY_NOTE = "DNSMOS: what listeners would say, as networks estimate it, from 1 (bad) to 5 (excellent)."


def voice_measures_bundle(measures: VoiceMeasures) -> dict[str, Any]:
    """Return the MIME bundle of a voice's measures."""
    shown = _measures(measures)
    bundle: dict[str, Any] = {"text/plain": "\n".join(f"{name}: {value}" for name, value in shown)}
    quality = [
        (f"DNSMOS {name}", f"{value:.2f}")
        for column, name in _QUALITY.items()
        if (value := getattr(measures, column)) is not None
    ]
    parts = [facts(shown)]
    if quality:
        bundle["text/plain"] += "".join(f"\n{name}: {value}" for name, value in quality)
        parts += [facts(quality), note(_QUALITY_NOTE)]
    if measures.prosody is not None and measures.pitch_hz is not None:
        line = (BLUE, measures.prosody.times_s, measures.prosody.fundamental_hz)
        png = curves({"pitch": line}, xlabel="s", ylabel="fundamental in Hz")
        bundle["image/png"] = base64.b64encode(png).decode()
        parts.append(picture(png, f"Pitch over time, around {measures.pitch_hz:.0f} Hz"))
    bundle["text/html"] = section(*parts, title=f"Voice · {measures.duration_s:.1f} s")
    return bundle


def _measures(measures: VoiceMeasures) -> list[tuple[str, str]]:
    return [
        ("pitch, median", _measure(measures.pitch_hz, "{:.0f} Hz")),
        ("its standard deviation", _measure(measures.pitch_sd_semitones, "{:.1f} semitones")),
        ("words per minute", _measure(measures.words_per_minute, "{:.0f}")),
        ("syllables per second", _measure(measures.syllables_per_s, "{:.1f}")),
        ("pauses", _measure(measures.pause_share, "{:.0%}")),
        ("loudness", _measure(measures.loudness_lufs, "{:.1f} LUFS").replace("-", "−")),
    ]


def _measure(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
