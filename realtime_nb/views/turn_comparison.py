"""A comparison of turn detection: a picture of where each setting cuts, its sums, and what they go by."""

from __future__ import annotations

import base64
from typing import Any

from ..turn_comparison import TurnDetectionComparison
from .html import escape, note, picture, section, table, unbroken
from .turn_comparison_picture import draw

_HEADER = (
    *("setting", "turn over after the last word, median (p95)", "sooner than the baseline", "speech clipped"),
    *("turns split", "merged", "missed", "false starts"),
)


def turn_comparison_bundle(comparison: TurnDetectionComparison) -> dict[str, Any]:
    """Return a comparison's looks."""
    sums = comparison.summary().astype(object)
    sums = [{key: None if value != value else value for key, value in row.items()} for row in sums.to_dict("records")]
    rows = [_row(number, row, comparison) for number, row in enumerate(sums, 1)]
    points = [None if row["latency_p50_ms"] is None else (row["latency_p50_ms"], row["clipped_share"]) for row in sums]
    png = draw(comparison, points)
    remarks = _remarks(comparison)
    turns = sum(len(sound.spoken) for sound in comparison.sounds)
    lines = [repr(comparison), *(_line(row) for row in rows), *remarks]
    return {
        "text/plain": "\n".join(lines),
        "text/html": section(
            picture(png, "Waveform, each setting's turns, and what is waited against what is clipped; see the table."),
            table(_HEADER, ([escape(row[0]), *(unbroken(cell) for cell in row[1:])] for row in rows)),
            *(note(remark) for remark in remarks),
            title=f"Turn detection · {turns} turn{'s' if turns > 1 else ''}",
        ),
        "image/png": base64.b64encode(png).decode(),
    }


def _row(number: int, sums: dict[str, Any], comparison: TurnDetectionComparison) -> tuple[str, ...]:
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
    return ", ".join([row[0], *(f"{name} {cell}" for name, cell in zip(_HEADER[1:], row[1:], strict=True))])


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
        "before the turn begins, and speech behind its first cut, which is answered before it is said.",
        f"Cut by the local server's own turn detection ({engine}). OpenAI's may cut elsewhere.",
    ]
    if comparison.recorded:
        used = ", ".join(f"{name}={value}" for name, value in comparison.settings[comparison.recorded].items())
        remarks.append(
            f"{comparison.recorded!r} is what the recorded server cut, the network's time included; "
            f"its settings: {used}."
        )
    return remarks
