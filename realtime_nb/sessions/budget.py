"""Bounds on a session's dollars, minutes and idle time, and what happens when one is reached."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, TypedDict

from ..conversation.costs import Tally, sum_known
from ..conversation.records import Reply, Turn
from ..errors import BudgetReached, SettingsError
from ..pricing import prices
from ..pricing.cost import format_usd
from ..pricing.prices import find_price
from ..protocol import events as ev
from ..protocol.formats import bytes_per_ms
from ..protocol.local_events import (
    ApprovalAsked,
    ApprovalGiven,
    BudgetStopped,
    Heard,
    StageDone,
    StateChanged,
    ToolDone,
    ToolStarted,
)
from .backend import Backend
from .event_log import SessionEvents
from .guard import GuardFunction
from .rate_limit import Limiter

# --- Bounds on spending, minutes and idle time: pure arithmetic, without a clock --------------------------------------


class Limits:
    """Bounds, and how much of them is used.

    Parameters
    ----------
    max_usd : float, optional
        US dollars to spend at most. `None`, the default, means no bound, here and below.
    max_minutes : float, optional
        Longest time to be open, in minutes.
    idle_minutes : float, optional
        Minutes without speech, question or playback after which a session is closed.
    where : str, default "session.bounds"
        This object's name in messages.

    Raises
    ------
    SettingsError
        If a bound is not a number above 0; also when you set one later.
    """

    # Set here too: a traceback with variables may show an object whose constructor failed.
    max_usd: float | None = None
    max_minutes: float | None = None
    idle_minutes: float | None = None
    _spent_usd: float | None = 0.0
    _minutes = 0.0

    def __init__(
        self,
        *,
        max_usd: float | None = None,
        max_minutes: float | None = None,
        idle_minutes: float | None = None,
        where: str = "session.bounds",
    ):
        self._where = where
        self.max_usd, self.max_minutes, self.idle_minutes = max_usd, max_minutes, idle_minutes

    @property
    def spent_usd(self) -> float | None:
        """Dollars spent so far, including what is being said now; `None` if a price is not known."""
        return self._spent_usd

    @property
    def minutes(self) -> float:
        """Minutes open so far."""
        return self._minutes

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("max_usd", "max_minutes", "idle_minutes") and value is not None:
            is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not is_number or value <= 0:
                raise SettingsError(f"{name}={value!r} must be a number above 0, or None for no bound")
        super().__setattr__(name, value)

    def reached(self, idle_minutes: float = 0.0) -> BudgetReached | None:
        """Return the error for the bound that is reached, with how to go on; `None` if none is."""
        if self.max_usd is not None:
            if self.spent_usd is None:
                return BudgetReached(
                    "max_usd",
                    "the amount spent is no longer known, because a price is missing (set it with "
                    "realtime_nb.use_prices) or the server did not report the usage of an answer: "
                    f"conversation.costs() shows which; to go on without a bound, set {self._where}.max_usd = None",
                )
            if self.spent_usd >= self.max_usd:
                spent = f"{format_usd(self.spent_usd)} of {format_usd(self.max_usd)} are spent"
                return BudgetReached("max_usd", f"{spent}; to go on, raise {self._where}.max_usd and connect again")
        if self.max_minutes is not None and self.minutes >= self.max_minutes:
            used = f"{self.minutes:.1f} of {self.max_minutes:g} minutes are used"
            return BudgetReached("max_minutes", f"{used}; to go on, raise {self._where}.max_minutes and connect again")
        if self.idle_minutes is not None and idle_minutes >= self.idle_minutes:
            quiet = f"nothing happened for {self.idle_minutes:g} minutes ({self._where}.idle_minutes)"
            return BudgetReached("idle_minutes", f"{quiet}; connect again to go on")
        return None

    def next_check_s(self, idle_minutes: float = 0.0) -> float:
        """Return the seconds until a bound on time may be reached; infinity if there is none."""
        left = [math.inf]
        if self.max_minutes is not None:
            left.append(self.max_minutes - self.minutes)
        if self.idle_minutes is not None:
            left.append(self.idle_minutes - idle_minutes)
        return max(0.0, min(left) * 60)

    def __repr__(self) -> str:
        parts = [f"{format_usd(self.spent_usd)} of {format_usd(self.max_usd) if self.max_usd else 'any sum'}"]
        parts.append(
            f"{self.minutes:.1f} of {f'{self.max_minutes:g}' if self.max_minutes else 'any number of'} minutes"
        )
        if self.idle_minutes:
            parts.append(f"closed after {self.idle_minutes:g} idle minutes")
        return f"{type(self).__name__}({', '.join(parts)})"


# --- The bounds of one session, and of all sessions of a kernel together ----------------------------------------------


class BoundOptions(TypedDict, total=False):
    """Options that bound every kind of session.

    A session spends at most ``max_usd`` US dollars, is open for at most ``max_minutes`` minutes, and closes after
    ``idle_minutes`` minutes without speech, question or playback; see `realtime_nb.bounds` for all sessions together.
    ``limiter`` limits sessions at once and tokens per minute, in place of the one in `realtime_nb.bounds`.

    ``guard`` judges what both sides say: a function, sync or async, that takes a text and ``"user"`` or
    ``"assistant"``, and returns `None` or `False`, or the reason why it flags the text; or ``"moderation"``, the
    backend's moderation endpoint. A flagged question is not answered: `InputFlagged` is raised, and a spoken one is
    deleted from the model's context. An answer is judged as it comes, at most a sentence at a time; if flagged, it is
    cut off in mid-speech, and `Reply.flagged` says why. The records keep all of it. A piece counts as flagged if the
    guard fails or takes longer than 5 s.

    If the server finds the turns, it starts to answer before the person's words are written down and judged. The panel
    holds the sound of such an answer until they are. A flagged answer is stopped and never heard, but the part that was
    made is billed. With ``turn_detection={"type": "server_vad", "create_response": False}`` nothing is made until you
    call ``respond``, which waits for the guard. To answer everything that passes the guard without calling it yourself,
    use ``session.listen(lambda event, elapsed_ms: event.type == "guard.passed" and session.respond())``.

    With ``disclose="spoken"`` the first reply says aloud that the voice is an AI, before anything else is answered. A
    chain reads fixed words. Other models are told to say exactly these words, but may say something else, and speech
    interrupts them: `Conversation.replies` shows what was said. The panel and the records always say it.
    """

    disclose: Literal["spoken"] | None
    guard: GuardFunction | Literal["moderation"] | None
    max_usd: float | None
    max_minutes: float | None
    idle_minutes: float | None
    limiter: Limiter | None


class SessionBounds(Limits):
    """Bounds of one session, and how much of them is used: ``session.bounds``. You can change a bound at any time.

    When ``max_usd``, ``max_minutes`` or ``idle_minutes`` is reached, the current answer is cut off, nothing more is
    asked, and the session closes with `BudgetReached`, whose text says how to go on. The records stay.

    Notes
    -----
    Dollars are those of `Conversation.costs`, including transcription of the person. The server reports an answer's
    usage at its end; until then its sound is counted at the API's 20 tokens a second, so a long answer is cut when its
    sound reaches the bound. Its input and its words are added when it is done, and may overshoot the bound. If an
    answer was cut and the server never reports its usage, it is estimated from its sound, its words, and the input of
    the answer before it. If the server reports too little, the highest possible cost counts (`Costs.at_most_usd`); if
    it reports nothing for a whole answer, the session closes.
    """

    def __init__(self, *, limiter: Limiter | None = None, **limits: Any):
        super().__init__(**limits)
        self.limiter = limiter
        """The session's own limiter; `None` for that of `realtime_nb.bounds`."""


class KernelBounds(Limits):
    """Bounds of all sessions of this kernel together, and how much of them is used: `realtime_nb.bounds`.

    Set ``max_usd`` and ``max_minutes`` (added up over all sessions); ``idle_minutes`` applies to each of them.
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
        """The limiter of all sessions without their own."""
        self._open: dict[SessionBounds, tuple[float | None, float]] = {}
        self._past_usd: float | None = 0.0
        self._past_minutes = 0.0

    @property
    def spent_usd(self) -> float | None:
        """Dollars spent by all sessions so far; `None` if a price is not known."""
        spent = self._past_usd
        for session, (before_usd, _) in list(self._open.items()):
            spent = _added(spent, session.spent_usd, before_usd)
        return spent

    @property
    def minutes(self) -> float:
        """Minutes that all sessions were open, added up."""
        return self._past_minutes + sum(session.minutes - before for session, (_, before) in list(self._open.items()))

    def reset(self) -> None:
        """Count from zero again; sessions keep their own counts."""
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
    """Split options into those of bounds and the rest."""
    own = {name: value for name, value in given.items() if name in BoundOptions.__annotations__}
    return own, {name: value for name, value in given.items() if name not in own}


def check_priced(limits: Limits, name: str, models: list[str]) -> None:
    """Raise `SettingsError` if a bound on dollars cannot be kept because a model's price is not known."""
    unknown = [model for model in models if find_price(model) is None]
    if limits.max_usd is not None and unknown:
        raise SettingsError(
            f"{name}={limits.max_usd!r} cannot be kept: the price of {', '.join(unknown)} is not known; "
            "set it with realtime_nb.use_prices, or leave the bound out"
        )


# --- How long a session has been idle: no one spoke, asked, answered or listened --------------------------------------

_SPEECH = "speech"


class Idleness:
    """Measures idle time from a session's events. An open microphone without speech is idle; so is a lost page."""

    def __init__(self) -> None:
        self._last_ms = 0.0
        self._busy: set[str] = set()

    def touch(self, elapsed_ms: float) -> None:
        """Note that the session is in use."""
        self._last_ms = max(self._last_ms, elapsed_ms)

    def note(self, event: Any, elapsed_ms: float) -> None:
        """Take an event into account; most change nothing."""
        change = _CHANGES.get(type(event))
        if change is not None:
            self.touch(elapsed_ms)
            change(self._busy, event)

    def idle_ms(self, elapsed_ms: float, sent_ms: float) -> float:
        """Return how long nothing has happened.

        `sent_ms`: session time at which anything was last sent or received. If a page is lost in the middle of a word,
        nothing more is sent.
        """
        if not self._busy:
            return max(0.0, elapsed_ms - self._last_ms)
        return max(0.0, elapsed_ms - max(self._last_ms, sent_ms)) if self._busy == {_SPEECH} else 0.0


def _closed(busy: set[str], event: StateChanged) -> None:
    busy.clear()


_CHANGES: dict[type, Callable[[set[str], Any], None]] = {
    StateChanged: _closed,
    ev.InputAudioBufferSpeechStarted: lambda busy, event: busy.add(_SPEECH),
    ev.InputAudioBufferSpeechStopped: lambda busy, event: busy.discard(_SPEECH),
    ev.InputAudioBufferCommitted: lambda busy, event: busy.discard(_SPEECH),
    ev.InputAudioBufferCleared: lambda busy, event: busy.discard(_SPEECH),
    ev.ConversationItemAdded: lambda busy, event: None,
    ev.ResponseCreated: lambda busy, event: busy.add(event.response.id),
    ev.ResponseDone: lambda busy, event: busy.discard(event.response.id),
    Heard: lambda busy, event: None,
    ToolStarted: lambda busy, event: busy.add(event.call_id),
    ToolDone: lambda busy, event: busy.discard(event.call_id),
    ApprovalAsked: lambda busy, event: busy.add(event.call_id),
    ApprovalGiven: lambda busy, event: busy.discard(event.call_id),
}


# --- Keep one session within its bounds: count as events pass, and stop it when a bound is reached --------------------

#: Bounds may change at any time: check them at least this often.
_LOOK_EVERY_S = 1.0
_SHORTEST_S = 0.01
#: Source: Realtime API, costs: one token of output audio for 50 ms.
_MS_PER_TOKEN = 50
_COUNTED = (ev.ResponseDone, ev.ConversationItemInputAudioTranscriptionCompleted, StageDone)


class BudgetWatch:
    """Counts what one session uses, and stops it at a bound. Runs on the I/O thread."""

    def __init__(
        self, session_events: SessionEvents, own: SessionBounds, halt: Callable[[BudgetReached], Awaitable[None]]
    ):
        self.own = own
        self.backend: Backend | None = None
        """The server that bills the session."""
        self.models: list[str] = []
        """The models that the session is billed for."""
        self.kernel: KernelBounds | None = bounds
        """The bounds of all sessions; `None` if this session belongs to another one, which counts for it."""
        self._session_events = session_events
        self._halt = halt
        self._idleness = Idleness()
        self._done = Tally()
        self._prices = prices.revision
        # For answers that are being made: the server reports their usage at the end.
        self._sound_usd: dict[str, float] = {}
        self._all_sound_usd = 0.0
        self._token_usd: dict[str, float] = {}
        self._opened_ms: float | None = None
        self._before_minutes = 0.0
        self._ticking: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        session_events.listen(self._on_event)

    def check(self) -> None:
        """Raise if nothing more may be asked.

        Raises `BudgetReached` if a bound is reached; its text says how to go on; `SettingsError` if a bound on dollars
        cannot be kept, because a price is not known.
        """
        self._idleness.touch(self._session_events.elapsed_ms)
        check_priced(self.own, "max_usd", self.models)
        if self.kernel is not None:
            check_priced(self.kernel, "realtime_nb.bounds.max_usd", self.models)
        if error := self._reached():
            raise error

    def _reached(self) -> BudgetReached | None:
        idle_minutes = 0.0
        if self._opened_ms is not None:
            now_ms = self._session_events.elapsed_ms
            self.own._minutes = self._before_minutes + (now_ms - self._opened_ms) / 60_000
            last_ms = self._session_events.log[-1].elapsed_ms if len(self._session_events.log) else 0.0
            idle_minutes = self._idleness.idle_ms(now_ms, last_ms) / 60_000
        own = self.own.reached(idle_minutes)
        return own or (self.kernel.reached(idle_minutes) if self.kernel else None)

    def _on_event(self, event: Any, elapsed_ms: float) -> None:
        self._idleness.note(event, elapsed_ms)
        if isinstance(event, StateChanged):
            if event.state == "open":
                self._open(elapsed_ms)
            elif event.state == "closed":
                self._close()
        elif isinstance(event, ev.ResponseOutputAudioDelta):
            self._count_sound(event)
        elif isinstance(event, _COUNTED):
            if isinstance(event, ev.ResponseDone):
                self._all_sound_usd -= self._sound_usd.pop(event.response.id, 0.0)
            self._count(event)

    def _open(self, elapsed_ms: float) -> None:
        if self._opened_ms is not None:
            return  # Another connection replaced one that broke off.
        self._opened_ms, self._before_minutes = elapsed_ms, self.own.minutes
        if self.kernel is not None:
            self.kernel.opened(self.own)
        self._ticking = asyncio.create_task(self._tick())

    def _close(self) -> None:
        if self._opened_ms is None:
            return
        self._reached()  # The minutes up to here.
        self._opened_ms = None
        self._total()
        if self.kernel is not None:
            self.kernel.closed(self.own)
        if self._ticking is not None:
            self._ticking.cancel()

    async def _tick(self) -> None:
        while True:
            limits = [self.own, *([self.kernel] if self.kernel else [])]
            wait_s = min(each.next_check_s() for each in limits)
            await asyncio.sleep(max(_SHORTEST_S, min(_LOOK_EVERY_S, wait_s)))
            self._look()

    def _count_sound(self, event: ev.ResponseOutputAudioDelta) -> None:
        reply = self._session_events.conversation.reply(event.response_id)
        if reply is None or reply.done or reply.stages:
            return
        if event.response_id not in self._token_usd:
            self._token_usd[event.response_id] = ((find_price(reply.model) or {}).get("audio_out") or 0.0) / 1e6
        turn = self._session_events.conversation.turn(event.item_id)
        part = turn.parts.get(event.content_index) if turn else None
        tokens = len(event.delta) / bytes_per_ms(part.encoding if part else "audio/pcm") / _MS_PER_TOKEN
        usd = tokens * self._token_usd[event.response_id]
        self._sound_usd[event.response_id] = self._sound_usd.get(event.response_id, 0.0) + usd
        self._all_sound_usd += usd
        self._total()
        self._look()

    def _count(self, event: Any) -> None:
        conversation = self._session_events.conversation
        if isinstance(event, ev.ConversationItemInputAudioTranscriptionCompleted):
            record: Reply | Turn | None = conversation.turn(event.item_id)
        else:
            record = conversation.reply(event.response.id if isinstance(event, ev.ResponseDone) else event.response_id)
        if record is not None:
            charges = self._done.count(record)
            if self.backend is not None and (why := self.backend.why_unknown(charges)):
                self._session_events.remark(why, "prices")
        if self._prices != prices.revision:
            self._prices = prices.revision
            self._done.recount()
        self._total()
        self._look()

    def _total(self) -> None:
        self.own._spent_usd = sum_known((self._done.usd, self._all_sound_usd if self._sound_usd else 0.0))

    def _look(self) -> None:
        """Stop the session if a bound is reached."""
        if self._opened_ms is None or self._stopping is not None:
            return
        if error := self._reached():
            self._stopping = asyncio.create_task(self._stop(error))

    async def _stop(self, error: BudgetReached) -> None:
        try:
            self._session_events.announce(BudgetStopped(bound=error.bound, reason=error.reason))
            await self._halt(error)
        finally:
            self._stopping = None
