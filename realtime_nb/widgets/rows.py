"""The rows of a page: a session's turns, their pictures, and its usage."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

from ..conversation.conversation import breaks_by_place
from ..conversation.records import Reply, SessionBreak, Turn
from ..loop import io_loop
from ..media.picture import Picture
from ..pricing import cost as pricing
from ..pricing.cost import format_usd
from ..pricing.usage import Usage
from ..sessions.budget import bounds
from ..views import media as views
from ..views import words

# --- A session's usage, for its page ----------------------------------------------------------------------------------


class ConversationFollower:
    """Follows one session."""

    def __init__(self, session: Any):
        self._session = session
        self._read = Usage()
        self._counted: set[str] = set()
        for reply in session.conversation.replies:
            self._count(reply)

    def on_event(self, event: Any) -> None:
        """Count the cache when an answer is done."""
        if event.type == "response.done":
            self._count(self._session.conversation.reply(event.response.id))

    def _count(self, reply: Reply | None) -> None:
        if reply is not None and reply.done and reply.usage and reply.response_id not in self._counted:
            self._counted.add(reply.response_id)
            self._read += reply.usage

    def message(self) -> dict[str, Any]:
        """Return the texts for the page, and how full each bound is, 0 to 1, `None` without one.

        Shows the fuller one of the session's bound and the bound of all sessions of the kernel.
        """
        own = self._session.bounds
        spent_usd, max_usd, whose = own.spent_usd, own.max_usd, ""
        if _share(bounds.spent_usd, bounds.max_usd) > _share(own.spent_usd, own.max_usd):
            spent_usd, max_usd, whose = bounds.spent_usd, bounds.max_usd, " in all sessions"
        minutes, max_minutes = own.minutes, own.max_minutes
        if _share(bounds.minutes, bounds.max_minutes) > _share(own.minutes, own.max_minutes):
            minutes, max_minutes = bounds.minutes, bounds.max_minutes
        limit = "" if max_usd is None else f" of {_limit_words(max_usd)}"
        share = self._read.cached_share
        cached = "" if share is None else f"cached input {share:.0%}"
        return {
            "kind": "account",
            "spent": f"{format_usd(spent_usd)}{limit}{whose}",
            "spent_share": None if max_usd is None else min(1.0, _share(spent_usd, max_usd)),
            "minutes": minutes,
            "max_minutes": max_minutes,
            "cached": cached,
        }


def _limit_words(usd: float) -> str:
    """Write a bound in cents, as people do, unless it has parts of a cent."""
    return f"${usd:,.2f}" if round(usd, 2) == usd else format_usd(usd)


def _share(used: float | None, limit: float | None) -> float:
    return 0.0 if limit is None or used is None else used / limit


# --- Pictures of a conversation for a page: small, and with the cost of reading them ----------------------------------


def cost_words(pictures: Sequence[Picture], model: str | None) -> str:
    """Return roughly how many tokens it takes to read pictures once, with the cost if the price is known."""
    tokens = sum(picture.tokens for picture in pictures)
    cost = pricing.cost_of(Usage(image_in=tokens), model)
    usd = f", {pricing.format_usd(cost.total_usd)}" if cost and cost.total_usd is not None else ""
    return f"about {tokens:,} tokens{usd}"


def in_words(turn: Turn) -> list[dict[str, str]]:
    """Return a turn's pictures like `Thumbnails.of`, but in words only."""
    return [{"words": said, "url": "", "cost": ""} for said in words.shown_each(turn)]


class Thumbnails:
    """Makes thumbnails of pictures, in a thread, so that sound does not wait. Runs on the I/O thread."""

    def __init__(self, model: Callable[[], str | None], on_ready: Callable[[str], None]):
        self._model = model
        self._on_ready = on_ready
        self._making: set[asyncio.Future[Any]] = set()
        self._urls: dict[Picture, str] = {}
        self._awaited: dict[Picture, set[str]] = {}

    def of(self, turn: Turn) -> list[dict[str, str]]:
        """Return words, a thumbnail (empty until it is made) and the cost for each of a turn's pictures."""
        parts = [part for part in (turn.parts[index] for index in sorted(turn.parts)) if part.kind == "image"]
        return [
            {
                "words": said,
                "url": self._url(part.picture, turn.item_id) if part.picture else "",
                "cost": cost_words([part.picture], self._model()) if part.picture else "",
            }
            for part, said in zip(parts, words.shown_each(turn), strict=False)
        ]

    def _url(self, picture: Picture, item_id: str) -> str:
        if not self._urls.get(picture):
            self._awaited.setdefault(picture, set()).add(item_id)
        if picture not in self._urls:
            self._urls[picture] = ""
            making = io_loop().run_in_executor(None, views.small, picture)
            self._making.add(making)
            making.add_done_callback(lambda made: self._take(picture, made))
        return self._urls[picture]

    def _take(self, picture: Picture, made: asyncio.Future[Picture]) -> None:
        self._making.discard(made)
        awaited = self._awaited.pop(picture, ())
        if not made.cancelled() and made.exception() is None:
            self._urls[picture] = made.result().url
            for item_id in awaited:
                self._on_ready(item_id)


# --- Turns for a page, a row each -------------------------------------------------------------------------------------

#: How much of a call or its output a row holds; the record holds all of it.
_LONGEST_ROW = 1_000
_EDITABLE = ("user", "assistant", "system")


def row_of(
    turn: Any, *, was_asked: bool = False, pictures: Callable[[Any], list[dict[str, str]]] = in_words
) -> dict[str, Any]:
    """Return a turn as a row of the page.

    `pictures`: returns how to show a turn's pictures, see `Thumbnails.of`; by default in words.

    ``heard`` is how much was heard before a cut, and ``unsure`` where the words are that were heard with little
    confidence, counted as JavaScript does; ``card`` is a call or its result, by names and values; ``choices`` are the
    possible actions; ``was`` and ``before`` are the id and the words of the turn that it replaces.
    """
    is_said = turn.kind == "message"
    cut = turn.interrupted and turn.role == "assistant"
    before = turn.edited_from
    return {
        "id": turn.item_id,
        "role": turn.role if is_said else "tool",
        "text": turn.text if is_said else _tool_row(turn),
        "heard": _units(turn.heard_text) if is_said and cut else None,
        "final": bool(turn.is_final),
        "flagged": turn.flagged,
        "was": before.item_id if before else "",
        "before": bounded(words.said(before), _LONGEST_ROW) if before else "",
        "pictures": pictures(turn) if is_said else [],
        "choices": _choices(turn, was_asked=was_asked),
        "unsure": [[_units(turn.text[:at]) for at in span] for span in turn.unsure_words],
        "card": None if is_said else card_of(turn),
    }


class TranscriptRows:
    """Tracks which turns and breaks of a conversation a page has, and which are new or changed.

    The work for an event does not grow with the number of turns. Runs where the conversation is built.
    """

    def __init__(self, conversation: Any, pictures: Callable[[Any], list[dict[str, str]]]):
        self._conversation = conversation
        self._pictures = pictures
        self.forget()

    def forget(self) -> None:
        """Start over: a new page knows nothing."""
        self._is_new = True
        self._revision, self._order_revision = 0, -1
        self._order: list[str] = []
        self._rows: dict[str, dict[str, Any]] = {}
        self._breaks: dict[str, dict[str, Any]] = {}
        self._unasked: set[str] = set()
        self._edits: dict[str, str] = {}
        self._calls: dict[str, str] = {}
        self._outputs: dict[str, str] = {}
        self._stale: set[str] = set()

    def touch(self, item_id: str) -> None:
        """Note that a turn has changed without an event, e.g. because a picture is ready."""
        self._stale.add(item_id)

    def news(self) -> dict[str, Any] | None:
        """Return a message with what the page does not know yet; `None` if it knows everything.

        ``rows`` are new or changed. From index ``at`` on, the page removes ``gone`` rows, and puts ``ids`` in their
        place; with ``from_start`` it starts empty.
        """
        conversation = self._conversation
        changed = [*reversed(conversation.changed_since(self._revision)), *self._stale]
        changed += [self._edits[item_id] for item_id in changed if item_id in self._edits]
        self._revision, self._stale = conversation.revision, set()
        at, gone, ids = 0, 0, []
        are_new_calls = [self._note_call(item_id) for item_id in changed]
        if is_moved := any(are_new_calls) or self._order_revision != conversation.order_revision:
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
        from_start, self._is_new = self._is_new, False
        if not (rows or gone or ids or from_start):
            return None
        return {"kind": "turns", "from_start": from_start, "at": at, "gone": gone, "ids": ids, "rows": rows}

    def _note_call(self, item_id: str) -> bool:
        """Note the call id of a call or an output; return whether it is new."""
        turn = self._conversation.turn(item_id)
        if turn is None or not turn.call_id or turn.kind not in ("function_call", "function_call_output"):
            return False
        known = self._calls if turn.kind == "function_call" else self._outputs
        is_new = known.get(item_id) != turn.call_id
        known[item_id] = turn.call_id
        return is_new

    def _changed_row(self, item_id: str) -> dict[str, Any] | None:
        """Return a row if the page does not have it in this form."""
        turn = self._conversation.turn(item_id)
        row = self._breaks.get(item_id) if turn is None else self._row_of(turn)
        if row == self._rows.get(item_id):
            return None
        self._rows[item_id] = row
        return row

    def _row_of(self, turn: Any) -> dict[str, Any]:
        if turn.edited_from is not None:
            self._edits[turn.edited_from.item_id] = turn.item_id
        return row_of(turn, was_asked=turn.item_id not in self._unasked, pictures=self._pictures)

    def _is_unasked(self, item_id: str) -> bool:
        """Return whether a row is not the person's: before their first row, nothing was asked."""
        turn = self._conversation.turn(item_id)
        return turn is None or turn.role != "user"

    def _ordered(self) -> list[str]:
        """Return the ids of all rows in their order; a function's output is shown by its call, if that has a row."""
        ids: list[str] = self._conversation.item_ids
        for place, breaks in breaks_by_place(self._conversation).items():
            rows = {row["id"]: row for row in map(_break_row, breaks)}
            self._breaks |= rows
            at = 0 if place is None else ids.index(place) + 1
            ids[at:at] = rows
        if self._outputs:
            called = {self._calls[item_id] for item_id in ids if item_id in self._calls}
            ids = [item_id for item_id in ids if self._outputs.get(item_id) not in called]
        return ids


def spliced(before: list[str], after: list[str]) -> tuple[int, int, list[str]]:
    """Return how one list becomes another: a start index, how many items to remove, and their replacements."""
    if after[: len(before)] == before:  # The change is usually at the end, and this compares at C speed.
        return len(before), 0, after[len(before) :]
    shorter = min(len(before), len(after))
    at = next((at for at in range(shorter) if before[at] != after[at]), shorter)
    most = shorter - at
    same = next((count for count in range(most) if before[-1 - count] != after[-1 - count]), most)
    return at, len(before) - at - same, after[at : len(after) - same]


def _choices(turn: Any, *, was_asked: bool) -> list[str]:
    """Return the possible actions for a turn, in the order of the buttons: "edit", "rerun" and "delete"."""
    if turn.is_speaking or (turn.response_id is not None and not turn.done):
        return []
    if turn.kind != "message":
        # A running call still needs its place for the output; calls of MCP servers cannot be changed.
        is_over = turn.kind == "function_call_output" or (turn.kind == "function_call" and turn.output)
        return ["delete"] if is_over else []
    has_words = bool(turn.text) or not turn.pictures
    editable = turn.role in _EDITABLE and turn.is_final and has_words
    asked = turn.role == "user" or (turn.role == "assistant" and was_asked)
    return [*(["edit"] if editable else []), *(["rerun"] if asked else []), "delete"]


def _break_row(session_break: SessionBreak) -> dict[str, Any]:
    return {
        "id": f"break_{session_break.elapsed_ms}",
        "role": "break",
        "text": words.session_break(session_break),
        "heard": None,
        "final": True,
        "flagged": "",
        "was": "",
        "before": "",
        "pictures": [],
        "choices": [],
        "unsure": [],
        "card": None,
    }


def _units(text: str) -> int:
    """Return the length of a text as JavaScript counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


#: How much text a person can be asked to read; they should refuse to approve anything longer.
_LONGEST_NAME = 100
_MOST_ARGUMENTS = 100
_LONGEST_VALUE = 20_000


def by_name(written: str) -> list[tuple[str, str]]:
    """Return the names and values of a JSON object; other text has none, and stays as it is."""
    try:
        given = json.loads(written or "{}")  # Here, because a page would round large numbers.
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        return [("as written", bounded(written, _LONGEST_VALUE))]
    most = max(_LONGEST_NAME, _LONGEST_VALUE // max(1, len(given)))
    pairs = [
        (bounded(name, _LONGEST_NAME), bounded(value if isinstance(value, str) else json.dumps(value), most))
        for name, value in list(given.items())[:_MOST_ARGUMENTS]
    ]
    left = len(given) - len(pairs)
    return [*pairs, ("…", f"{left:,} more arguments")] if left else pairs


def card_of(turn: Any) -> dict[str, Any] | None:
    """Return a call, or its result, by names and values; `None` for anything else."""
    if turn.kind not in ("function_call", "function_call_output", "mcp_call"):
        return None
    result = turn.output if turn.output or turn.kind == "function_call_output" else None
    return {
        "name": turn.name,
        "server": turn.server_label,
        "pairs": _short(by_name(turn.arguments)),
        "result": None if result is None else _short(by_name(result)),
        "remark": words.heard_remark(turn),
    }


def _short(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, bounded(value, _LONGEST_ROW)) for name, value in pairs]


def _tool_row(turn: Any) -> str:
    """Return a row's text for a call, its output, or an MCP server's action or request."""
    if turn.kind == "function_call":
        text = f"{turn.name}({turn.arguments})"
    elif turn.kind == "function_call_output":
        text = turn.output
    else:
        text = f"{words.who(turn)}: {words.said(turn)}"
    return f"{bounded(text, _LONGEST_ROW)} {words.heard_remark(turn)}".rstrip()


def bounded(text: str, most: int) -> str:
    """Return a text; one that is too long is cut, and its length follows."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"
