"""Forecast a run's cost, before anything is spent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from ..errors import SettingsError
from ..pricing.cost import Cost, cost_of, format_usd, metered_cost
from ..pricing.estimate import AUDIO_IN_PER_MINUTE, AUDIO_OUT_PER_MINUTE, estimate
from ..pricing.usage import Usage
from ..sessions.own_system import System, as_session
from ..sessions.session import Session
from .dataset import Dataset
from .example import Example
from .scenario import Scenario

#: The assumed length of an answer.
ANSWER_S = 8.0
#: The assumed rate of speech, for texts that are not spoken yet. Source: about 150 words a minute in conversation.
_WORDS_PER_S = 2.5
#: The assumed length of a simulated user's turn.
_UNKNOWN_TURN_S = 4.0
_MEASURED = 20
#: Tokens and characters per word, as billed. Source: OpenAI's rule of thumb, 4 characters or 3/4 word a token.
_TOKENS_PER_WORD, _CHARACTERS_PER_WORD = 4 / 3, 16 / 3
#: The assumed length of a text model's instructions, as in `realtime_nb.estimate`.
_INSTRUCTION_TOKENS = 100


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The expected cost of a run; made by `forecast`."""

    cells: int
    usd: Mapping[str, float | None]
    """Dollars by system; `None` if that is not known, e.g. without a price or a key here."""

    @property
    def total_usd(self) -> float | None:
        """The sum; `None` if one of them is not known."""
        known = [usd for usd in self.usd.values() if usd is not None]
        return sum(known) if len(known) == len(self.usd) else None

    @property
    def dearest_cell_usd(self) -> float:
        """The mean cost of a question to the dearest system, as far as that is known."""
        return max((usd for usd in self.usd.values() if usd), default=0.0) * len(self.usd) / max(1, self.cells)

    def __str__(self) -> str:
        if self.total_usd is not None:
            cost = f"about {format_usd(self.total_usd)}"
        else:
            unknown = ", ".join(name for name, usd in self.usd.items() if usd is None)
            known = sum(usd for usd in self.usd.values() if usd is not None)
            cost = f"about {format_usd(known)}, plus a cost that is not known in advance: {unknown}"
        return f"{self.cells} answers, {cost} (if they take {ANSWER_S:g} s each)"


def forecast(
    dataset: Dataset, systems: Mapping[str, Callable[[], Session | System]], *, conditions: int = 1, repeats: int = 1
) -> Forecast:
    """Estimate what a run will cost; nothing is sent.

    Parameters
    ----------
    dataset : Dataset
        The questions. The length of files is judged from the first 20; texts count as spoken at 150 words a minute.
    systems : mapping of str to callable
        As for `run`.
    conditions, repeats : int, default 1
        How many of each.

    Returns
    -------
    forecast : Forecast
        Made with `realtime_nb.estimate`, for answers of 8 s. For a chain it uses the prices of its three models: the
        question's length, the words of the conversation so far and of the answer, at 4/3 tokens a word, and the
        answer's characters or tokens. Transcription of the question is included for chains only; tool calls, judges and
        the model of a simulated user are not. A simulated user is assumed to use all its turns.
    """
    return forecast_of(dataset, sessions_of(systems), conditions=conditions, repeats=repeats)


def sessions_of(systems: Mapping[str, Callable[[], Session | System]]) -> dict[str, Session | None]:
    """Return a session of each system, by which it is known before anything is asked; `None` if it cannot be made."""
    found: dict[str, Session | None] = {}
    for name, factory in systems.items():
        try:
            found[name] = as_session(factory())
        except Exception:  # Workers may have what is missing here, e.g. the key; if not, their rows say so.
            found[name] = None
    return found


def forecast_of(dataset: Dataset, sessions: Mapping[str, Session | None], *, conditions: int, repeats: int) -> Forecast:
    """Estimate what a run will cost, given a session of each system; see `forecast`."""
    measured = list(islice(dataset, _MEASURED))
    question_s = sum(map(_length_s, measured)) / len(measured)
    turns = max(1, round(sum(example.most_turns for example in measured) / len(measured)))
    each = len(dataset) * conditions * repeats
    usd = {name: _each_usd(session, question_s, turns) for name, session in sessions.items()}
    return Forecast(
        cells=each * len(sessions), usd={name: None if one is None else one * each for name, one in usd.items()}
    )


def _length_s(example: Example) -> float:
    if isinstance(example, Scenario):
        unknown_s = (example.most_turns - len(example.script)) * _UNKNOWN_TURN_S
        return len(example.text.split()) / _WORDS_PER_S + unknown_s
    if example.source is None:
        return len(example.text.split()) / _WORDS_PER_S
    try:
        return example.clip().duration_s
    except ValueError:  # The run will report it in its row.
        return 0.0


def _each_usd(session: Session | None, question_s: float, turns: int) -> float | None:
    if session is None:
        return None
    model, chain = session.model, session.model.split(" → ")
    if not all(session.backend.bills(each) for each in chain):
        return None
    if len(chain) == 3:
        return _chain_usd(chain, question_s, turns)
    try:
        return estimate(question_s / 60, turns * ANSWER_S / 60, model, turns=turns).total_usd
    except SettingsError:
        return None


def _chain_usd(chain: Sequence[str], question_s: float, turns: int) -> float | None:
    """Return the cost of a conversation with `question_s` of questions; `None` if a price is not known."""
    transcriber, text_model, speaker = chain
    asked, said = (round(_WORDS_PER_S * _TOKENS_PER_WORD * each_s) for each_s in (question_s / turns, ANSWER_S))
    read = (_INSTRUCTION_TOKENS + turn * asked + (turn - 1) * said for turn in range(1, turns + 1))
    thought = [cost_of(Usage(text_in=tokens, text_out=said), text_model) for tokens in read]
    costs = [_written_down(transcriber, question_s, asked * turns), *thought, *[_spoken(speaker, said)] * turns]
    known = [cost.total_usd for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _written_down(model: str, length_s: float, words: int) -> Cost | None:
    """Return the cost of transcribing speech, by its length or its tokens."""
    by_time = metered_cost({"type": "duration", "seconds": length_s}, model)
    audio = round(AUDIO_IN_PER_MINUTE / 60 * length_s)
    return by_time or cost_of(Usage(audio_in=audio, text_out=words), model)


def _spoken(model: str, words: int) -> Cost | None:
    """Return the cost of speaking an answer, by its characters or tokens."""
    characters = round(_WORDS_PER_S * _CHARACTERS_PER_WORD * ANSWER_S)
    audio = round(AUDIO_OUT_PER_MINUTE / 60 * ANSWER_S)
    return (
        metered_cost({"type": "characters", "characters": characters}, model)
        or cost_of(Usage(text_in=words, text_out=words, audio_out=audio), model)
        or cost_of(Usage(text_in=words, audio_out=audio), model)
    )
