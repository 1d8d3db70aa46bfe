"""What is billed for a reply, charge by charge, read off the records."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from .prices import find_price
from .pricing import Cost, cost_of, is_free, metered_cost, price_tokens
from .tokens import BILLED, Usage
from .turns import Reply, Turn

#: Steps of a chain that are billed beside the reply's own words.
_APART = ("transcription", "speech")
#: One token of audio for so many ms. Source: OpenAI, "Managing costs" of the Realtime API.
_MS_PER_TOKEN_IN, _MS_PER_TOKEN_OUT = 100, 50
#: Source: OpenAI, "What are tokens and how to count them?".
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, kw_only=True)
class Charge:
    """One thing that is billed: a reply's tokens, writing down a turn, or a step of a chain."""

    what: str
    """``"reply"``, ``"transcription"`` or ``"speech"``."""
    model: str
    usage: Usage
    """Its tokens; none where it is billed by time or characters."""
    cost: Cost | None
    is_reported: bool = True
    """Whether the server said what it took."""
    is_due: bool = True
    """Whether it is in the totals: all that was reported, and an answer that is whole, whose cost nobody knows else."""
    untold_usd: float = 0.0
    """What it may have cost where the server did not say what it took: an estimate, which is in no total."""

    @property
    def unsure_usd(self) -> float:
        """What may come on top of what is in the totals; infinite where nobody can tell."""
        return self.untold_usd + (self.cost.unsure_usd if self.cost else 0.0)

    @property
    def at_most_usd(self) -> float | None:
        """What it can have cost at most; `None` where nobody can tell."""
        if self.is_due and self.cost is None:
            return None
        most = (self.cost.total_usd if self.cost and self.is_due else 0.0) + self.unsure_usd
        return most if math.isfinite(most) else None


@dataclass(frozen=True, kw_only=True)
class CostRow:
    """What is billed for one reply, or for a turn that was written down and got none."""

    response_id: str
    asked: str
    model: str
    status: str
    is_chain: bool
    charges: tuple[Charge, ...]
    unheard_ms: float | None
    """How much of its audio was made but not heard; `None` where nobody told what was played."""
    audio_ms: float
    calls: str = ""
    """Names of the functions that it calls."""

    def of(self, what: str) -> list[Charge]:
        """Return the charges of a kind."""
        return [charge for charge in self.charges if charge.what == what]

    @cached_property
    def usage(self) -> Usage:
        """The tokens of the reply itself."""
        return sum((charge.usage for charge in self.of("reply")), Usage())

    @property
    def by_kind_usd(self) -> dict[str, float | None]:
        """What the reply's own tokens cost, by what they are billed as."""
        priced = [price_tokens(charge.usage, charge.model) for charge in self.of("reply")]
        return {name: sum_known(usd[name] for usd in priced) for name in BILLED}

    def usd(self, what: str) -> float | None:
        """Return what the charges of a kind come to; `None` where a price or the usage is not known."""
        return sum_known(charge.cost.total_usd if charge.cost else None for charge in self.of(what))

    @property
    def cost_usd(self) -> float | None:
        """What was reported, priced; `None` where nothing was, a price is not known, or a whole answer was not told."""
        due = [charge for charge in self.charges if charge.is_due]
        return sum_known(charge.cost.total_usd if charge.cost else None for charge in due) if due else None

    @property
    def unsure_usd(self) -> float:
        """What may come on top of `cost_usd`, where the server did not say all that was taken; infinite at worst."""
        return sum(charge.unsure_usd for charge in self.charges)

    @property
    def wasted_usd(self) -> float | None:
        """What the unheard part of the audio cost; `None` where that is not known."""
        if not self.unheard_ms:
            return self.unheard_ms
        spoken = self.usd("speech") if self.of("speech") else self.by_kind_usd["audio_out"]
        return None if spoken is None else spoken * self.unheard_ms / self.audio_ms

    @property
    def is_reported(self) -> bool:
        """Whether the server said of anything what it took."""
        return any(charge.is_reported for charge in self.charges)

    @property
    def is_due(self) -> bool:
        """Whether anything of it is in the totals."""
        return any(charge.is_due for charge in self.charges)

    def on(self, model: str) -> float | None:
        """Return what it would have cost with another model: the same tokens, and what is billed apart as it was."""
        due = [charge for charge in self.charges if charge.is_due]
        own = [cost_of(charge.usage, model) if charge.is_reported else None for charge in due if charge.what == "reply"]
        apart = [charge.cost for charge in due if charge.what != "reply"]
        return None if self.is_chain else sum_known(cost.total_usd if cost else None for cost in (*own, *apart))


def sum_known(amounts: Iterable[float | None]) -> float | None:
    """Add up; what holds something unknown is unknown."""
    total = 0.0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _transcription(turn: Turn) -> Charge | None:
    """Return what writing a turn down took, if somebody did; in a chain that is a step of the reply."""
    if turn.transcription_usage is None and turn.transcription_model is None:
        return None
    usage, model = turn.transcription_usage, turn.transcription_model
    # Of a model that has a price, an account that cannot be read is none.
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
    """Estimate what writing down a turn cost, from how long it sounds; infinite where nobody knows that."""
    audio_ms = sum(part.audio_ms for part in list(turn.parts.values()))
    audio_ms = audio_ms or max(0.0, (turn.audio_end_ms or 0.0) - (turn.audio_start_ms or 0.0))
    cost = metered_cost({"type": "duration", "seconds": audio_ms / 1000}, model)
    words = math.ceil(len(turn.text) / _CHARACTERS_PER_TOKEN)
    cost = cost or cost_of(Usage(audio_in=math.ceil(audio_ms / _MS_PER_TOKEN_IN), text_out=words), model)
    return cost.total_usd if cost else math.inf


def _own_charges(reply: Reply, before: Usage | None) -> Iterator[Charge]:
    for name, stage in reply.stages.copy().items():
        usage = None if stage.usage is None else Usage.from_realtime(stage.usage)
        yield _charge(name if name in _APART else "reply", stage.model, usage, stage.cost, reply, before)
    if not reply.stages:
        yield _charge("reply", reply.model, reply.usage, reply.cost, reply, before)


def _charges(reply: Reply, before: Usage | None) -> Iterator[Charge]:
    yield from _own_charges(reply, before)
    if reply.asked and reply.asked.reply is reply and (charge := _transcription(reply.asked)):
        yield charge


def _charge(
    what: str, model: str, usage: Usage | None, cost: Cost | None, reply: Reply, before: Usage | None
) -> Charge:
    """Return a charge of a reply; one that is not told costs nothing where the model is free."""
    tokens = (usage.input_tokens or usage.output_tokens) if usage else 0
    # Of a model that has a price, an account that holds nothing is none.
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
    """Estimate what a reply cost that was cut off, or broke off: what was made, and what the one before it read."""
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
    """Estimate the tokens of a question, which is the least that its answer read."""
    audio_ms = sum(part.audio_ms for part in list(turn.parts.values()))
    words = 0 if audio_ms else math.ceil(len(turn.text) / _CHARACTERS_PER_TOKEN)
    return Usage(text_in=words, audio_in=math.ceil(audio_ms / _MS_PER_TOKEN_IN))


def reply_row(reply: Reply, before: Usage | None = None) -> CostRow:
    """Return the row of a reply; `before` is what the last one took of which that was told."""
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
    """Return the row of a turn that was written down and got no reply; `None` for others."""
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
    """A running sum of what the charges can come to at most, as `Costs.at_most_usd` sums them up.

    To count one more costs the same however many there are.
    """

    def __init__(self) -> None:
        self._of: dict[Reply | Turn, float | None] = {}
        self._before: dict[Reply | Turn, Usage | None] = {}
        self._last: Usage | None = None
        self._known = 0.0
        self._unknown = 0

    @property
    def usd(self) -> float | None:
        """Dollars; `None` while a price is not known, or the server did not say what was taken."""
        return None if self._unknown else self._known

    def count(self, record: Reply | Turn) -> None:
        """Count a reply, or what it took to write down a turn, anew."""
        used = self._before.setdefault(record, self._last)
        charges = _own_charges(record, used) if isinstance(record, Reply) else filter(None, [_transcription(record)])
        usd = sum_known(each.at_most_usd for each in charges)
        before, self._of[record] = self._of.get(record, 0.0), usd
        self._known += (usd or 0.0) - (before or 0.0)
        self._unknown += (usd is None) - (before is None)
        if isinstance(record, Reply):
            self._last = record.usage or self._last

    def recount(self) -> None:
        """Count all of it at the prices of now."""
        for record in self._of:
            self.count(record)


def _unheard(reply: Reply) -> tuple[float | None, float]:
    """Return how many ms of a reply's audio were made but not heard, `None` where nobody tells, and all its ms."""
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
