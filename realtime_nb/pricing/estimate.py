"""Estimate what a conversation will cost, from how long both sides speak."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from ..display import Record, printable
from ..errors import SettingsError
from .cost import cost_of, format_usd
from .prices import find_price
from .usage import Usage

if TYPE_CHECKING:
    import pandas

#: Tokens per minute of the person's speech (1 per 100 ms) and of the model's (1 per 50 ms); later turns read them again
#: at the same rate. Source: OpenAI, "Managing costs" of the Realtime API.
AUDIO_IN_PER_MINUTE, AUDIO_OUT_PER_MINUTE = 600, 1_200
#: The words of an answer come as text beside its audio. Seen on the wire: 28 text to 136 audio tokens.
TEXT_PER_AUDIO_OUT = 0.2
#: Shorter prefixes are not cached. Source: OpenAI's guide on prompt caching.
CACHED_FROM = 1_024


@dataclass(frozen=True, kw_only=True)
class Estimate(Record):
    """The estimated cost of a conversation; made by `estimate`.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> estimate = rt.estimate(minutes_in=5, minutes_out=5, model="gpt-realtime-2.1", turns=20)
    >>> f"${estimate.total_usd:.2f} to ${estimate.uncached_usd:.2f}"
    '$0.76 to $3.30'
    """

    model: str
    minutes_in: float
    minutes_out: float
    usages: tuple[Usage, ...]
    """The tokens of each turn, with as many as possible from the cache."""
    dropped_from: int | None = None
    """The first turn that can no longer read the whole conversation; `None` if every turn can."""

    @cached_property
    def turns_usd(self) -> list[float]:
        """The cost of each turn, with as many tokens as possible from the cache."""
        return [_usd(usage, self.model) for usage in self.usages]

    @property
    def total_usd(self) -> float:
        """The lowest cost of all turns, with as many tokens as possible from the cache."""
        return sum(self.turns_usd)

    @property
    def uncached_usd(self) -> float:
        """The highest cost of all turns, with nothing from the cache."""
        return sum(_usd(_without_cache(usage), self.model) for usage in self.usages)

    @property
    def frame(self) -> pandas.DataFrame:
        """A data frame with a row for each turn: ``…_tokens`` as they are billed, ``cost_usd``, ``cumulative_usd``."""
        import pandas

        rows = [{f"{name}_tokens": count for name, count in usage.tokens.items()} for usage in self.usages]
        frame = pandas.DataFrame(rows, index=pandas.RangeIndex(1, len(rows) + 1, name="turn"))
        return frame.assign(cost_usd=self.turns_usd, cumulative_usd=pandas.Series(self.turns_usd).cumsum().to_numpy())

    @property
    def explanation(self) -> str:
        """Why later turns cost more, in plain words and with the numbers of this estimate."""
        first, last = self.usages[0], self.usages[-1]
        head = (
            f"{len(self.usages)} turns, {self.minutes_in:g} min heard and {self.minutes_out:g} min spoken by "
            f"{self.model}: {format_usd(self.total_usd)} if everything that can be cached is, "
            f"{format_usd(self.uncached_usd)} if nothing is."
        )
        if len(self.usages) == 1:
            return head
        text = (
            f"{head} Each turn reads the whole conversation again, all earlier questions and answers: turn 1 reads "
            f"{first.input_tokens:,} tokens and costs {format_usd(self.turns_usd[0])}, turn {len(self.usages)} reads "
            f"{last.input_tokens:,} and costs {format_usd(self.turns_usd[-1])}. "
        )
        if last.cached_tokens:
            text += (
                f"Of these, {last.cached_tokens:,} were read by the turn before, too, and cached tokens are cheaper; "
                "but caching is not guaranteed, and a change of instructions or tools empties the cache."
            )
        else:
            text += f"Nothing is cached here: caching begins with {CACHED_FROM:,} tokens that were read before."
        if self.dropped_from:
            text += (
                f" From turn {self.dropped_from} on the conversation is longer than the model can read: the oldest "
                "turns are dropped, which empties the cache each time."
            )
        return text

    def __repr__(self) -> str:
        return f"Estimate({printable(self.model)}, {len(self.usages)} turns, {format_usd(self.total_usd)})"


def estimate(
    minutes_in: float,
    minutes_out: float,
    model: str = "gpt-realtime-2.1",
    turns: int = 10,
    *,
    instruction_tokens: int = 100,
) -> Estimate:
    """Estimate what a spoken conversation will cost, and why later turns cost more.

    Parameters
    ----------
    minutes_in : float
        How long the person speaks in all, in minutes; spread evenly over the turns. Silence that turn detection leaves
        out is not billed.
    minutes_out : float
        How long the model speaks in all, in minutes.
    model : str, default "gpt-realtime-2.1"
        A model that is billed by tokens.
    turns : int, default 10
        How many times the person and the model speak.
    instruction_tokens : int, default 100
        Tokens of the instructions and the tools.

    Returns
    -------
    estimate : Estimate
        Tokens and dollars of each turn, a total with and without caching, and an explanation. Transcription of the
        person is billed separately, and is not included.

    Raises
    ------
    SettingsError
        If a length is negative, `turns` is below 1, or the model has no price for text and audio tokens.

    Notes
    -----
    Turn *k* reads the instructions (text), *k* questions of ``600 · minutes_in / turns`` audio tokens, and *k* − 1
    answers of ``1,200 · minutes_out / turns`` audio tokens and a fifth as many text tokens; it makes one such answer.
    Tokens that turn *k* − 1 read are cached, from 1,024 tokens on; each answer is read uncached once. If this exceeds
    the model's context (``context_tokens`` in the price table, if known), the oldest turns are dropped, and nothing is
    cached. Sources: OpenAI, "Managing costs" (1 token per 100 ms of the person's audio, 1 per 50 ms of
    the model's, in later turns too) and "Prompt caching"; 28 text to 136 audio tokens in a recorded answer.

    Examples
    --------
    >>> round(estimate(1, 0, "gpt-4o-realtime-preview-2024-10-01", turns=1, instruction_tokens=0).total_usd, 4)
    0.06
    """
    for name, value, least in (
        ("minutes_in", minutes_in, 0),
        ("minutes_out", minutes_out, 0),
        ("turns", turns, 1),
        ("instruction_tokens", instruction_tokens, 0),
    ):
        if not least <= value < 1e6:
            raise SettingsError(f"{name}={value} must be {least} or more, and below a million")
    _check_model(model)
    answer = round(AUDIO_OUT_PER_MINUTE * minutes_out / turns)
    sizes = _Sizes(instruction_tokens, round(AUDIO_IN_PER_MINUTE * minutes_in / turns), answer)
    limit = (find_price(model) or {}).get("context_tokens")
    usages: list[Usage] = []
    first, dropped_from = 1, None
    for turn in range(1, turns + 1):
        was_first = first
        while limit is not None and first < turn and sum(sizes.read(turn, first)) > limit:
            first += 1
        if first > was_first:
            dropped_from = dropped_from or turn
        before = usages[-1] if usages and first == was_first else Usage()
        usages.append(sizes.usage(turn, first, before))
    return Estimate(
        model=model, minutes_in=minutes_in, minutes_out=minutes_out, usages=tuple(usages), dropped_from=dropped_from
    )


class _Sizes(NamedTuple):
    """The tokens of a conversation's parts."""

    instructions: int
    question: int
    answer: int

    @property
    def words(self) -> int:
        return round(self.answer * TEXT_PER_AUDIO_OUT)

    def read(self, turn: int, first: int) -> tuple[int, int]:
        """Return the text and audio tokens that a turn reads; `first` is the oldest turn left."""
        answers = turn - first
        return self.instructions + answers * self.words, (answers + 1) * self.question + answers * self.answer

    def usage(self, turn: int, first: int, before: Usage) -> Usage:
        """Return a turn's usage; `before`, if long enough, is still cached."""
        text, audio = self.read(turn, first)
        cached = before if before.input_tokens >= CACHED_FROM else Usage()
        return Usage(
            text_in=text,
            audio_in=audio,
            text_cached=cached.text_in,
            audio_cached=cached.audio_in,
            text_out=self.words,
            audio_out=self.answer,
        )


def _check_model(model: str) -> None:
    every = Usage(text_in=2, text_cached=1, audio_in=2, audio_cached=1, text_out=1, audio_out=1)
    if cost_of(every, model) is not None:
        return
    row = find_price(model)
    if row is None:
        raise SettingsError(f"model={model!r} has no known price: give it one with realtime_nb.use_prices")
    if "per_minute" in row:
        usd = format_usd(row["per_minute"])
        raise SettingsError(f"model={model!r} is billed by time, {usd} a minute, and does not grow from turn to turn")
    raise SettingsError(f"model={model!r} has no price for tokens of text and audio, in and out")


def _usd(usage: Usage, model: str) -> float:
    cost = cost_of(usage, model)
    assert cost is not None, "the model was checked"
    return cost.total_usd


def _without_cache(usage: Usage) -> Usage:
    return Usage(text_in=usage.text_in, audio_in=usage.audio_in, text_out=usage.text_out, audio_out=usage.audio_out)
