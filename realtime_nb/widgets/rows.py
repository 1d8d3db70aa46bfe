"""Turns as the page shows them, a row each."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
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


class Rows:
    """What a page has been told of a conversation, and what is new since: turns, and where it went on otherwise.

    The work for an event does not grow with the number of turns. It lives where the conversation is folded.

    Parameters
    ----------
    conversation : Conversation
        What is shown.
    pictures : callable
        As `row_of` takes it.
    """

    def __init__(self, conversation: Any, pictures: Callable[[Any], list[dict[str, str]]]):
        self._conversation = conversation
        self._pictures = pictures
        self.forget()

    def forget(self) -> None:
        """Begin anew: another page knows nothing."""
        self._is_new = True
        self._revision, self._order_revision = 0, -1
        self._order: list[str] = []
        self._rows: dict[str, dict[str, Any]] = {}
        self._seams: dict[str, dict[str, Any]] = {}
        self._unasked: set[str] = set()
        self._edits: dict[str, str] = {}
        self._stale: set[str] = set()

    def touch(self, item_id: str) -> None:
        """Note that a turn looks otherwise for a reason that is no event, e.g. a picture that is ready to be shown."""
        self._stale.add(item_id)

    def news(self) -> dict[str, Any] | None:
        """Return the message that tells the page what it does not know yet; `None` if it knows everything.

        ``rows`` are those that are new or changed. In the order of all, ``gone`` rows are taken out from place ``at``
        on, and ``ids`` put there; to a page that hears ``anew`` nothing was there.
        """
        conversation = self._conversation
        changed = [*reversed(conversation.changed_since(self._revision)), *self._stale]
        changed += [self._edits[item_id] for item_id in changed if item_id in self._edits]
        self._revision, self._stale = conversation.revision, set()
        at, gone, ids = 0, 0, []
        if is_moved := self._order_revision != conversation.order_revision:
            self._order_revision = conversation.order_revision
            before, self._order = self._order, self._ordered()
            at, gone, ids = spliced(before, self._order)
            for item_id in {*before[at : at + gone]}.difference(ids):
                self._rows.pop(item_id, None)
        if is_moved or not self._unasked.isdisjoint(changed):
            before_asked, self._unasked = self._unasked, set(takewhile(self._is_unasked, self._order))
            changed += before_asked ^ self._unasked
        wanted = dict.fromkeys([*ids, *(item_id for item_id in changed if item_id in self._rows)])
        rows = [row for item_id in wanted if (row := self._changed_row(item_id)) is not None]
        anew, self._is_new = self._is_new, False
        if not (rows or gone or ids or anew):
            return None
        return {"kind": "turns", "anew": anew, "at": at, "gone": gone, "ids": ids, "rows": rows}

    def _changed_row(self, item_id: str) -> dict[str, Any] | None:
        """Return a row where it is not what the page was told."""
        turn = self._conversation.turn(item_id)
        row = self._seams.get(item_id) if turn is None else self._row_of(turn)
        if row == self._rows.get(item_id):
            return None
        self._rows[item_id] = row
        return row

    def _row_of(self, turn: Any) -> dict[str, Any]:
        if turn.edited_from is not None:
            self._edits[turn.edited_from.item_id] = turn.item_id
        return row_of(turn, was_asked=turn.item_id not in self._unasked, pictures=self._pictures)

    def _is_unasked(self, item_id: str) -> bool:
        """Whether a row is not the person's: up to the first that is, nobody has asked anything."""
        turn = self._conversation.turn(item_id)
        return turn is None or turn.role != "user"

    def _ordered(self) -> list[str]:
        """Return the ids of all rows in their order."""
        ids: list[str] = self._conversation.item_ids
        for place, seams in seams_by_place(self._conversation).items():
            rows = {row["id"]: row for row in map(_seam_row, seams)}
            self._seams |= rows
            at = 0 if place is None else ids.index(place) + 1
            ids[at:at] = rows
        return ids


def spliced(before: list[str], after: list[str]) -> tuple[int, int, list[str]]:
    """Return how one list becomes another: from a place on, so many go, and these take their place."""
    if after[: len(before)] == before:  # Most often something came at the end, and this compares at C's speed.
        return len(before), 0, after[len(before) :]
    shorter = min(len(before), len(after))
    at = next((at for at in range(shorter) if before[at] != after[at]), shorter)
    most = shorter - at
    same = next((count for count in range(most) if before[-1 - count] != after[-1 - count]), most)
    return at, len(before) - at - same, after[at : len(after) - same]


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
