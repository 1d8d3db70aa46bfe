"""A conversation as a file for other programs: Markdown, subtitles, JSON.

Times are those of `spectrogram` and of the player: on the session's clock, one turn after another.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from ..conversation.conversation import Conversation
from ..conversation.records import Turn
from . import words
from .tracks import DrawnPiece, tracks_of

#: Two lines of 42 characters: the usual limit of broadcasters.
_LINE, _LINES = 42, 2
_SHORTEST_S = 0.3
_MARKED = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]<>#|~$"})


class _Cue(NamedTuple):
    """A few words on the screen."""

    start_s: float
    stop_s: float
    who: str
    text: str


def export(conversation: Conversation, form: str) -> str:
    """Return a conversation as "markdown", "srt", "vtt" or "json"."""
    return _FORMS[form](conversation)


def _markdown(conversation: Conversation) -> str:
    pieces = _pieces(conversation)
    lines = []
    for turn in conversation:
        at = f" ({_clock(piece.start_s, '.')[:8]})" if (piece := pieces.get(turn.item_id)) else ""
        said = " ".join(filter(None, (words.said(turn), words.heard_remark(turn))))
        lines.append(f"**{plain_markdown(words.who(turn))}**{at}: {plain_markdown(said)}")
    return "\n\n".join([f"*{words.DISCLOSURE}*", *lines]) + "\n"


def plain_markdown(text: str) -> str:
    """Return text as Markdown of one line that shows it, whatever is in it."""
    return " ".join(text.split()).translate(_MARKED)


def _srt(conversation: Conversation) -> str:
    cues = enumerate(_cues(conversation), 1)
    return "\n".join(
        f"{number}\n{_clock(cue.start_s, ',')} --> {_clock(cue.stop_s, ',')}\n{_lines(f'{cue.who}: {cue.text}')}\n"
        for number, cue in cues
    )


def _vtt(conversation: Conversation) -> str:
    cues = (
        f"{_clock(cue.start_s, '.')} --> {_clock(cue.stop_s, '.')}\n"
        f"<v {_escaped(cue.who)}>{_escaped(_lines(cue.text))}\n"
        for cue in _cues(conversation)
    )
    return "\n".join(["WEBVTT", f"\nNOTE {words.DISCLOSURE}\n", *cues])


def _json(conversation: Conversation) -> str:
    pieces = _pieces(conversation)
    costs = conversation.costs()
    turns = [
        {
            **turn.row,
            "start_s": piece.start_s if (piece := pieces.get(turn.item_id)) else None,
            "words": [msgspec.structs.asdict(word) for word in turn.words],
        }
        for turn in conversation
    ]
    told = {
        "disclosure": words.DISCLOSURE,
        "model": conversation.session.get("model"),
        "turns": turns,
        "total_usd": costs.total_usd,
        "remarks": conversation.remarks,
    }
    return json.dumps(told, ensure_ascii=False, indent=2)


_FORMS: dict[str, Callable[[Conversation], str]] = {"markdown": _markdown, "srt": _srt, "vtt": _vtt, "json": _json}


def _pieces(conversation: Conversation) -> dict[str, DrawnPiece]:
    """Return where each turn that sounds is on the clock, by item."""
    pieces = (piece for track in tracks_of(conversation) for piece in track.pieces)
    return {piece.sound.item_id: piece for piece in pieces if isinstance(piece.sound, Turn)}


def _cues(conversation: Conversation) -> Iterator[_Cue]:
    pieces = _pieces(conversation)
    sounding = [(pieces[turn.item_id], turn) for turn in conversation if turn.item_id in pieces]
    for piece, turn in sorted(sounding, key=lambda each: each[0].start_s):
        yield from _cues_of(turn, piece, max(piece.sounds_until_s, piece.start_s + _SHORTEST_S))


def _cues_of(turn: Turn, piece: DrawnPiece, stop_s: float) -> Iterator[_Cue]:
    """Split what was heard of a turn; each part gets the time of its words, or else its share of the turn's time."""
    heard = " ".join(turn.heard_text.split()).replace("-->", "→")
    who = " ".join(words.who(turn).split())
    # A word that does not fit leaves some of its line empty.
    parts = textwrap.wrap(heard, max(_LINE, _LINE * _LINES - len(who) - 14))
    timed = piece.words_on_clock if len(piece.words) >= len(heard.split()) else []
    start_s, said, count = piece.start_s, 0, 0
    for part in parts:
        said += len(part)
        count += len(part.split())
        share_s = piece.start_s + (stop_s - piece.start_s) * said / sum(map(len, parts))
        end_s = timed[count][1] if timed and count < len(timed) else share_s
        end_s = stop_s if part is parts[-1] else min(max(end_s, start_s), stop_s)
        yield _Cue(start_s, end_s, who, part)
        start_s = end_s


def _lines(text: str) -> str:
    return "\n".join(textwrap.wrap(text, _LINE, break_long_words=False))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float, point: str) -> str:
    ms = round(max(0.0, seconds) * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"
