"""What every session can do, whatever system is behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, Protocol, overload

import msgspec

from ..audio import AudioClip
from ..backends import Backend
from ..conversation import Conversation
from ..loop import Pending
from ..turns import Reply
from ..wire import events as ev

#: What a caller may ask with: words, or audio.
Content = str | AudioClip
Listener = Callable[[Any, float], None]


class StateChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A local event: the session is now ``"connecting"``, ``"open"`` or ``"closed"``, and in ``message`` why."""

    state: str
    message: str = ""
    type: str = "session.state"


class Interrupted(msgspec.Struct, frozen=True, kw_only=True):
    """A local event: the person interrupts by hand; speakers fall silent."""

    type: str = "session.interrupted"


class LoggedEvent(NamedTuple):
    """One line of a session's log."""

    elapsed_ms: float
    """Since the session began to connect."""
    direction: Literal["sent", "received", "local"]
    event: Any
    audio_bytes: int = 0
    """How much audio a sent event carried; the log itself keeps none of it."""


class EventLog:
    """Every event of a session, both ways, in order.

    Iterating gives `LoggedEvent`s. Reading is safe from any thread.
    """

    def __init__(self) -> None:
        self._entries: list[LoggedEvent] = []

    def add(self, direction: Literal["sent", "received", "local"], event: Any, elapsed_ms: float) -> None:
        """Append an event; audio that was sent is left out, the conversation keeps what became turns."""
        audio_bytes = 0
        if isinstance(event, ev.InputAudioBufferAppend):
            audio_bytes = len(event.audio)
            event = _SILENT_APPEND
        self._entries.append(LoggedEvent(elapsed_ms, direction, event, audio_bytes))

    @overload
    def __getitem__(self, index: int) -> LoggedEvent: ...
    @overload
    def __getitem__(self, index: slice) -> list[LoggedEvent]: ...
    def __getitem__(self, index: int | slice) -> LoggedEvent | list[LoggedEvent]:
        return self._entries[index]

    def __iter__(self) -> Iterator[LoggedEvent]:
        return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def types(self, direction: str | None = None) -> list[str]:
        """Return the types of all events, or of those of one direction."""
        return [entry.event.type for entry in self if direction in (None, entry.direction)]

    def __repr__(self) -> str:
        return f"EventLog({len(self)} events)"


_SILENT_APPEND = ev.InputAudioBufferAppend(audio=b"")


class Session(Protocol):
    """The contract: ask, get a `Pending` reply, keep a `Conversation`."""

    backend: Backend
    model: str
    conversation: Conversation
    log: EventLog

    @property
    def state(self) -> str:
        """``"closed"``, ``"connecting"`` or ``"open"``."""
        ...

    def ask(self, *content: Content) -> Pending[Reply]:
        """Say or write something, and get the answer."""
        ...

    def close(self) -> Pending[None]:
        """End the session; its records stay."""
        ...

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every event and its session time, on the I/O thread; return how to stop that."""
        ...
