"""A recording as data frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from ..conversation import Conversation
from ..timing import Timing
from ..tokens import Usage
from ..turns import Reply, Turn
from .lines import Line
from .samples import rate_of
from .spans import Piece

if TYPE_CHECKING:
    import pandas


def events_frame(lines: Sequence[Line]) -> pandas.DataFrame:
    """Return a row for each event."""
    import pandas

    rows = [line.event for line in lines]
    references = [next(iter(line.audio.values())) if line.audio else None for line in lines]
    frame = pandas.DataFrame(
        {
            "elapsed_ms": [line.elapsed_ms for line in lines],
            "direction": pandas.Categorical([line.direction for line in lines]),
            "type": pandas.Categorical([row.type for row in rows]),
            "event_id": _column([row.event_id for row in rows]),
            "item_id": _column([row.item_id for row in rows]),
            "response_id": _column([row.response_id for row in rows]),
            "text": _column([_text(row.delta, row.text, row.transcript) for row in rows]),
            "audio_ms": [each.samples / rate_of(each.encoding) * 1000 if each else None for each in references],
            "track": pandas.Categorical([each.track if each else None for each in references]),
            "start_sample": pandas.array([each.start_sample if each else None for each in references], dtype="Int64"),
        }
    )
    return frame


def _column(values: list[Any]) -> Any:
    """Return texts as a column; most are the same, or not there."""
    import pandas

    return pandas.Series([value if isinstance(value, str) else None for value in values], dtype=object)


def _text(*candidates: Any) -> Any:
    return next((each for each in candidates if each is not UNSET), None)


def turns_frame(conversation: Conversation, spans: dict[str, list[Piece]], rates: dict[str, int]) -> pandas.DataFrame:
    """Return a row for each turn; ``start_s`` is on the tracks' clock."""
    rows = []
    for turn in conversation:
        pieces = spans.get(turn.item_id)
        rows.append(_said(turn, pieces[0].at_sample / rates[pieces[0].track] if pieces else None))
    return _frame(rows, _said(Turn(item_id=""), None))


def _said(turn: Turn, start_s: float | None) -> dict[str, Any]:
    return {
        "item_id": turn.item_id,
        "role": turn.role,
        "kind": turn.kind,
        "text": turn.text or turn.output or turn.arguments,
        "heard_text": turn.heard_text,
        "start_s": start_s,
        "audio_s": sum(part.audio_ms for part in turn.parts.values()) / 1000,
        "played_ms": turn.played_ms,
        "interrupted": turn.interrupted,
        "status": turn.status,
        "response_id": turn.response_id or (turn.reply.response_id if turn.reply else None),
        "spoken_at_ms": turn.spoken_at_ms,
        "ended_at_ms": turn.ended_at_ms,
    }


def usage_frame(conversation: Conversation) -> pandas.DataFrame:
    """Return a row for each reply: tokens of each kind, and dollars."""
    return _frame([_used(reply) for reply in conversation.replies], _used(Reply(response_id="")))


def _used(reply: Reply) -> dict[str, Any]:
    cost = reply.cost
    return {
        "response_id": reply.response_id,
        "model": reply.model,
        "status": reply.status,
        **(asdict(reply.usage) if reply.usage else dict.fromkeys(field.name for field in fields(Usage))),
        "cost_usd": cost.total_usd if cost else None,
    }


def latency_frame(conversation: Conversation) -> pandas.DataFrame:
    """Return a row for each reply: when things happened, in ms after the person had finished."""
    return _frame([_timed(reply) for reply in conversation.replies], _timed(Reply(response_id="")))


def _timed(reply: Reply) -> dict[str, Any]:
    timing = reply.timing
    marks = [name for name, value in vars(Timing).items() if name.endswith("_ms") and isinstance(value, property)]
    return {
        "response_id": reply.response_id,
        "model": reply.model,
        "status": reply.status,
        "asked": reply.asked.text if reply.asked else None,
        "origin_ms": timing.origin_ms,
        **{name: getattr(timing, name) for name in marks},
        **{f"{stage}_started_ms": started for stage, (started, _) in timing.stages.items()},
        **{f"{stage}_done_ms": done for stage, (_, done) in timing.stages.items()},
    }


def _frame(rows: list[dict[str, Any]], blank: dict[str, Any]) -> pandas.DataFrame:
    """Return rows as a frame, which has its columns even where there are none."""
    import pandas

    return pandas.DataFrame(rows) if rows else pandas.DataFrame(columns=list(blank))
