"""How long a session waits for a server that stays connected and gives no sign of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from numbers import Real
from typing import Any

from ..errors import ReplyTimeout, SettingsError
from ..protocol import events as ev
from ..protocol.local_events import Waiting
from .event_log import SessionEvents

#: How long a server may be silent by default. Only silence counts, so a long answer is never cut. Two minutes, because
#: models that think before they speak send nothing meanwhile.
REPLY_TIMEOUT_S = 120.0


def checked_timeout_s(timeout_s: Any) -> float | None:
    """Return how long a server may be silent; `None` means forever.

    Raises `SettingsError` if it is not a positive number.
    """
    if timeout_s is None:
        return None
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, Real) or not float(timeout_s) > 0:
        raise SettingsError(f"timeout_s={timeout_s!r} must be a positive number of seconds, or None to wait forever")
    return float(timeout_s)


@asynccontextmanager
async def patience(
    session_events: SessionEvents, timeout_s: float | None, is_sign: Callable[[Any], bool]
) -> AsyncIterator[None]:
    """Cancel the block inside when `timeout_s` have passed since the last event that is a sign of life.

    Time that the session spends waiting for a busy server does not count.

    Raises `ReplyTimeout` if no sign came in time.
    """
    loop = asyncio.get_running_loop()
    seen = len(session_events.log)

    def on_event(event: Any, elapsed_ms: float) -> None:
        nonlocal seen
        if limit.expired() or timeout_s is None:
            return  # What comes now answers the cancellation.
        seen = len(session_events.log)
        if isinstance(event, Waiting):
            limit.reschedule(None if event.message else loop.time() + timeout_s)
        elif is_sign(event):
            limit.reschedule(loop.time() + timeout_s)

    stop = None
    try:
        async with asyncio.timeout(timeout_s) as limit:
            stop = session_events.listen(on_event)
            yield
    except TimeoutError:
        if not limit.expired() or timeout_s is None:
            raise
        last = session_events.log.last("received", seen)
        name, ago_s = (last.event.type, (session_events.elapsed_ms - last.elapsed_ms) / 1000) if last else ("", 0.0)
        raise ReplyTimeout(timeout_s, name, ago_s) from None
    finally:
        if stop is not None:
            stop()


def response_id_of(event: Any) -> str:
    """Return the response that an event is about; empty if it is about none."""
    if isinstance(event, ev.ResponseCreated | ev.ResponseDone):
        return event.response.id
    return str(getattr(event, "response_id", "") or "")
