"""The costs of a conversation, charge by charge and reply by reply."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..display import Record, printable
from ..pricing.cost import Cost, cost_of, format_least, format_usd, is_free, metered_cost, price_tokens
from ..pricing.prices import find_price
from ..pricing.usage import BILLED, Usage
from .records import Reply, Turn

if TYPE_CHECKING:
    import pandas


# --- The charges for each reply, read off the records -----------------------------------------------------------------

#: Steps of a chain that are billed in addition to the reply's own words.
SEPARATE = ("transcription", "speech")
#: Milliseconds of audio per token. Source: OpenAI, "Managing costs" of the Realtime API.
_MS_PER_TOKEN_IN, _MS_PER_TOKEN_OUT = 100, 50
#: Source: OpenAI, "What are tokens and how to count them?".
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, kw_only=True)
class Charge:
    """One thing that is billed: a reply's tokens, the transcription of a turn, or a step of a chain."""

    what: str
    """``"reply"``, ``"transcription"`` or ``"speech"``."""
    model: str
    usage: Usage
    """The tokens; none if it is billed by time or characters."""
    cost: Cost | None
    is_reported: bool = True
    """True if the server reported its usage."""
    is_due: bool = True
    """True if it counts in the totals: everything that was reported, and complete answers whose usage was not."""
    untold_usd: float = 0.0
    """If the server did not report the usage, an estimate of what it may have cost; not part of any total."""

    @property
    def unsure_usd(self) -> float:
        """How much it may cost in addition to the totals; infinite if that cannot be estimated."""
        return self.untold_usd + (self.cost.unsure_usd if self.cost else 0.0)

    @property
    def at_most_usd(self) -> float | None:
        """The most that it can have cost; `None` if that cannot be estimated."""
        if self.is_due and self.cost is None:
            return None
        most = (self.cost.total_usd if self.cost and self.is_due else 0.0) + self.unsure_usd
        return most if math.isfinite(most) else None


@dataclass(frozen=True, kw_only=True)
class CostRow:
    """The charges for one reply, or for a turn that was transcribed and got no reply."""

    response_id: str
    asked: str
    model: str
    status: str
    is_chain: bool
    charges: tuple[Charge, ...]
    unheard_ms: float | None
    """How much of its audio was generated but not heard; `None` if no speaker reported what was played."""
    audio_ms: float
    calls: str = ""
    """The names of the functions that the reply calls."""

    def of(self, what: str) -> list[Charge]:
        """Return the charges of a kind."""
        return [charge for charge in self.charges if charge.what == what]

    @cached_property
    def usage(self) -> Usage:
        """The tokens of the reply itself."""
        return sum((charge.usage for charge in self.of("reply")), Usage())

    @property
    def by_kind_usd(self) -> dict[str, float | None]:
        """The cost of the reply's own tokens, by the way they are billed."""
        priced = [price_tokens(charge.usage, charge.model) for charge in self.of("reply")]
        return {name: sum_known(usd[name] for usd in priced) for name in BILLED}

    def usd(self, what: str) -> float | None:
        """Return the sum of the charges of a kind; `None` if a price or the usage is not known."""
        return sum_known(charge.cost.total_usd if charge.cost else None for charge in self.of(what))

    @property
    def cost_usd(self) -> float | None:
        """The price of the reported usage; `None` if there is none, or a price or an answer's usage is not known."""
        due = [charge for charge in self.charges if charge.is_due]
        return sum_known(charge.cost.total_usd if charge.cost else None for charge in due) if due else None

    @property
    def unsure_usd(self) -> float:
        """How much may come on top of `cost_usd` if the server did not report everything; infinite at worst."""
        return sum(charge.unsure_usd for charge in self.charges)

    @property
    def wasted_usd(self) -> float | None:
        """Cost of the audio that was not heard; `None` if that is not known."""
        if not self.unheard_ms:
            return self.unheard_ms
        spoken = self.usd("speech") if self.of("speech") else self.by_kind_usd["audio_output"]
        return None if spoken is None else spoken * self.unheard_ms / self.audio_ms

    @property
    def is_reported(self) -> bool:
        """True if the server reported the usage of any charge."""
        return any(charge.is_reported for charge in self.charges)

    @property
    def is_due(self) -> bool:
        """True if any charge is in the totals."""
        return any(charge.is_due for charge in self.charges)

    def on(self, model: str) -> float | None:
        """Return what it would have cost with another model, for the same tokens and the same separate charges."""
        due = [charge for charge in self.charges if charge.is_due]
        own = [cost_of(charge.usage, model) if charge.is_reported else None for charge in due if charge.what == "reply"]
        separate = [charge.cost for charge in due if charge.what != "reply"]
        return None if self.is_chain else sum_known(cost.total_usd if cost else None for cost in (*own, *separate))


def sum_known(amounts: Iterable[float | None]) -> float | None:
    """Add up costs; the sum is `None` if any of them is."""
    total = 0.0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _transcription(turn: Turn) -> Charge | None:
    """Return the charge for transcribing a turn, if it was transcribed; in a chain that is a step of the reply."""
    if turn.transcription_usage is None and turn.transcription_model is None:
        return None
    usage, model = turn.transcription_usage, turn.transcription_model
    # For a model that has a price, a usage that cannot be read counts as not reported.
    told = usage is not None and (turn.cost is not None or find_price(model) is None)
    return Charge(
        what="transcription",
        model=model or "",
        usage=Usage.from_realtime(usage),
        cost=turn.cost,
        is_reported=told,
        is_due=told,
        untold_usd=0.0 if told else _written_down_usd(turn, model),
    )


def _written_down_usd(turn: Turn, model: str | None) -> float:
    """Estimate the cost of transcribing a turn from its length; infinite if the length is not known."""
    audio_ms = sum(part.audio_ms for part in list(turn.parts.values()))
    audio_ms = audio_ms or max(0.0, (turn.audio_end_ms or 0.0) - (turn.audio_start_ms or 0.0))
    cost = metered_cost({"type": "duration", "seconds": audio_ms / 1000}, model)
    words = math.ceil(len(turn.text) / _CHARACTERS_PER_TOKEN)
    cost = cost or cost_of(Usage(audio_in=math.ceil(audio_ms / _MS_PER_TOKEN_IN), text_out=words), model)
    return cost.total_usd if cost else math.inf


def _own_charges(reply: Reply, before: Usage | None) -> Iterator[Charge]:
    for name, stage in reply.stages.copy().items():
        usage = None if stage.usage is None else Usage.from_realtime(stage.usage)
        yield _charge(name if name in SEPARATE else "reply", stage.model, usage, stage.cost, reply, before)
    if not reply.stages:
        yield _charge("reply", reply.model, reply.usage, reply.cost, reply, before)


def _charges(reply: Reply, before: Usage | None) -> Iterator[Charge]:
    yield from _own_charges(reply, before)
    if reply.asked and reply.asked.reply is reply and (charge := _transcription(reply.asked)):
        yield charge


def _charge(
    what: str, model: str, usage: Usage | None, cost: Cost | None, reply: Reply, before: Usage | None
) -> Charge:
    """Return a charge of a reply; without a reported usage it costs nothing if the model is free."""
    tokens = (usage.input_tokens or usage.output_tokens) if usage else 0
    # For a model that has a price, an empty usage counts as not reported.
    told = usage is not None and (bool(tokens) or cost is not None or find_price(model) is None)
    whole = reply.done and reply.status in ("completed", "incomplete")
    if not told and is_free(find_price(model)):
        cost = Cost()
    return Charge(
        what=what,
        model=model,
        usage=usage or Usage(),
        cost=cost,
        is_reported=told,
        is_due=told or whole,
        untold_usd=0.0 if told or whole or not reply.outputs else _cut_usd(what, model, reply, before or Usage()),
    )


def _cut_usd(what: str, model: str, reply: Reply, before: Usage) -> float:
    """Estimate the cost of a reply that was cut or broke off, from what it made and what the reply before it read."""
    if not reply.done:
        return 0.0
    if what == "transcription":
        return _written_down_usd(reply.asked, model) if reply.asked else 0.0
    text = reply.transcript
    words = math.ceil(len(text) / _CHARACTERS_PER_TOKEN)
    audio_ms = sum(part.audio_ms for turn in reply.turns for part in list(turn.parts.values()))
    sound = Usage(audio_out=math.ceil(audio_ms / _MS_PER_TOKEN_OUT))
    if what == "speech":
        cost = metered_cost({"type": "characters", "characters": len(text)}, model)
        cost = cost or cost_of(sound + Usage(text_in=words), model)
    else:
        made = Usage(text_out=words) if reply.stages else sound + Usage(text_out=words)
        read = Usage(text_in=before.text_in, audio_in=before.audio_in, image_in=before.image_in)
        if before.input_tokens == 0 and reply.asked:
            read = _asked(reply.asked)
        cost = cost_of(made + read, model)
    return cost.total_usd if cost else 0.0


def _asked(turn: Turn) -> Usage:
    """Estimate the tokens of a question, which are the least that its answer read."""
    audio_ms = sum(part.audio_ms for part in list(turn.parts.values()))
    words = 0 if audio_ms else math.ceil(len(turn.text) / _CHARACTERS_PER_TOKEN)
    return Usage(text_in=words, audio_in=math.ceil(audio_ms / _MS_PER_TOKEN_IN))


def reply_row(reply: Reply, before: Usage | None = None) -> CostRow:
    """Return the row of a reply; `before` is the last usage that was reported."""
    unheard_ms, audio_ms = _unheard(reply)
    return CostRow(
        response_id=reply.response_id,
        asked=reply.asked.text if reply.asked else "",
        model=reply.model,
        status=reply.status,
        is_chain=bool(reply.stages),
        charges=tuple(_charges(reply, before)),
        unheard_ms=unheard_ms,
        audio_ms=audio_ms,
        calls=", ".join(turn.name for turn in reply.turns if turn.kind in ("function_call", "mcp_call")),
    )


def turn_row(turn: Turn) -> CostRow | None:
    """Return the row of a turn that was transcribed and got no reply; `None` for other turns."""
    charge = _transcription(turn) if turn.reply is None else None
    if charge is None:
        return None
    return CostRow(
        response_id="",
        asked=turn.text,
        model="",
        status="no reply",
        is_chain=False,
        charges=(charge,),
        unheard_ms=0.0,
        audio_ms=0.0,
    )


class Tally:
    """A running sum of the most that the charges can come to, as in `Costs.at_most_usd`.

    Counting one more takes the same time however many there are.
    """

    def __init__(self) -> None:
        self._of: dict[Reply | Turn, float | None] = {}
        self._before: dict[Reply | Turn, Usage | None] = {}
        self._last: Usage | None = None
        self._known = 0.0
        self._unknown = 0

    @property
    def usd(self) -> float | None:
        """In dollars; `None` while a price is not known or a usage was not reported."""
        return None if self._unknown else self._known

    def count(self, record: Reply | Turn) -> list[Charge]:
        """Count a reply, or the transcription of a turn, again; return its charges."""
        used = self._before.setdefault(record, self._last)
        found = _own_charges(record, used) if isinstance(record, Reply) else filter(None, [_transcription(record)])
        charges = list(found)
        usd = sum_known(each.at_most_usd for each in charges)
        before, self._of[record] = self._of.get(record, 0.0), usd
        self._known += (usd or 0.0) - (before or 0.0)
        self._unknown += (usd is None) - (before is None)
        if isinstance(record, Reply):
            self._last = record.usage or self._last
        return charges

    def recount(self) -> None:
        """Count everything again at the current prices."""
        for record in self._of:
            self.count(record)


def _unheard(reply: Reply) -> tuple[float | None, float]:
    """Return how many ms of a reply's audio were not heard, `None` if that was not reported, and how many it has."""
    unheard: float | None = 0.0
    total = 0.0
    for turn in reply.turns:
        audio_ms = sum(part.audio_ms for part in list(turn.parts.values()))
        if not audio_ms:
            continue
        total += audio_ms
        heard = turn.truncated_ms if turn.truncated_ms is not None else turn.played_ms
        if heard is None or unheard is None:
            unheard = None
        elif turn.interrupted or turn.truncated_ms is not None:
            unheard += max(0.0, audio_ms - heard)
    return unheard, total


# --- A conversation's costs: a row for each reply with its separate charges, and what was generated but not heard -----

#: Models to compare a session with by default: the current ones, and the one of the launch.
MODELS = ("gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-4o-realtime-preview-2024-10-01")
#: At most this many remarks about single answers are shown.
_REMARKS_SHOWN = 5


class Costs(Record):
    """The costs of a conversation so far; made by `Conversation.costs`.

    `frame` is a data frame with a row for each reply, and ``costs["cost_usd"]`` one of its columns.

    Parameters
    ----------
    replies : sequence of Reply
        In the order in which they began.
    turns : sequence of Turn
        All turns, including deleted ones: their transcription was billed too.

    Notes
    -----
    Transcribing what the person said is billed separately, at the price of the transcription model. It is in the row of
    the first reply to that turn (``transcription_usd``), or in its own row if there was no reply, so that the sum of
    ``cost_usd`` holds everything once. For a chain, ``speech_usd`` is its last step, and the tokens in the row are
    those of the text model.

    A reply whose usage the server did not report (because it failed, was cut off, or is still being made) has a row,
    but is not in the totals. If a price is not known, or the server did not report the usage of a complete answer,
    everything that it is part of is unknown too: `NaN` in the frame, `None` in the totals. Tokens that the server does
    not split by kind count as text; the totals are then the least, and `at_most_usd` is the most. `remarks` says all of
    this.

    Wasted dollars pay for audio that was generated but not heard: ``audio_output_usd · unheard_ms / audio_ms`` (for a
    chain ``speech_usd``), with ``unheard_ms`` counted from where the server cut the turn, or where playback was
    stopped. If no speaker reported what was played, they are not known.

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
        ``text``, ``audio`` and ``image`` its ``…_uncached_input``, ``…_cached_input`` and ``…_output`` (there are no
        pictures in the output), in ``…_tokens`` and in ``…_usd``, which count each token and each dollar of the reply
        once; ``transcription_usd`` and
        ``speech_usd``, billed separately; ``cost_usd``, the sum; ``cumulative_usd``; ``cached_share`` of the input, 0
        to 1; ``unheard_ms`` and ``wasted_usd``.
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
    def charges(self) -> list[Charge]:
        """Everything that is billed, reply by reply."""
        return [charge for row in self.rows for charge in row.charges]

    @property
    def total_usd(self) -> float | None:
        """The price of the reported usage; `None` if a price is not known, or a complete answer was not reported."""
        return sum_known(row.cost_usd for row in self.rows if row.is_due)

    @property
    def at_most_usd(self) -> float | None:
        """The most it can have cost, against which bounds are checked; `total_usd` if the server reported everything.

        If an answer was cut off and its usage not reported, it is estimated from its sound, its words and what the
        answer before it read. `None` if that is not possible.
        """
        total, unsure = self.total_usd, self.unsure_usd
        return None if total is None or math.isinf(unsure) else total + unsure

    @property
    def unsure_usd(self) -> float:
        """How much may come on top of `total_usd`; infinite if that cannot be estimated."""
        return sum(row.unsure_usd for row in self.rows)

    @property
    def cumulative_usd(self) -> list[float | None]:
        """The sum of the costs up to and including each row; `None` from the first unknown price on."""
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
        """The share of the input that came from the cache, 0 to 1; `None` if there was no input."""
        return self.usage.cached_share

    @property
    def separate_usd(self) -> dict[str, float | None]:
        """Charges in addition to the replies' own tokens: ``transcription``, and the ``speech`` of a chain.

        Holds only what there was; `None` if a price is not known.
        """
        charges = [charge for charge in self.charges if charge.is_due]
        return {
            what: sum_known(charge.cost.total_usd if charge.cost else None for charge in found)
            for what in SEPARATE
            if (found := [charge for charge in charges if charge.what == what])
        }

    @property
    def wasted_usd(self) -> float | None:
        """The cost of audio that was not heard, for replies with a speaker's report; `None` if there are none."""
        told = [row for row in self.rows if row.unheard_ms is not None]
        return sum_known(row.wasted_usd for row in told) if told else None

    @property
    def remarks(self) -> list[str]:
        """Remarks on what is missing from the totals and why, and on what in them may be wrong."""
        charges = self.charges
        unpriced = {charge.model for charge in charges if charge.is_reported and charge.cost is None}
        whole = sum(charge.is_due and not charge.is_reported and charge.cost is None for charge in charges)
        silent = sum(not charge.is_due for charge in charges)
        odd = list(dict.fromkeys(remark for charge in charges if charge.cost for remark in charge.cost.remarks))
        remarks = [_unpriced(model) for model in sorted(unpriced)]
        told = f"the server did not report the usage of {{}} of {len(charges)} charges"
        if whole:
            remarks.append(f"{told.format(whole)}: the sum is not known")
        if silent:
            remarks.append(f"{told.format(silent)}: not counted")
        if len(odd) > _REMARKS_SHOWN:
            odd[_REMARKS_SHOWN:] = [f"{len(odd) - _REMARKS_SHOWN} more remarks are in Reply.cost"]
        return remarks + odd

    def on(self, *models: str) -> OtherModelCosts:
        """Return what this session would have cost with other models.

        Parameters
        ----------
        *models : str
            Names from the price table, e.g. ``"gpt-realtime-mini"`` or ``"azure/eu/gpt-realtime"``; by default the
            current ones and that of October 2024.

        Returns
        -------
        costs : OtherModelCosts
            For the same tokens, cached just as often; separate charges stay the same. Another model would say other
            things, at another length.
        """
        return OtherModelCosts(self, models or MODELS)

    def __repr__(self) -> str:
        return f"Costs({len(self)} rows, {format_least(self.total_usd, self.unsure_usd)})"


class OtherModelCosts(Record):
    """The costs of a session with other models, by name."""

    def __init__(self, costs: Costs, models: Sequence[str]):
        self.costs = costs
        self.totals_usd: dict[str, float | None] = {
            model: sum_known(row.on(model) for row in costs.rows if row.is_due) for model in models
        }
        """Dollars by model; `None` if a price is not known, or the session was a chain."""

    def __getitem__(self, model: str) -> float | None:
        return self.totals_usd[model]

    def times(self, model: str) -> float | None:
        """Return a model's cost as a multiple of this session's; `None` if either is not known, or zero."""
        total, own = self.totals_usd[model], self.costs.total_usd
        return None if total is None or not own else total / own

    @property
    def frame(self) -> pandas.DataFrame:
        """A data frame with a row for each model: ``total_usd``, and ``times_this_session``, its multiple of it."""
        import pandas

        rows = [{"total_usd": usd, "times_this_session": self.times(model)} for model, usd in self.totals_usd.items()]
        index = pandas.Index(self.totals_usd, name="model")
        return pandas.DataFrame(rows, index=index, columns=["total_usd", "times_this_session"], dtype="float64")

    def __repr__(self) -> str:
        totals = ", ".join(f"{printable(model)} {format_usd(usd)}" for model, usd in self.totals_usd.items())
        return f"OtherModelCosts({totals})"


def _unpriced(model: str) -> str:
    if find_price(model) is None:
        return f"the price of {model or 'a model without a name'} is not known: see realtime_nb.use_prices"
    return f"{model} has no price for some of what it used: see realtime_nb.use_prices"


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
