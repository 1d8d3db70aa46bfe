"""A session's events as one stream: logged, added to the records, and passed to waiters and listeners."""

from __future__ import annotations

import asyncio
import difflib
import time
import warnings
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from numbers import Real
from typing import Any, Literal, NamedTuple, TypeVar, overload

from msgspec import Struct, structs

from ..conversation.conversation import Conversation
from ..display import printable
from ..errors import RealtimeError, ReplyTimeout, SettingsError
from ..protocol import events as ev
from ..protocol import local_events
from ..protocol.beta import modern_type
from ..protocol.local_events import Remarked, StateChanged, Waiting
from ..recording.writer import Recorder

#: How much sent audio stays in memory: an hour and a half of PCM16 at 24 kHz.
KEPT_AUDIO_BYTES = 256 * 2**20

T = TypeVar("T")
Listener = Callable[[Any, float], None]


class LoggedEvent(NamedTuple):
    """One line of a session's log."""

    elapsed_ms: float
    """Milliseconds since the session began to connect."""
    direction: Literal["sent", "received", "local"]
    event: Any
    audio_bytes: int = 0
    """How much audio a sent event carried; the log may have dropped the audio itself."""


class EventLog:
    """Every event of a session, both ways, in order.

    Iterating gives `LoggedEvent`s. Reading is safe from any thread.

    Parameters
    ----------
    kept_bytes : int, optional
        How much sent audio to keep, 256 MB by default; beyond that the log drops the oldest. The conversation keeps
        the audio of its turns, and a recording keeps everything on disk.
    """

    def __init__(self, *, kept_bytes: int = KEPT_AUDIO_BYTES) -> None:
        self._entries: list[LoggedEvent] = []
        self._room = kept_bytes
        self._holding: deque[int] = deque()

    def add(self, direction: Literal["sent", "received", "local"], event: Any, elapsed_ms: float) -> None:
        """Append an event."""
        audio_bytes = 0
        if isinstance(event, ev.InputAudioBufferAppend):
            audio_bytes = len(event.audio)
            self._room -= audio_bytes
            self._holding.append(len(self._entries))
        self._entries.append(LoggedEvent(elapsed_ms, direction, event, audio_bytes))
        while self._room < 0:
            oldest = self._holding.popleft()
            self._room += self._entries[oldest].audio_bytes
            self._entries[oldest] = self._entries[oldest]._replace(event=_SILENT_APPEND)

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

    def last(self, direction: str, before: int) -> LoggedEvent | None:
        """Return the last event of a direction before an index, if there is one."""
        places = range(before - 1, -1, -1)
        return next((self._entries[place] for place in places if self._entries[place].direction == direction), None)

    def types(self, direction: str | None = None) -> list[str]:
        """Return the types of all events, or of those of one direction."""
        return [entry.event.type for entry in self if direction in (None, entry.direction)]

    def __repr__(self) -> str:
        return f"EventLog({len(self)} events)"


def event_type(name: str) -> str:
    """Return the type under which listeners are told of an event; raise for one that they are never told of.

    Names that are like none of the known ones may be a server's own.
    """
    name = modern_type(name)
    kinds = (kind for kind in vars(local_events).values() if isinstance(kind, type) and issubclass(kind, Struct))
    told = {field.default for kind in kinds for field in structs.fields(kind) if field.name == "type"}
    told |= ev.SERVER_EVENTS.keys()
    if name in told:
        return name
    if name in ev.CLIENT_EVENTS:
        raise SettingsError(f"{name!r} is sent, not received: session.log has it")
    if close := difflib.get_close_matches(name, told, 1, cutoff=0.8):
        raise SettingsError(f"no event has the type {name!r}: did you mean {close[0]!r}?")
    return name


_SILENT_APPEND = ev.InputAudioBufferAppend(audio=b"")


class SessionEvents:
    """A session's events, in order. Runs on the I/O thread.

    Its clock starts with `begin`, once, and runs on however often the session connects.
    """

    def __init__(self) -> None:
        self.conversation = Conversation()
        self.log = EventLog()
        self.listeners: list[Listener] = []
        self.recorder: Recorder | None = None
        """The recorder, if there is one."""
        self.is_new = True
        """True unless the last event noted repeats an earlier one, which listeners do not get."""
        self.began_at: datetime | None = None
        """Wall time at which session time began."""
        self.is_over = False
        """True if the session is closed, and not connecting again."""
        self.stands_at_ms: float | None = None
        """Session time, if it stands still there: a system tells when things happened."""
        self._began = 0.0
        self._watches: list[tuple[Callable[[Any], Any], asyncio.Future[Any]]] = []

    def begin(self) -> None:
        """Start the session's clock, unless it runs already."""
        if self.began_at is None:
            self.began_at = datetime.now(UTC)
            self._began = time.perf_counter()

    @property
    def elapsed_ms(self) -> float:
        """Session time, to the microsecond."""
        if self.stands_at_ms is not None:
            return self.stands_at_ms
        return 0.0 if self.began_at is None else round((time.perf_counter() - self._began) * 1000, 3)

    def resume_at(self, elapsed_ms: float) -> None:
        """Let time run on, at the earliest from there."""
        self.stands_at_ms = None
        self._began = min(self._began, time.perf_counter() - elapsed_ms / 1000)

    def note(self, direction: Literal["sent", "received", "local"], event: Any) -> float:
        """Log an event, add it to the records, and return its time; call `tell` for received and local ones."""
        elapsed_ms = self.elapsed_ms
        self.log.add(direction, event, elapsed_ms)
        self.is_new = self.conversation.apply(event, elapsed_ms)
        if self.recorder is not None:
            self.recorder.wake()
        return elapsed_ms

    def announce(self, event: Any) -> None:
        """Note a local event, and tell it; skips a remark that was made already."""
        if isinstance(event, Remarked) and self.conversation.has_remark(event.kind or event.text):
            return
        self.note("local", event)
        self.tell(event)

    def remark(self, text: str, kind: str = "") -> None:
        """Add to `Conversation.remarks`, once for each `kind`, which is the text itself by default."""
        self.announce(Remarked(text=text, kind=kind))

    def tell(self, event: Any) -> None:
        """Pass an event to waiters and listeners."""
        if type(event) is StateChanged:
            self.is_over = event.state == "closed"
        for match, future in list(self._watches):
            try:
                result = None if future.done() else match(event)
            except RealtimeError as error:
                future.set_exception(error)
                continue
            if result is not None:
                future.set_result(result)
        self._watches = [watch for watch in self._watches if not watch[1].done()]
        for listener in list(self.listeners):
            try:
                listener(event, self.elapsed_ms)
            except Exception as error:  # A failing listener must not end the session.
                failed = printable(f"a listener failed on {event.type}: {error!r}")
                warnings.warn(failed, RuntimeWarning, stacklevel=2)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every event from now on; return a function that stops it."""
        self.listeners.append(listener)

        def stop() -> None:
            if listener in self.listeners:
                self.listeners.remove(listener)

        return stop

    def watch(self, match: Callable[[Any], T | None]) -> asyncio.Future[T]:
        """Wait for the first event from now on for which `match` returns something; pass on its errors."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._watches.append((match, future))
        return future

    def give_up(self, error: RealtimeError) -> None:
        """Tell all waiters that nothing more will come."""
        watches, self._watches = self._watches, []
        for _, future in watches:
            if not future.done():
                future.set_exception(error)


# --- How long to wait for a server that stays connected and gives no sign of an answer --------------------------------

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
