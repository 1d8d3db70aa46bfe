"""Keeps one session within its bounds: counts as events pass, and stops it where a bound is reached."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .. import prices
from ..charges import Tally, sum_known
from ..errors import BudgetReached
from ..prices import find_price
from ..turns import Reply, Turn
from ..wire import events as ev
from ..wire.formats import bytes_per_ms
from ..wire.local import BudgetStopped, StageDone, StateChanged
from .bounds import KernelBounds, SessionBounds, bounds, check_priced
from .idleness import Idleness
from .journal import Journal

#: Bounds may be changed at any time, so that nobody sleeps longer than this on what they were.
_LOOK_EVERY_S = 1.0
_SHORTEST_S = 0.01
#: Source: Realtime API, costs: one token of output audio for 50 ms.
_MS_PER_TOKEN = 50
_COUNTED = (ev.ResponseDone, ev.ConversationItemInputAudioTranscriptionCompleted, StageDone)


class Watch:
    """One session's account, kept on the I/O thread.

    Parameters
    ----------
    journal : Journal
        What happens in the session.
    own : SessionBounds
        What it may use.
    halt : callable
        Cuts the answer that is being made and closes the session, given why.
    """

    def __init__(self, journal: Journal, own: SessionBounds, halt: Callable[[BudgetReached], Awaitable[None]]):
        self.own = own
        self.models: list[str] = []
        """What it is billed by."""
        self.kernel: KernelBounds | None = bounds
        """Who counts for all sessions; `None` where this one belongs to another, which counts for it."""
        self._journal = journal
        self._halt = halt
        self._idleness = Idleness()
        self._done = Tally()
        self._prices = prices.revision
        # Of answers that are being made: what they take is told at their end.
        self._sound_usd: dict[str, float] = {}
        self._all_sound_usd = 0.0
        self._token_usd: dict[str, float] = {}
        self._opened_ms: float | None = None
        self._before_minutes = 0.0
        self._ticking: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        journal.listen(self._on_event)

    def check(self) -> None:
        """Raise where nothing more may be asked.

        Raises
        ------
        BudgetReached
            If a bound is reached; its text says how to go on.
        SettingsError
            If a bound on dollars cannot be kept, because a price is not known.
        """
        self._idleness.touch(self._journal.elapsed_ms)
        check_priced(self.own, "max_usd", self.models)
        if self.kernel is not None:
            check_priced(self.kernel, "realtime_nb.bounds.max_usd", self.models)
        if error := self._reached():
            raise error

    def _reached(self) -> BudgetReached | None:
        idle_minutes = 0.0
        if self._opened_ms is not None:
            now_ms = self._journal.elapsed_ms
            self.own._minutes = self._before_minutes + (now_ms - self._opened_ms) / 60_000
            last_ms = self._journal.log[-1].elapsed_ms if len(self._journal.log) else 0.0
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
            return  # Another line took the place of one that broke off.
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
        reply = self._journal.conversation.reply(event.response_id)
        if reply is None or reply.done or reply.stages:
            return
        if event.response_id not in self._token_usd:
            self._token_usd[event.response_id] = ((find_price(reply.model) or {}).get("audio_out") or 0.0) / 1e6
        turn = self._journal.conversation.turn(event.item_id)
        part = turn.parts.get(event.content_index) if turn else None
        tokens = len(event.delta) / bytes_per_ms(part.encoding if part else "audio/pcm") / _MS_PER_TOKEN
        usd = tokens * self._token_usd[event.response_id]
        self._sound_usd[event.response_id] = self._sound_usd.get(event.response_id, 0.0) + usd
        self._all_sound_usd += usd
        self._total()
        self._look()

    def _count(self, event: Any) -> None:
        conversation = self._journal.conversation
        if isinstance(event, ev.ConversationItemInputAudioTranscriptionCompleted):
            record: Reply | Turn | None = conversation.turn(event.item_id)
        else:
            record = conversation.reply(event.response.id if isinstance(event, ev.ResponseDone) else event.response_id)
        if record is not None:
            self._done.count(record)
        if self._prices != prices.revision:
            self._prices = prices.revision
            self._done.recount()
        self._total()
        self._look()

    def _total(self) -> None:
        self.own._spent_usd = sum_known((self._done.usd, self._all_sound_usd if self._sound_usd else 0.0))

    def _look(self) -> None:
        """Stop the session where a bound is reached."""
        if self._opened_ms is None or self._stopping is not None:
            return
        if error := self._reached():
            self._stopping = asyncio.create_task(self._stop(error))

    async def _stop(self, error: BudgetReached) -> None:
        try:
            self._journal.announce(BudgetStopped(bound=error.bound, reason=error.reason))
            await self._halt(error)
        finally:
            self._stopping = None
