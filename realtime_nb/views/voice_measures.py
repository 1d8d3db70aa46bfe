"""Measures of a voice: a table, and the pitch over time."""

from __future__ import annotations

import base64
from typing import Any

from ..speech.voice import VoiceMeasures
from .html import facts, note, picture, section
from .plots import BLUE, curves

_QUALITY = {"dnsmos_ovrl": "overall", "dnsmos_sig": "speech", "dnsmos_bak": "background", "dnsmos_p808": "P.808"}
_QUALITY_NOTE = "DNSMOS: what listeners would say, as networks estimate it, from 1 (bad) to 5 (excellent)."


def voice_measures_bundle(measures: VoiceMeasures) -> dict[str, Any]:
    """Return the MIME bundle of a voice's measures."""
    shown = _facts(measures)
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


def _facts(measures: VoiceMeasures) -> list[tuple[str, str]]:
    return [
        ("pitch, median", _figure(measures.pitch_hz, "{:.0f} Hz")),
        ("its standard deviation", _figure(measures.pitch_sd_semitones, "{:.1f} semitones")),
        ("words per minute", _figure(measures.words_per_minute, "{:.0f}")),
        ("syllables per second", _figure(measures.syllables_per_s, "{:.1f}")),
        ("pauses", _figure(measures.pause_share, "{:.0%}")),
        ("loudness", _figure(measures.loudness_lufs, "{:.1f} LUFS").replace("-", "−")),
    ]


def _figure(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
