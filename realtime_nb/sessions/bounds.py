"""What sessions may spend and how long they may last: one by one, and all of a kernel together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from ..errors import SettingsError
from ..limiter import Limiter
from ..limits import Limits
from ..prices import find_price
from .guard import GuardFunction


class BoundOptions(TypedDict, total=False):
    """The options by which every kind of session is kept within bounds.

    ``max_usd`` US dollars may be spent, ``max_minutes`` minutes may the session be open, and after ``idle_minutes``
    minutes without speech, question or playback it closes; see `realtime_nb.bounds` for all sessions together.
    ``limiter`` bounds sessions at once and tokens per minute, in place of that of `realtime_nb.bounds`.

    ``guard`` judges what both sides say: a function, sync or async, that takes a text and ``"user"`` or
    ``"assistant"``, and returns `None` or `False`, or the reason why the text is flagged; or ``"moderation"``, the
    backend's moderation endpoint. A question that is flagged is not answered: `InputFlagged` is raised, and a spoken
    one is deleted from the model's context. An answer is read as it comes, in pieces of a sentence at most; where it
    is flagged it is cut off in mid-speech, and `Reply.flagged` says why. The records keep all of it. A guard that
    fails, or takes longer than 5 s for a piece, has flagged that piece.

    Where the server finds the turns it begins to answer before the person's words are written down and judged. The
    panel holds the sound of such an answer until they are; a flagged one is stopped and never heard, but what was
    made of it is billed. With ``turn_detection={"type": "server_vad", "create_response": False}`` nothing is made
    before you ask for it by ``respond``, which waits for the guard. To answer hands-free all that it lets through, let
    the session do so at its word:
    ``session.listen(lambda event, elapsed_ms: event.type == "guard.passed" and session.respond())``.

    ``disclose="spoken"`` lets the first reply say aloud that the voice is an AI, before anything else is answered. A
    chain reads the fixed words; the other models are told to say exactly those, which they may fail to, and a person
    who speaks meanwhile interrupts them: `Conversation.replies` shows what was said. The panel and the records say it
    in any case.
    """

    disclose: Literal["spoken"] | None
    guard: GuardFunction | Literal["moderation"] | None
    max_usd: float | None
    max_minutes: float | None
    idle_minutes: float | None
    limiter: Limiter | None


class SessionBounds(Limits):
    """What one session may use, and what it has used: ``session.bounds``. Every bound may be changed at any time.

    When ``max_usd``, ``max_minutes`` or ``idle_minutes`` is reached, the answer that is being made is cut off, nothing
    further is asked, and the session closes with `BudgetReached`, whose text says how to go on. The records stay.

    Notes
    -----
    Dollars are those of `Conversation.costs`, writing down what the person said included. What an answer takes is told
    at its end; until then its sound is counted at the API's 20 tokens a second, so that a long answer is cut when its
    sound reaches the bound. What it read, and its words, come on top when it is done: the bound may be overshot by
    that. An answer of which the server never tells what it took, because it was cut, stays counted by its sound and
    words, and by what the one before it read. Where the server tells too little, the most that it may be counts
    (`Costs.at_most_usd`); where it does not say at all what a whole answer took, the session closes.
    """

    def __init__(self, *, limiter: Limiter | None = None, **limits: Any):
        super().__init__(**limits)
        self.limiter = limiter
        """Its own limiter; `None` for that of `realtime_nb.bounds`."""


class KernelBounds(Limits):
    """What all sessions of this kernel may use together, and what they have used: `realtime_nb.bounds`.

    Set ``max_usd`` and ``max_minutes`` (added up over all sessions); ``idle_minutes`` holds for each of them.
    ``limiter`` is shared by all; see `realtime_nb.Limiter`.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> rt.bounds.max_usd = 5.0
    >>> rt.bounds.limiter.max_sessions
    100
    >>> rt.bounds.max_usd = None
    """

    def __init__(self) -> None:
        super().__init__(where="realtime_nb.bounds")
        self.limiter = Limiter()
        """Shared by all sessions that have none of their own."""
        self._open: dict[SessionBounds, tuple[float | None, float]] = {}
        self._past_usd: float | None = 0.0
        self._past_minutes = 0.0

    @property
    def spent_usd(self) -> float | None:
        """Spent by all sessions so far; `None` where a price is not known."""
        spent = self._past_usd
        for session, (before_usd, _) in list(self._open.items()):
            spent = _added(spent, session.spent_usd, before_usd)
        return spent

    @property
    def minutes(self) -> float:
        """Minutes open of all sessions so far, added up."""
        return self._past_minutes + sum(session.minutes - before for session, (_, before) in list(self._open.items()))

    def reset(self) -> None:
        """Count from now on: what was used so far is forgotten here; sessions keep their own account."""
        self._past_usd, self._past_minutes = 0.0, 0.0
        for session in list(self._open):
            self._open[session] = session.spent_usd, session.minutes

    def opened(self, session: SessionBounds) -> None:
        """Count what a session uses from now on."""
        self._open.setdefault(session, (session.spent_usd, session.minutes))

    def closed(self, session: SessionBounds) -> None:
        """Keep what a session has used."""
        before_usd, before_minutes = self._open.pop(session, (session.spent_usd, session.minutes))
        self._past_usd = _added(self._past_usd, session.spent_usd, before_usd)
        self._past_minutes += session.minutes - before_minutes


def _added(total: float | None, now: float | None, before: float | None) -> float | None:
    if now == before:
        return total
    return None if total is None or now is None else total + now - (before or 0.0)


#: Shared by all sessions of this kernel.
bounds = KernelBounds()


def taken_apart(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options of bounds, and the others."""
    own = {name: value for name, value in given.items() if name in BoundOptions.__annotations__}
    return own, {name: value for name, value in given.items() if name not in own}


def check_priced(limits: Limits, name: str, models: list[str]) -> None:
    """Raise `SettingsError` where a bound on dollars cannot be kept, because nobody knows what a model costs."""
    unknown = [model for model in models if find_price(model) is None]
    if limits.max_usd is not None and unknown:
        raise SettingsError(
            f"{name}={limits.max_usd!r} cannot be kept: the price of {', '.join(unknown)} is not known; "
            "give it by realtime_nb.use_prices, or leave the bound out"
        )
