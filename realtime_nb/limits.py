"""How much a session may spend, how long it may last and be idle: the arithmetic, without a clock of its own."""

from __future__ import annotations

import math
from typing import Any

from .errors import BudgetReached, SettingsError
from .pricing import format_usd


class Limits:
    """Bounds that somebody sets, and what has been used of them.

    Parameters
    ----------
    max_usd : float, optional
        US dollars that may be spent. `None`, the default, is no bound, here and below.
    max_minutes : float, optional
        Minutes that may be spent open.
    idle_minutes : float, optional
        Minutes without speech, question or playback after which a session is closed.
    where : str, default "session.bounds"
        How a person gets at this object, for messages.

    Raises
    ------
    SettingsError
        If a bound is not a number above 0; also when one is set later.
    """

    # Set here, too, for a traceback with variables that shows one which could not be made.
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
        """Spent so far, what is being said right now included; `None` where a price is not known."""
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
        """Return which bound is reached, as the error that says so and how to go on; `None` while none is."""
        if self.max_usd is not None:
            if self.spent_usd is None:
                return BudgetReached(
                    "max_usd",
                    "what was spent is not known any more, because a price is missing (give it by "
                    "realtime_nb.use_prices) or the server did not say what an answer took: "
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
        """Return after how many seconds a bound of time may be reached; infinity where there is none."""
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
