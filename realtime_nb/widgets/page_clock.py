"""What time it is in the page, told from the kernel's time by exchange."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..bridge import Road
from ..wire.local import ClockAligned

#: Of several exchanges the quickest was held up least (RFC 5905, §10: the clock filter).
_EXCHANGES = 8
#: Browsers round `Date.now()` down to this.
_RESOLUTION_MS = 1.0


class Exchange(NamedTuple):
    """A question and its answer; the kernel's times are of its monotonic clock."""

    sent_ms: float
    page_ms: float
    received_ms: float

    @property
    def round_trip_ms(self) -> float:
        """From the question to the answer."""
        return self.received_ms - self.sent_ms

    @property
    def offset_ms(self) -> float:
        """How far the page is ahead, if it answered in the middle."""
        return self.page_ms - (self.sent_ms + self.received_ms) / 2

    @property
    def error_ms(self) -> float:
        """What `offset_ms` may be off by, however the round trip was divided."""
        return self.round_trip_ms / 2 + _RESOLUTION_MS


def quickest(exchanges: Sequence[Exchange]) -> Exchange:
    """Return the exchange with the shortest round trip."""
    return min(exchanges, key=lambda exchange: exchange.round_trip_ms)


class PageClock:
    """One page's clock. Everything here runs on the I/O thread.

    Parameters
    ----------
    road : Road
        The way to the page.
    on_aligned : callable
        Called after each round of exchanges.
    """

    def __init__(self, road: Road, on_aligned: Callable[[], None]):
        self._road = road
        self._on_aligned = on_aligned
        self._exchanges: list[Exchange] = []
        self._asked_ms: float | None = None
        self._best: Exchange | None = None

    def align(self) -> None:
        """Ask the page for its time, a few times over; clocks drift apart, so this is due with every turn.

        Not by a timer: on the widget comm every message makes a notebook blink, also while nobody speaks.
        """
        if self._exchanges:
            self._conclude()  # The page answers slowly: what there is must do.
        self._ask()

    def forget(self) -> None:
        """Forget a page that is gone."""
        self._asked_ms = self._best = None
        self._exchanges = []

    @property
    def aligned(self) -> ClockAligned | None:
        """What the last exchanges told; `None` before the first."""
        if self._best is None:
            return None
        # Said of the wall clocks, which people can read; reckoned with the monotonic one, which nobody sets.
        wall_ms = time.time() * 1000 - _now_ms()
        return ClockAligned(
            offset_ms=self._best.offset_ms - wall_ms,
            error_ms=self._best.error_ms,
            round_trip_ms=self._best.round_trip_ms,
        )

    def ago_ms(self, page_ms: float) -> float | None:
        """Return how long ago it was that time in the page; `None` where that is not known."""
        return None if self._best is None else _now_ms() - (page_ms - self._best.offset_ms)

    def on_answer(self, message: dict[str, Any]) -> None:
        """Take the page's answer."""
        if message["sent_ms"] != self._asked_ms:
            return  # It comes late: the next round has begun, or another page has come.
        self._exchanges.append(Exchange(message["sent_ms"], float(message["time_ms"]), _now_ms()))
        if len(self._exchanges) < _EXCHANGES:
            self._ask()
        else:
            self._conclude()

    def _ask(self) -> None:
        self._asked_ms = _now_ms()
        self._road.send({"kind": "clock", "sent_ms": self._asked_ms}, urgent=True)

    def _conclude(self) -> None:
        self._best, self._exchanges, self._asked_ms = quickest(self._exchanges), [], None
        self._on_aligned()


def _now_ms() -> float:
    return time.perf_counter() * 1000
