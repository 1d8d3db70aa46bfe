"""What a conversation cost: a row for each reply, what is billed apart beside it, and what was made but not heard."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .charges import CostRow, reply_row, sum_known, turn_row
from .prices import find_price
from .pricing import format_least, format_usd
from .record import Record
from .terminal import printable
from .tokens import BILLED, Usage
from .turns import Reply, Turn

if TYPE_CHECKING:
    import pandas

#: What a session is compared with unless told otherwise: the current models, and the prices of the launch.
MODELS = ("gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-4o-realtime-preview-2024-10-01")
#: More remarks about single answers are too many to read.
_REMARKS_SHOWN = 5


class Costs(Record):
    """What a conversation has cost so far; made by `Conversation.costs`.

    `frame` is a data frame with a row for each reply, and ``costs["cost_usd"]`` one of its columns.

    Parameters
    ----------
    replies : sequence of Reply
        In the order in which they began.
    turns : sequence of Turn
        All turns, deleted ones too: they were written down, and that was billed.

    Notes
    -----
    Writing down what the person said is billed apart, at the price of the transcription's own model. It stands in the
    row of the first reply to that turn (``transcription_usd``), or in a row of its own where there was none, so that
    the sum of ``cost_usd`` holds everything once. For a chain, ``speech_usd`` is its last step; the tokens in the row
    are those of the text model.

    A reply whose usage the server did not tell (a failed one, one that was cut off, or one that is still being made)
    has a row, but is in no total. Where a price is not known, or the server did not say what a whole answer took,
    neither is what it is part of: `NaN` in the frame, `None` in the totals. Tokens that the server does not split by
    kind count as text: then the totals are the least, and `at_most_usd` is the most. `remarks` say all of that.

    Wasted is what was made but not heard: ``audio_out_usd · unheard_ms / audio_ms`` (for a chain ``speech_usd``), with
    ``unheard_ms`` from where the server cut the turn, or from where playback was stopped. Where no speaker told what
    was played, it is not known.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> with rt.RealtimeSession(backend="local") as session:
    ...     reply = session.ask("Hello!").result()
    >>> costs = session.conversation.costs()
    >>> costs.total_usd, len(costs.frame)
    (0.0, 1)
    >>> costs.on("gpt-realtime-2.1")["gpt-realtime-2.1"] > 0       # what it would have cost there
    True
    """

    def __init__(self, replies: Sequence[Reply], turns: Sequence[Turn]):
        rows: list[CostRow] = []
        before: Usage | None = None
        for reply in replies:
            rows.append(reply_row(reply, before))
            before = reply.usage or before
        self.rows: list[CostRow] = [*rows, *(row for turn in turns if (row := turn_row(turn)) is not None)]
        """A `CostRow` for each row of the frame."""

    @cached_property
    def frame(self) -> pandas.DataFrame:
        """A data frame with a row for each reply.

        Columns: ``response_id``, ``asked``, ``calls`` (the functions called), ``model``, ``status``; for each of
        ``text_fresh``, ``text_cached``, ``audio_fresh``, ``audio_cached``, ``image_fresh``, ``image_cached``,
        ``text_out`` and ``audio_out``
        ``…_tokens`` and ``…_usd``, which hold each token and each dollar of the reply once; ``transcription_usd`` and
        ``speech_usd``, billed apart; ``cost_usd``, the sum; ``cumulative_usd``; ``cached_share`` of the input, 0 to 1;
        ``unheard_ms`` and ``wasted_usd``.
        """
        import pandas

        rows = [
            {**_columns(row), "cumulative_usd": total}
            for row, total in zip(self.rows, self.cumulative_usd, strict=True)
        ]
        frame = pandas.DataFrame(rows, columns=_COLUMNS, index=range(1, len(rows) + 1))
        numbers = [name for name in _COLUMNS if name.endswith(("_usd", "_share", "_ms"))]
        return frame.astype(dict.fromkeys(numbers, "float64")).rename_axis("reply")

    def __getitem__(self, column: Any) -> Any:
        return self.frame[column]

    def __iter__(self) -> Iterator[CostRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def total_usd(self) -> float | None:
        """What was reported, priced; `None` where a price is not known, or a whole answer was not told."""
        return sum_known(row.cost_usd for row in self.rows if row.is_due)

    @property
    def at_most_usd(self) -> float | None:
        """What it can have cost at most, which is what bounds count: `total_usd` where the server told everything.

        An answer that was cut off, and of which the server does not tell what it took, counts by its sound and its
        words and what the one before it read. `None` where nobody can tell.
        """
        total, unsure = self.total_usd, self.unsure_usd
        return None if total is None or math.isinf(unsure) else total + unsure

    @property
    def unsure_usd(self) -> float:
        """What may come on top of `total_usd`; infinite where nobody can tell."""
        return sum(row.unsure_usd for row in self.rows)

    @property
    def cumulative_usd(self) -> list[float | None]:
        """What it had cost up to and with each row; `None` from the first unknown price on."""
        totals: list[float | None] = []
        total: float | None = 0.0
        for row in self.rows:
            if row.is_due:
                total = sum_known((total, row.cost_usd))
            totals.append(total)
        return totals

    @property
    def usage(self) -> Usage:
        """The tokens of all replies."""
        return sum((row.usage for row in self.rows), Usage())

    @property
    def cached_share(self) -> float | None:
        """How much of what the models read came from the cache, 0 to 1; `None` where they read nothing."""
        return self.usage.cached_share

    @property
    def apart_usd(self) -> float | None:
        """What was billed apart: transcriptions, and the speech of a chain."""
        charges = (charge for row in self.rows for charge in row.charges if charge.what != "reply")
        return sum_known(charge.cost.total_usd if charge.cost else None for charge in charges if charge.is_due)

    @property
    def wasted_usd(self) -> float | None:
        """What was made but not heard cost, where somebody told what was played; `None` if of no reply."""
        told = [row for row in self.rows if row.unheard_ms is not None]
        return sum_known(row.wasted_usd for row in told) if told else None

    @property
    def remarks(self) -> list[str]:
        """What is in no total, and why; and what in the totals may be wrong."""
        charges = [charge for row in self.rows for charge in row.charges]
        unpriced = {charge.model for charge in charges if charge.is_reported and charge.cost is None}
        whole = sum(charge.is_due and not charge.is_reported and charge.cost is None for charge in charges)
        silent = sum(not charge.is_due for charge in charges)
        odd = list(dict.fromkeys(remark for charge in charges if charge.cost for remark in charge.cost.remarks))
        remarks = [_unpriced(model) for model in sorted(unpriced)]
        told = f"of {len(charges)} charges the server did not say what they took"
        if whole:
            remarks.append(f"for {whole} {told}: the sum is not known")
        if silent:
            remarks.append(f"for {silent} {told}: not counted")
        if len(odd) > _REMARKS_SHOWN:
            odd[_REMARKS_SHOWN:] = [f"{len(odd) - _REMARKS_SHOWN} more remarks are in Reply.cost"]
        return remarks + odd

    def on(self, *models: str) -> Elsewhere:
        """Return what this session would have cost with other models.

        Parameters
        ----------
        *models : str
            Names as in the price table, e.g. ``"gpt-realtime-mini"`` or ``"azure/eu/gpt-realtime"``; by default the
            current ones and that of October 2024.

        Returns
        -------
        elsewhere : Elsewhere
            For the same tokens, as often cached; what is billed apart stays as it was. Another model would say other
            things, at another length.
        """
        return Elsewhere(self, models or MODELS)

    def __repr__(self) -> str:
        return f"Costs({len(self)} rows, {format_least(self.total_usd, self.unsure_usd)})"


class Elsewhere(Record):
    """What a session would have cost with other models, by name."""

    def __init__(self, costs: Costs, models: Sequence[str]):
        self.costs = costs
        self.totals_usd: dict[str, float | None] = {
            model: sum_known(row.on(model) for row in costs.rows if row.is_due) for model in models
        }
        """Dollars by model; `None` where a price is not known, or the session was a chain."""

    def __getitem__(self, model: str) -> float | None:
        return self.totals_usd[model]

    def times(self, model: str) -> float | None:
        """Return how many times this session's own cost that is; `None` where either is not known, or nothing."""
        total, own = self.totals_usd[model], self.costs.total_usd
        return None if total is None or not own else total / own

    @property
    def frame(self) -> pandas.DataFrame:
        """A data frame with a row for each model: ``total_usd``, and ``times`` this session's own cost."""
        import pandas

        rows = [{"total_usd": usd, "times": self.times(model)} for model, usd in self.totals_usd.items()]
        index = pandas.Index(self.totals_usd, name="model")
        return pandas.DataFrame(rows, index=index, columns=["total_usd", "times"], dtype="float64")

    def __repr__(self) -> str:
        totals = ", ".join(f"{printable(model)} {format_usd(usd)}" for model, usd in self.totals_usd.items())
        return f"Elsewhere({totals})"


def _unpriced(model: str) -> str:
    if find_price(model) is None:
        return f"the price of {model or 'a model without a name'} is not known: see realtime_nb.use_prices"
    return f"{model} has no price for all that it took: see realtime_nb.use_prices"


def _columns(row: CostRow) -> dict[str, Any]:
    by_kind, tokens = row.by_kind_usd, row.usage.tokens
    return {
        "response_id": row.response_id,
        "asked": row.asked,
        "calls": row.calls,
        "model": row.model,
        "status": row.status,
        **{f"{name}_tokens": tokens[name] for name in BILLED},
        **{f"{name}_usd": by_kind[name] for name in BILLED},
        "transcription_usd": row.usd("transcription"),
        "speech_usd": row.usd("speech"),
        "cost_usd": row.cost_usd,
        "cached_share": row.usage.cached_share,
        "unheard_ms": row.unheard_ms,
        "wasted_usd": row.wasted_usd,
    }


_COLUMNS = [
    *("response_id", "asked", "calls", "model", "status"),
    *(f"{name}_tokens" for name in BILLED),
    *(f"{name}_usd" for name in BILLED),
    *("transcription_usd", "speech_usd", "cost_usd", "cumulative_usd", "cached_share", "unheard_ms", "wasted_usd"),
]
