"""A recording as data frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import UNSET

from ..conversation.conversation import Conversation
from ..conversation.records import Reply, Turn
from ..conversation.timing import Timing
from ..pricing.usage import Usage
from .files import Line, LineRun, Reference
from .spans import Piece

if TYPE_CHECKING:
    import pandas

_COUNTS = [field.name for field in fields(Usage) if field.name not in ("is_complete", "remarks")]


def events_frame(lines: Sequence[Line], runs: Sequence[LineRun]) -> pandas.DataFrame:
    """Return a row for each event.

    `runs`: the same lines with the microphone's frames gathered, so that what they share is looked up only once.
    """
    import pandas

    counts = np.array([run.length for run in runs], dtype=np.int64)
    rows = [run.line.event for run in runs]
    references = [_reference(run.line) for run in runs]
    silent = np.array([each is None for each in references], dtype=bool)
    starts = np.array([0 if each is None else each.start_sample for each in references], dtype=np.int64)
    samples = np.array([0 if each is None else each.samples for each in references], dtype=np.int64) // counts
    audio_ms = np.array([np.nan if each is None else each.audio_ms for each in references]) / counts

    def spread(values: np.ndarray) -> np.ndarray:
        return np.repeat(values, counts)

    def column(values: list[Any]) -> pandas.Series:
        held = np.empty(len(values), dtype=object)
        held[:] = values
        return pandas.Series(spread(held), dtype=object)

    number = np.arange(len(lines)) - spread(np.cumsum(counts) - counts)
    return pandas.DataFrame(
        {
            "elapsed_ms": np.array([line.elapsed_ms for line in lines], dtype=float),
            "direction": _categories([run.line.direction for run in runs], counts),
            "type": _categories([row.type for row in rows], counts),
            "event_id": column([row.event_id for row in rows]),
            "item_id": column([row.item_id for row in rows]),
            "response_id": column([row.response_id for row in rows]),
            "text": column([row.delta or row.text or row.transcript for row in rows]),
            "audio_ms": spread(audio_ms),
            "track": _categories([None if each is None else each.track for each in references], counts),
            "start_sample": pandas.arrays.IntegerArray(spread(starts) + number * spread(samples), spread(silent)),
        }
    )


def _reference(line: Line) -> Reference | None:
    return None if line.audio is UNSET else next(iter(line.audio.values()), None)


def _categories(values: list[str | None], counts: np.ndarray) -> pandas.Categorical:
    """Return texts as categories, each repeated by its count."""
    import pandas

    names = [name for name in dict.fromkeys(values) if name is not None]
    codes: dict[str | None, int] = {name: code for code, name in enumerate(names)} | {None: -1}
    spread = np.repeat(np.array([codes[value] for value in values], dtype=np.int64), counts)
    return pandas.Categorical.from_codes(spread, categories=names)


def turns_frame(conversation: Conversation, spans: dict[str, list[Piece]], rates: dict[str, int]) -> pandas.DataFrame:
    """Return a row for each turn; ``start_s`` is on the tracks' clock."""
    rows = []
    for turn in conversation:
        pieces = spans.get(turn.item_id)
        rows.append(turn.row | {"start_s": pieces[0].at_sample / rates[pieces[0].track] if pieces else None})
    return _frame(rows, Turn(item_id="").row | {"start_s": None})


def usage_frame(conversation: Conversation) -> pandas.DataFrame:
    """Return a row for each reply: tokens of each kind, and dollars."""
    return _frame([_used(reply) for reply in conversation.replies], _used(Reply(response_id="")))


def _used(reply: Reply) -> dict[str, Any]:
    cost = reply.cost
    return {
        "response_id": reply.response_id,
        "model": reply.model,
        "status": reply.status,
        **{name: getattr(reply.usage, name, None) for name in _COUNTS},
        "cost_usd": cost.total_usd if cost else None,
        "remarks": "; ".join(cost.remarks) if cost else "",
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
    """Return rows as a frame, which has its columns even if there are no rows."""
    import pandas

    return pandas.DataFrame(rows) if rows else pandas.DataFrame(columns=list(blank))
