"""How a person talks with a session as fast as everything sounds: into an open microphone, or turn by turn by hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol, Self

from ..errors import RealtimeError
from ..loop import Pending
from ..sessions.base import Session
from ..sessions.listener import Listener
from ..sessions.open_microphone import OpenMicrophone
from ..sessions.realtime import RealtimeSession
from ..turns import Reply
from .talks import Exchange

#: How often somebody without an open microphone looks at the clock.
_TICK_S = 0.02


class Pace(Protocol):
    """Somebody in front of a session, on the I/O thread; an asynchronous context while they are there."""

    listener: Listener
    """Who hears the answers, and whose clock counts."""
    hears: bool
    """Whether the session hears the person while it speaks."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *error: object) -> None: ...

    @property
    def is_speaking(self) -> bool:
        """Whether the person still speaks."""
        ...

    async def say(self, exchange: Exchange) -> None:
        """Begin to say a turn, into an answer where it has a `cut`; says in it when that is."""
        ...

    async def step(self) -> None:
        """Let 20 ms go by."""
        ...

    def goes_on(self, exchange: Exchange) -> bool:
        """Whether something may still come of a turn."""
        ...


class Aloud:
    """Speaks into an open microphone.

    Parameters
    ----------
    session : RealtimeSession
        Open, with turn detection.
    """

    hears = True

    def __init__(self, session: Session):
        assert isinstance(session, RealtimeSession)
        self._session = session
        self._microphone = OpenMicrophone(session)
        self.listener = self._microphone.listener

    async def __aenter__(self) -> Self:
        await self._microphone.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._microphone.__aexit__(*error)

    @property
    def is_speaking(self) -> bool:
        """Whether the person still speaks."""
        return self._microphone.is_speaking

    async def say(self, exchange: Exchange) -> None:
        """Begin to say a turn."""
        exchange.start_ms = self._microphone.say(exchange.clip)

    async def step(self) -> None:
        """Send 20 ms."""
        await self._microphone.step()

    def goes_on(self, exchange: Exchange) -> bool:
        """Whether the turn is being answered, or may still be noticed."""
        if self._microphone.is_speaking or self._microphone.goes_on:
            return True
        noticed = any(exchange.overlap_ms(turn) > 0 for turn in self._session.conversation if turn.role == "user")
        return not noticed and self.listener.now_ms <= exchange.end_ms + self._microphone.closing_ms


class ByHand:
    """Says whole turns to a session that does not hear while it speaks, and presses stop before one that cuts in.

    Parameters
    ----------
    session : Session
        Open.
    """

    hears = False

    def __init__(self, session: Session):
        self.listener = Listener(session)
        self._session = session
        self._asking: Pending[Reply] | None = None
        self._stop_listening: Callable[[], None] = lambda: None
        self._began_s = 0.0
        self._spoken_ms = 0.0

    async def __aenter__(self) -> Self:
        self._began_s = asyncio.get_running_loop().time()
        self._stop_listening = self._session.listen(self.listener.on_event)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._stop_listening()
        if self._asking is not None:
            self._asking.cancel()

    @property
    def is_speaking(self) -> bool:
        """Whether the person still speaks."""
        return self.listener.now_ms < self._spoken_ms

    async def say(self, exchange: Exchange) -> None:
        """Say a turn: it is sent when it is over, as a button that is held down does."""
        if exchange.cut is not None:
            await self._session.interrupt()
            if self._asking is not None:
                with contextlib.suppress(RealtimeError):  # What was stopped before it was whole says so.
                    await self._asking
                self._asking = None
        exchange.start_ms = self.listener.now_ms
        self._spoken_ms = exchange.end_ms
        while self.is_speaking:
            await self.step()
        self._asking = self._session.ask(exchange.clip)

    async def step(self) -> None:
        """Wait for 20 ms; raise what the question has come to, where it failed."""
        await asyncio.sleep(_TICK_S)
        self.listener.advance((asyncio.get_running_loop().time() - self._began_s) * 1000)
        if self._asking is not None and self._asking.done():
            self._asking.result()

    def goes_on(self, exchange: Exchange) -> bool:
        """Whether the turn is being answered."""
        return self._asking is not None and not self._asking.done()
