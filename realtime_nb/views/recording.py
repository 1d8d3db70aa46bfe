"""A recording: what it is, and who said what when; and its replay, which also plays it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..recording.recording import Recording
from ..recording.replay import Replay
from ..turns import Turn
from . import words
from .budget import AudioBudget
from .html import escape, facts, left_out, note, player, section, table, unbroken

#: More turns than this are not shown of a recording; its frame and its replay have all.
_SHOWN_TURNS = 200


def recording_bundle(recording: Recording) -> dict[str, Any]:
    """Return a recording's looks; the sound is not read for it."""
    about = _facts(recording)
    turns = recording.said
    more = len(turns) - _SHOWN_TURNS
    notes = [*recording.remarks, *([f"{more} more turns are in recording.turns"] if more > 0 else [])]
    title = f"Recording · {words.DISCLOSURE}"
    lines = [title, ", ".join(f"{name} {value}" for name, value in about), *_lines(turns[:_SHOWN_TURNS]), *notes]
    markup = section(
        facts(about),
        _table(turns[:_SHOWN_TURNS]),
        *map(note, notes),
        note(f"recording.replay() plays it; the files are in {recording.path}"),
        title=title,
    )
    return {"text/plain": "\n".join(lines), "text/html": markup}


def replay_bundle(replay: Replay) -> dict[str, Any]:
    """Return a replay's looks: one player for both sides, and the words with their times."""
    budget = AudioBudget()
    speed = f" · {replay.speed:g} × the speed" if replay.speed != 1.0 else ""
    title = f"Replay of {replay.name}{speed} · {words.DISCLOSURE}"
    markup = section(
        player(replay.clip, budget),
        left_out(budget, 'recording.replay().clip.save("replay.mp3")'),
        _table(replay.turns),
        title=title,
    )
    length = words.seconds(replay.clip.duration_s)
    return {"text/plain": "\n".join([f"{title} · {length}", *_lines(replay.turns)]), "text/html": markup}


def _facts(recording: Recording) -> list[tuple[str, str]]:
    manifest = recording.manifest
    origin = (manifest.get("clock") or {}).get("origin") or "–"
    backend = (manifest.get("backend") or {}).get("name") or "–"
    return [
        ("name", recording.path.name),
        ("length", _clock(recording.duration_s)),
        ("begun", str(origin)[:19].replace("T", " ") + (" UTC" if str(origin).endswith("+00:00") else "")),
        ("session", str(manifest.get("session") or "–")),
        ("backend", str(backend)),
        ("model", str(recording.model or "–")),
        ("events", f"{len(recording):,}"),
    ]


def _clock(seconds: float) -> str:
    """Return a time as minutes and seconds."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


def _table(turns: Iterable[tuple[float, Turn]]) -> str:
    rows = []
    for start_s, turn in turns:
        remark = words.heard_remark(turn)
        said = escape(words.said(turn)) + (f"<br><small>{escape(remark)}</small>" if remark else "")
        rows.append([unbroken(_clock(start_s)), unbroken(words.who(turn)), said])
    return table(("at", "", "said"), rows)


def _lines(turns: Iterable[tuple[float, Turn]]) -> list[str]:
    return [f"{_clock(start_s)} {words.line(turn)}" for start_s, turn in turns]
