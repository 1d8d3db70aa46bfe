"""Two conversations side by side: what one said and the other did not is marked."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Any

from ..pricing import format_usd
from ..recording.difference import Difference, Pair
from ..recording.exchanges import Exchange
from . import words
from .budget import AudioBudget
from .html import escape, left_out, marked, player, section, table

_MISSING = "(not asked)"


def difference_bundle(difference: Difference) -> dict[str, Any]:
    """Return the looks of two conversations side by side."""
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


def _row(pair: Pair, budget: AudioBudget) -> list[str]:
    one, other = (side.answer if side else "" for side in (pair.one, pair.other))
    is_new = pair.one is not None and pair.other is not None and bool(one) and bool(other)
    sides = ((pair.one, one, other), (pair.other, other, one))
    return [
        escape(pair.question or "(words not known)"),
        *(_answer(side, text, against if is_new else text, budget) for side, text, against in sides),
    ]


def _answer(side: Exchange | None, text: str, against: str, budget: AudioBudget) -> str:
    if side is None:
        return escape(_MISSING)
    remarks = [remark for turn in side.answered if (remark := words.heard_remark(turn))]
    sounds = [player(reply, budget) for reply in side.replies if reply.audio is not None]
    small = [f"<br><small>{escape(each)}</small>" for each in (*remarks, _taken(side))]
    return _compared(text, against) + "".join(f"<br>{sound}" for sound in sounds) + "".join(small)


def _taken(side: Exchange) -> str:
    return f"first audio {words.milliseconds(side.first_audio_ms)} · cost {format_usd(side.cost_usd)}"


def _plain(side: Exchange | None) -> str:
    return _MISSING if side is None else f"{side.answer or '(no words)'} [{_taken(side)}]"


def _compared(text: str, against: str) -> str:
    """Return a text as HTML, with the words marked that the other one does not have in their place."""
    pieces, other = (re.findall(r"\S+\s*", each) for each in (text, against))
    matcher = SequenceMatcher(None, [*map(_bare, pieces)], [*map(_bare, other)], autojunk=False)
    return "".join(
        (escape if kind == "equal" else marked)("".join(pieces[start:stop]))
        for kind, start, stop, _, _ in matcher.get_opcodes()
        if stop > start
    )


def _bare(word: str) -> str:
    """Return a word without case and punctuation, which do not count."""
    return re.sub(r"\W", "", word).lower() or word
