"""A text model that plays the person."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from ..backends import Backend
from ..errors import MissingKey, SettingsError
from .scenarios import Next, Said
from .text_models import write

_INSTRUCTIONS = """\
You play a person who talks with a voice assistant, by telephone. You are never the assistant.

Who you are: {persona}
What you want: {goal}

Say what this person would say next, as people speak: one or two short sentences, no lists, no markup, no stage \
directions. Tell facts of yours when you are asked for them, and invent none. As soon as you have what you want, or it \
is clear that you will not get it, answer with the single word {stop}."""
_BEGIN = "(The line is open, and nobody has spoken yet. You begin.)"


@dataclass(frozen=True, kw_only=True)
class SimulatedUser:
    """A simulated user: a text model that hears the answers, and says what a person would say.

    Parameters
    ----------
    goal : str
        What the person wants, in words.
    persona : str, default "an ordinary customer"
        Who it is, and the facts that it knows.
    instructions : str, optional
        What to tell the model in place of all that, of `persona`, `goal` and `stop`.
    opening : str, optional
        What it says first, so that all conversations begin alike; by default the model thinks of it.
    model : str, optional
        By default the text model of the backend's chain.
    backend : Backend or str, optional
        Any server that speaks Chat Completions, as for `Judge`. The local voice, which is found where there is no key,
        repeats what it hears: a `RuleUser` does better there.
    stop : str, default "END_CALL"
        The word with which it ends the conversation (as in the OpenAI cookbook's run harness).
    timeout_s : float, default 60.0
        How long it may think.

    Raises
    ------
    SettingsError
        If it wants nothing.

    Notes
    -----
    It gets what was heard of the answers, in words. What it costs is in ``user_cost_usd``, and counts for ``max_usd``.
    Two runs hold two different conversations, and so do two systems in one run: compare them by whether the task came
    out right, not turn by turn.

    Examples
    --------
    >>> user = SimulatedUser(
    ...     persona="Jordan Lee, order number ORD-1001",
    ...     goal="to learn when the order will arrive",
    ...     opening="Hi, can you check on my order?",
    ... )
    >>> user([])
    Next(words='Hi, can you check on my order?', cost_usd=0.0)
    """

    goal: str
    persona: str = "an ordinary customer"
    instructions: str = ""
    opening: str = ""
    model: str | None = None
    backend: Backend | str | None = None
    stop: str = "END_CALL"
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        if not self.goal.strip() or not self.stop.strip():
            raise SettingsError(f"goal={self.goal!r} and stop={self.stop!r} must not be empty")
        if isinstance(self.backend, str):
            with suppress(MissingKey):  # It may be where the work is done.
                Backend.find(self.backend)  # A name that nobody knows is told of at once.

    def __call__(self, talk: Sequence[Said]) -> Next:
        """Return what to say next."""
        if not talk and self.opening:
            return Next(self.opening)
        told = _INSTRUCTIONS.format(persona=self.persona, goal=self.goal, stop=self.stop)
        # To the model that plays the person, the person is the assistant.
        sides = {"user": "assistant", "assistant": "user"}
        said = [{"role": sides[each.role], "content": each.text} for each in talk]
        if not said or said[-1]["role"] == "assistant":
            said.append({"role": "user", "content": _BEGIN if not said else "(Silence.)"})
        written = write(
            [{"role": "system", "content": self.instructions or told}, *said],
            model=self.model,
            backend=self.backend,
            timeout_s=self.timeout_s,
        )
        words = " ".join(written.text.partition(self.stop)[0].split())
        return Next(words or None, written.cost_usd)
