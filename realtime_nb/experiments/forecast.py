"""What a run will cost, before anything is spent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice

from ..errors import SettingsError
from ..estimates import estimate
from ..pricing import format_usd
from ..sessions.base import Session
from .datasets import Dataset, Example
from .scenarios import Scenario

#: How long an answer is taken to be.
ANSWER_S = 8.0
#: How fast people speak, for texts that are not spoken yet. Source: about 150 words a minute in conversation.
_WORDS_PER_S = 2.5
#: How long a turn is taken to be that a simulated user has yet to think of.
_UNKNOWN_TURN_S = 4.0
_MEASURED = 20


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a run will cost; made by `forecast`."""

    cells: int
    usd: Mapping[str, float | None]
    """Dollars by system; `None` where that cannot be told: a chain, a model without a price, no key here."""

    @property
    def total_usd(self) -> float | None:
        """The sum; `None` where one of them is not known."""
        known = [usd for usd in self.usd.values() if usd is not None]
        return sum(known) if len(known) == len(self.usd) else None

    @property
    def dearest_cell_usd(self) -> float:
        """What one question costs at most, as far as that is known."""
        return max((usd for usd in self.usd.values() if usd), default=0.0) * len(self.usd) / max(1, self.cells)

    def __str__(self) -> str:
        if self.total_usd is not None:
            cost = f"about {format_usd(self.total_usd)}"
        else:
            unknown = ", ".join(name for name, usd in self.usd.items() if usd is None)
            known = sum(usd for usd in self.usd.values() if usd is not None)
            cost = f"about {format_usd(known)}, and what is not known beforehand: {unknown}"
        return f"{self.cells} answers, {cost} (if they take {ANSWER_S:g} s each)"


def forecast(
    dataset: Dataset, systems: Mapping[str, Callable[[], Session]], *, conditions: int = 1, repeats: int = 1
) -> Forecast:
    """Estimate what a run will cost; nothing is sent.

    Parameters
    ----------
    dataset : Dataset
        What will be asked. Of files, the first 20 tell how long they are; texts are taken to be spoken at 150 words a
        minute.
    systems : mapping of str to callable
        As for `run`.
    conditions, repeats : int, default 1
        How many of each.

    Returns
    -------
    forecast : Forecast
        By `realtime_nb.estimate`, for answers of 8 s. Writing down the question is billed apart and not in it, nor
        are calls of tools, judges, and what a simulated user thinks with; whose conversations are taken to be as long
        as they may be.
    """
    measured = list(islice(dataset, _MEASURED))
    question_s = sum(map(_length_s, measured)) / len(measured)
    turns = max(1, round(sum(example.most_turns for example in measured) / len(measured)))
    each = len(dataset) * conditions * repeats
    usd = {name: _each_usd(factory, question_s, turns) for name, factory in systems.items()}
    return Forecast(
        cells=each * len(systems), usd={name: None if one is None else one * each for name, one in usd.items()}
    )


def _length_s(example: Example) -> float:
    if isinstance(example, Scenario):
        unknown_s = (example.most_turns - len(example.script)) * _UNKNOWN_TURN_S
        return len(example.text.split()) / _WORDS_PER_S + unknown_s
    if example.source is None:
        return len(example.text.split()) / _WORDS_PER_S
    try:
        return example.clip().duration_s
    except ValueError:  # It will be a row of its own.
        return 0.0


def _each_usd(factory: Callable[[], Session], question_s: float, turns: int) -> float | None:
    try:
        model = factory().model
        return estimate(question_s / 60, turns * ANSWER_S / 60, model, turns=turns).total_usd
    except SettingsError:
        return None
    except Exception:  # Workers may have what is not here, e.g. the key; where they have not, their rows say so.
        return None
