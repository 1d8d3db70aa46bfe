"""Views of a recording, of its replay, and of the difference between two."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Any

from markupsafe import Markup

from ..conversation.records import Turn
from ..pricing.cost import format_usd
from ..recording.diff import Difference, QuestionPair
from ..recording.exchanges import Exchange
from ..recording.recording import Recording, Replay
from . import words
from .budget import AudioBudget
from .conversation import said
from .html import facts, joined, left_out, marked, note, player, section, table, unbroken

# --- A recording: what it is, and who said what when; and its replay, which also plays it -----------------------------

#: A recording is shown with at most this many turns; its frame and its replay have all of them.
_SHOWN_TURNS = 200


def recording_bundle(recording: Recording) -> dict[str, Any]:
    """Return a recording's MIME bundle, without reading the sound."""
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
    """Return a replay's MIME bundle: one player for both sides, and the words with their times."""
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


def _table(turns: Iterable[tuple[float, Turn]]) -> Markup:
    rows = [[unbroken(_clock(start_s)), unbroken(words.who(turn)), said(turn)] for start_s, turn in turns]
    return table(("at", "", "said"), rows)


def _lines(turns: Iterable[tuple[float, Turn]]) -> list[str]:
    return [f"{_clock(start_s)} {words.line(turn)}" for start_s, turn in turns]


# --- Two conversations side by side, with their differences marked ----------------------------------------------------

_MISSING = "(not asked)"


def difference_bundle(difference: Difference) -> dict[str, Any]:
    """Return the MIME bundle of two conversations side by side."""
    budget = AudioBudget()
    title = f"{difference.names[0]} and {difference.names[1]} · {words.DISCLOSURE}"
    rows = [_row(pair, budget) for pair in difference.pairs]
    markup = section(
        table(("asked", *difference.names), rows),
        left_out(budget, 'turn.audio.save("turn.flac") for each turn of both conversations'),
        title=title,
    )
    lines = [title]
    for pair in difference.pairs:
        lines.append(f"You: {pair.question or '(words not known)'}")
        lines += [
            f"  {name}: {_plain(side)}" for name, side in zip(difference.names, (pair.one, pair.other), strict=True)
        ]
    return {"text/plain": "\n".join(lines), "text/html": markup}


def _row(pair: QuestionPair, budget: AudioBudget) -> list[str]:
    one, other = (side.answer if side else "" for side in (pair.one, pair.other))
    is_new = pair.one is not None and pair.other is not None and bool(one) and bool(other)
    sides = ((pair.one, one, other), (pair.other, other, one))
    return [
        pair.question or "(words not known)",
        *(_answer(side, text, against if is_new else text, budget) for side, text, against in sides),
    ]


def _answer(side: Exchange | None, text: str, against: str, budget: AudioBudget) -> str:
    if side is None:
        return _MISSING
    remarks = [remark for turn in side.answered if (remark := words.heard_remark(turn))]
    sounds = [player(reply, budget) for reply in side.replies if reply.audio is not None]
    small = [Markup("<small>{}</small>").format(each) for each in (*remarks, _taken(side))]
    return Markup("<br>").join([_compared(text, against), *sounds, *small])


def _taken(side: Exchange) -> str:
    return f"first audio {words.milliseconds(side.first_audio_ms)} · cost {format_usd(side.cost_usd)}"


def _plain(side: Exchange | None) -> str:
    return _MISSING if side is None else f"{side.answer or '(no words)'} [{_taken(side)}]"


def _compared(text: str, against: str) -> Markup:
    """Return a text, and mark the words that the other text does not have at that place."""
    pieces, other = (re.findall(r"\S+\s*", each) for each in (text, against))
    matcher = SequenceMatcher(None, [*map(_bare, pieces)], [*map(_bare, other)], autojunk=False)
    return joined(
        (str if kind == "equal" else marked)("".join(pieces[start:stop]))
        for kind, start, stop, _, _ in matcher.get_opcodes()
        if stop > start
    )


def _bare(word: str) -> str:
    """Return a word without case and punctuation, which are ignored."""
    return re.sub(r"\W", "", word).lower() or word
