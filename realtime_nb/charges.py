"""What is billed for a reply, charge by charge, read off the records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from .pricing import Cost, cost_of, price_tokens
from .tokens import BILLED, Usage
from .turns import Reply, Turn

#: Steps of a chain that are billed beside the reply's own words.
_APART = ("transcription", "speech")


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
    """Whether the server said what it took; what it did not say is in no total."""


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
        """What was reported, priced; `None` where nothing was, or a price is not known."""
        reported = [charge for charge in self.charges if charge.is_reported]
        return sum_known(charge.cost.total_usd if charge.cost else None for charge in reported) if reported else None

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

    def on(self, model: str) -> float | None:
        """Return what it would have cost with another model: the same tokens, and what is billed apart as it was."""
        own = [cost_of(charge.usage, model) for charge in self.of("reply") if charge.is_reported]
        apart = [charge.cost for charge in self.charges if charge.what != "reply" and charge.is_reported]
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
    usage = turn.transcription_usage
    return Charge(
        what="transcription",
        model=turn.transcription_model or "",
        usage=Usage.from_realtime(usage),
        cost=turn.cost,
        is_reported=usage is not None,
    )


def _own_charges(reply: Reply) -> Iterator[Charge]:
    for name, stage in reply.stages.copy().items():
        yield Charge(
            what=name if name in _APART else "reply",
            model=stage.model,
            usage=Usage.from_realtime(stage.usage),
            cost=stage.cost,
            is_reported=stage.usage is not None,
        )
    if not reply.stages:
        told = reply.usage is not None
        yield Charge(what="reply", model=reply.model, usage=reply.usage or Usage(), cost=reply.cost, is_reported=told)


def _charges(reply: Reply) -> Iterator[Charge]:
    yield from _own_charges(reply)
    if reply.asked and reply.asked.reply is reply and (charge := _transcription(reply.asked)):
        yield charge


def reply_row(reply: Reply) -> CostRow:
    """Return the row of a reply."""
    unheard_ms, audio_ms = _unheard(reply)
    return CostRow(
        response_id=reply.response_id,
        asked=reply.asked.text if reply.asked else "",
        model=reply.model,
        status=reply.status,
        is_chain=bool(reply.stages),
        charges=tuple(_charges(reply)),
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
    """A running sum of what the charges come to that somebody reported, as `Costs.total_usd` sums them up.

    To count one more costs the same however many there are.
    """

    def __init__(self) -> None:
        self._of: dict[Reply | Turn, float | None] = {}
        self._known = 0.0
        self._unknown = 0

    @property
    def usd(self) -> float | None:
        """Dollars; `None` while a price is not known."""
        return None if self._unknown else self._known

    def count(self, record: Reply | Turn) -> None:
        """Count a reply, or what it took to write down a turn, anew."""
        charges = _own_charges(record) if isinstance(record, Reply) else filter(None, [_transcription(record)])
        usd = sum_known(each.cost.total_usd if each.cost else None for each in charges if each.is_reported)
        before, self._of[record] = self._of.get(record, 0.0), usd
        self._known += (usd or 0.0) - (before or 0.0)
        self._unknown += (usd is None) - (before is None)

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
