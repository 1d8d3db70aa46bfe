"""Turns as the page shows them, a row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..seams import Seam, seams_by_place
from ..views import words
from .thumbnails import in_words
from .tool_desk import bounded

#: A row holds so much of a call or its output; the record holds all.
_LONGEST_ROW = 1_000
_EDITABLE = ("user", "assistant", "system")


def row_of(
    turn: Any, *, was_asked: bool = False, pictures: Callable[[Any], list[dict[str, str]]] = in_words
) -> dict[str, Any]:
    """Return a turn as the page shows it.

    Parameters
    ----------
    turn : Turn
        Of a conversation.
    was_asked : bool, default False
        Whether the person said something before it.
    pictures : callable, optional
        Returns how a turn's pictures are shown; see `Thumbnails.of`. By default in words.

    Returns
    -------
    row : dict
        ``heard`` is how much was heard before a cut, counted as JavaScript does; ``choices`` is what can be done with
        it; ``was`` and ``before`` are the id and the words of the turn in whose place it stands.
    """
    is_said = turn.kind == "message"
    cut = turn.interrupted and turn.role == "assistant"
    before = turn.edited_from
    return {
        "id": turn.item_id,
        "role": turn.role if is_said else "tool",
        "text": turn.text if is_said else _tool_row(turn),
        "heard": len(turn.heard_text.encode("utf-16-le")) // 2 if is_said and cut else None,
        "final": bool(turn.is_final),
        "flagged": turn.flagged,
        "was": before.item_id if before else "",
        "before": bounded(words.said(before), _LONGEST_ROW) if before else "",
        "pictures": pictures(turn) if is_said else [],
        "choices": _choices(turn, was_asked=was_asked),
    }


def rows_of(conversation: Any, pictures: Callable[[Any], list[dict[str, str]]]) -> dict[str, dict[str, Any]]:
    """Return all rows by their ids: turns, and where the conversation went on under other conditions."""
    seams = seams_by_place(conversation)
    rows = {row["id"]: row for row in map(_seam_row, seams.get(None, ()))}
    was_asked = False
    for turn in conversation.turns:
        was_asked = was_asked or turn.role == "user"
        rows[turn.item_id] = row_of(turn, was_asked=was_asked, pictures=pictures)
        rows |= {row["id"]: row for row in map(_seam_row, seams.get(turn.item_id, ()))}
    return rows


def _choices(turn: Any, *, was_asked: bool) -> list[str]:
    """Return what can be done with a turn, in the order of the buttons: "edit", "rerun" and "delete"."""
    if turn.is_speaking or (turn.response_id is not None and not turn.done):
        return []
    if turn.kind != "message":
        # A call that runs still needs its place for the output; what MCP servers did is theirs.
        is_over = turn.kind == "function_call_output" or (turn.kind == "function_call" and turn.output)
        return ["delete"] if is_over else []
    has_words = bool(turn.text) or not turn.pictures
    editable = turn.role in _EDITABLE and turn.is_final and has_words
    asked = turn.role == "user" or (turn.role == "assistant" and was_asked)
    return [*(["edit"] if editable else []), *(["rerun"] if asked else []), "delete"]


def _seam_row(seam: Seam) -> dict[str, Any]:
    return {
        "id": f"seam_{seam.elapsed_ms}",
        "role": "seam",
        "text": words.seam(seam),
        "heard": None,
        "final": True,
        "flagged": "",
        "was": "",
        "before": "",
        "pictures": [],
        "choices": [],
    }


def _tool_row(turn: Any) -> str:
    """Return what the page shows of a call, its output, or what an MCP server did or asks."""
    if turn.kind == "function_call":
        text = f"{turn.name}({turn.arguments})"
    elif turn.kind == "function_call_output":
        text = turn.output
    else:
        text = f"{words.who(turn)}: {words.said(turn)}"
    return f"{bounded(text, _LONGEST_ROW)} {words.heard_remark(turn)}".rstrip()
