"""What a server lets through: tokens that come back with time, and pauses after a refusal. Times are arguments."""

from __future__ import annotations

import math

from .errors import ServerError

#: Seconds of the first pause after a refusal that names none; each further one takes twice as long.
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
#: Of what a server asks for.
LONGEST_WAIT_S = ServerError.LONGEST_WAIT_S


class Allowance:
    """One model's tokens at one server, as the server last told of them.

    Until it has, everything is let through. Source: Realtime API, ``rate_limits.updated``: ``reset_seconds`` is the
    time until all of ``limit`` is there again; in between it is taken to come back evenly.
    """

    def __init__(self) -> None:
        self._limit = 0.0
        self._remaining = 0.0
        self._full_at = 0.0
        self._told_at: float | None = None
        self._paused_until = 0.0
        self._refusals = 0

    def told(self, limit: float, remaining: float, reset_s: float, now: float) -> None:
        """Take what the server says that is left."""
        if not all(map(math.isfinite, (limit, remaining))) or math.isnan(reset_s) or limit <= 0:
            return
        self._limit, self._remaining = limit, max(0.0, min(remaining, limit))
        self._told_at, self._full_at = now, now + min(LONGEST_WAIT_S, max(0.0, reset_s))

    def refused(self, now: float, retry_after_s: float | None = None) -> float:
        """Note a refusal; return for how many seconds nothing should be asked.

        Of many who asked at once all are refused, which is one refusal: only one after the pause makes the next longer.
        """
        pause_s = 0.0
        if now >= self._paused_until:
            pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._refusals, 10))
            if retry_after_s is not None:
                # Its word counts; only where it says 0 again and again, it is not asked all the time.
                pause_s = pause_s / 8 if self._refusals else 0.0
            self._refusals += 1
        if retry_after_s is not None:
            pause_s = max(pause_s, min(retry_after_s, LONGEST_WAIT_S))
        self._paused_until = max(self._paused_until, now + pause_s)
        return self._paused_until - now

    def accepted(self) -> None:
        """Note that something went through: the next refusal begins with a short pause again."""
        self._refusals = 0

    def wait_s(self, tokens: float, now: float) -> float:
        """Return how many seconds to wait until so many tokens may be asked for; 0 if they may now."""
        paused_s = max(0.0, self._paused_until - now)
        # What is more than the limit can never be there at once: then all of it has to do.
        missing = min(tokens, self._limit) - self._left(now)
        if self._told_at is None or missing <= 0 or self._full_at <= now:
            return paused_s
        back_per_s = (self._limit - self._left(now)) / (self._full_at - now)
        return max(paused_s, missing / back_per_s)

    def take(self, tokens: float, now: float) -> None:
        """Count tokens as used before the server tells of them: many who ask at once must not all count on them."""
        if self._told_at is None:
            return
        left, limit = self._left(now), self._limit
        per_s = (limit - left) / (self._full_at - now) if self._full_at > now else limit / 60
        self._remaining, self._told_at = max(0.0, left - tokens), now
        full_s = (limit - self._remaining) / per_s if per_s > 0 else 60
        self._full_at = now + min(LONGEST_WAIT_S, full_s)

    def _left(self, now: float) -> float:
        if self._told_at is None or now >= self._full_at:
            return self._limit
        share = (now - self._told_at) / (self._full_at - self._told_at)
        return self._remaining + (self._limit - self._remaining) * share
