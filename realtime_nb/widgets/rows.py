"""Turns as the page shows them, a row each."""

from __future__ import annotations

from typing import Any

from ..seams import Seam, seams_by_place
from ..views import words
from .tool_desk import bounded

#: A row holds so much of a call or its output; the record holds all.
_LONGEST_ROW = 1_000


def row_of(turn: Any) -> dict[str, Any]:
    """Return a turn as the page shows it; ``heard`` is how much was heard before a cut, counted as JavaScript does."""
    if turn.kind != "message":
        text, role = _tool_row(turn), "tool"
    else:
        text, role = " ".join(filter(None, [turn.text, words.shown(turn)])), turn.role
    cut = turn.interrupted and role == "assistant"
    return {
        "id": turn.item_id,
        "role": role,
        "text": text,
        "heard": len(turn.heard_text.encode("utf-16-le")) // 2 if cut else None,
        "final": bool(turn.is_final),
        "flagged": turn.flagged,
    }


def rows_of(conversation: Any) -> dict[str, dict[str, Any]]:
    """Return all rows by their ids: turns, and where the conversation went on under other conditions."""
    seams = seams_by_place(conversation)
    rows = {row["id"]: row for row in map(_seam_row, seams.get(None, ()))}
    for turn in conversation.turns:
        rows[turn.item_id] = row_of(turn)
        rows |= {row["id"]: row for row in map(_seam_row, seams.get(turn.item_id, ()))}
    return rows


def _seam_row(seam: Seam) -> dict[str, Any]:
    row_id = f"seam_{seam.elapsed_ms}"
    return {"id": row_id, "role": "seam", "text": words.seam(seam), "heard": None, "final": True, "flagged": ""}


def _tool_row(turn: Any) -> str:
    """Return what the page shows of a call, its output, or what an MCP server did or asks."""
    if turn.kind == "function_call":
        text = f"{turn.name}({turn.arguments})"
    elif turn.kind == "function_call_output":
        text = turn.output
    else:
        text = f"{words.who(turn)}: {words.said(turn)}"
    return f"{bounded(text, _LONGEST_ROW)} {words.heard_remark(turn)}".rstrip()
