"""One socket's life on the I/O thread: messages are read, folded, logged and told; what must go out goes out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ..backends import Backend
from ..errors import ConnectionLost, LocalProtocolError, RealtimeError, RemoteProtocolError, ServerError
from ..wire import events as ev
from ..wire.formats import problem_of
from ..wire.local import StateChanged
from ..wire.protocol import RealtimeProtocol, State
from .gate import Gate
from .journal import Journal
from .passages import Passage, Passages
from .transport import Transport

#: How long a server that accepted the socket may take to open the session.
_OPEN_WAIT_S = 20.0


class Connection:
    """A session's line to its server. Everything here runs on the I/O thread, but for reading `state`.

    It can be opened again after it was closed; conversation and log go on.
    """

    def __init__(self, journal: Journal, gate: Gate):
        self.journal = journal
        self._gate = gate
        self.protocol = RealtimeProtocol()
        self.protocol.connection_closed()
        self.error: RealtimeError | None = None
        self._opening: asyncio.Task[None] | None = None
        self._running: asyncio.Task[None] | None = None
        self._outbox: asyncio.Queue[tuple[str, Passage | None]] = asyncio.Queue()
        self._passages = Passages()
        self.waiting_bytes = 0
        """How much the socket has not taken yet."""
        self._received: Any = None
        self._mending = False
        self._leaving: set[asyncio.Task[None]] = set()
        self.on_open: Callable[[], Awaitable[None]] | None = None
        """Called when the server has taken the settings; the line is open for others when it is done."""
        self.on_lost: Callable[[RealtimeError], Callable[[], Awaitable[None]] | None] | None = None
        """Called when the line broke off; returns what opens it again, or `None`."""

    @property
    def is_ready(self) -> bool:
        """Whether the line is open, and nobody is about to change that."""
        return self.is_open and self._opening is None

    @property
    def is_mending(self) -> bool:
        """Whether another line is about to take the place of one that was open."""
        return self._mending

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self.protocol.state is State.OPEN

    @property
    def state(self) -> str:
        """``"closed"``, ``"connecting"`` or ``"open"``."""
        return "connecting" if self._mending else self.protocol.state.value

    async def open(self, backend: Backend, model: str, settings: dict[str, Any]) -> None:
        """Open the line where it is not open; several callers share one attempt."""
        if self.is_open and self._opening is None:
            return
        if self._opening is None:
            self._begin(self._open(backend, model, settings))
        await self.settled()

    async def settled(self) -> None:
        """Wait while the line is being opened; raise what it fails with."""
        opening = self._opening
        if opening is None:
            return
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            if opening.cancelled():
                raise LocalProtocolError("the session was closed before it was open") from None
            raise

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._opening = asyncio.create_task(work)
        self._opening.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        if self._opening is task:
            self._opening = None
        if not task.cancelled():
            task.exception()  # Those who wait for it have it; nobody else needs to hear of it.

    async def _open(self, backend: Backend, model: str, settings: dict[str, Any]) -> None:
        await self.attempt(backend, model, settings)
        self._opening = None
        self.journal.announce(StateChanged(state="open"))

    def renew(self, heal: Callable[[], Awaitable[None]]) -> None:
        """Let another line take the place of this one."""
        self._mending = True
        self._begin(self._mend(heal))

    async def _mend(self, heal: Callable[[], Awaitable[None]]) -> None:
        """Open the line again; where that fails, it is closed."""
        if self._running is not None:
            # Nobody waits for the old server to say goodbye.
            self._running.cancel()
            self._leaving.add(self._running)
            self._running.add_done_callback(self._leaving.discard)
            self._running = None
            self._closed(None)
        error: RealtimeError | None = None
        try:
            await heal()
        except BaseException as failure:
            error = failure if isinstance(failure, RealtimeError) else None
            self._mending = False
            self._gate.leave()
            self.error = error
            self.journal.announce(StateChanged(state="closed", message=str(error or "")))
            raise
        self._mending = False
        self._opening = None
        self.journal.announce(StateChanged(state="open"))

    async def attempt(self, backend: Backend, model: str, settings: dict[str, Any]) -> None:
        """Try once to open the line."""
        self.journal.begin()
        self.error = None
        self.protocol = RealtimeProtocol(settings)
        self._outbox = asyncio.Queue()
        self.waiting_bytes = 0
        self._passages = Passages()
        if not self._mending:
            self.journal.announce(StateChanged(state="connecting"))
        try:
            await self._gate.enter(backend)
            located = await asyncio.to_thread(backend.located)
            transport = await self._reach(backend, located, model)
            # Before the first read: a server may hang up at once, and nothing would come any more.
            accepted = self.journal.watch(_accepted)
            self._running = asyncio.create_task(self._run(transport))
            await self._accepted(accepted, backend)
            if self.on_open is not None:
                await self.on_open()
        except RealtimeError as error:
            await self._end(error)
            raise
        except BaseException:
            await self._end(None)
            raise

    async def _accepted(self, accepted: asyncio.Future[bool], backend: Backend) -> None:
        try:
            await asyncio.wait_for(accepted, _OPEN_WAIT_S)
        except TimeoutError:
            raise ConnectionLost(f"{backend.name} accepted the socket but opened no session") from None

    async def _reach(self, backend: Backend, located: Backend, model: str) -> Transport:
        """Connect; a server that has too much to do is asked again later."""
        while True:
            await self._gate.admit(backend, model)
            try:
                return await Transport.open(located.realtime_url(model), located.headers())
            except ServerError as error:
                if not self._gate.refuses(error):
                    raise

    async def _run(self, transport: Transport) -> None:
        """Read and write until the socket is gone; then everybody who waits is told."""
        lost: RealtimeError | None = None
        async with transport:
            writer = asyncio.create_task(self._write(transport))
            try:
                async for message in transport:
                    self._take(message)
                    if self.error is not None:
                        break
                else:
                    lost = ConnectionLost("the server ended the session; connect again to go on")
            except ConnectionLost as error:
                lost = error
            except Exception as error:
                # A fault of our own: those who wait must not wait forever.
                self._closed(RemoteProtocolError(f"the session broke off: {error!r}"))
                raise
            finally:
                writer.cancel()
        self._closed(self.error or lost)

    async def _write(self, transport: Transport) -> None:
        try:
            while True:
                message, passage = await self._outbox.get()
                await transport.send(message)
                self.waiting_bytes -= len(message)
                if passage is not None:
                    passage.written_ms = self.journal.elapsed_ms
        except ConnectionLost:
            return  # The reader learns of it too, with the reason.

    def _take(self, message: bytes) -> None:
        event = self.protocol.receive(message)
        for each in self.protocol.events_to_note():
            self.journal.announce(each)
        self._received = event
        self.journal.note("received", event)
        if isinstance(event, ev.SessionUpdated) and (problem := problem_of(event.session)):
            self.error = RemoteProtocolError(f"{problem}: set another input_format or output_format, or another server")
            return
        if isinstance(event, ev.InputAudioBufferSpeechStopped | ev.InputAudioBufferCommitted):
            self._trace(event.item_id)
        error = _error_in(event)
        if error is not None and error.fatal:
            self.error = error
        is_new = self.journal.is_new
        self.flush()
        if is_new:  # What came twice would be played twice.
            self.journal.tell(event)

    def _trace(self, item_id: str) -> None:
        """Note how the last speech of a turn that is over travelled."""
        passed = self._passages.of(self.journal.conversation.turn(item_id))
        if passed is not None:
            self.journal.announce(passed)

    def flush(self, *, captured_ms: float | None = None, arrived_ms: float | None = None) -> None:
        """Fold and log what the protocol wants to send, and hand it to the writer.

        The session times are those of the microphone's audio in it, where they are known.
        """
        for event in self.protocol.events_to_send():
            sent_ms = self.journal.note("sent", event)
            passage = None
            if isinstance(event, ev.InputAudioBufferAppend):
                passage = self._passages.frame(sent_ms, captured_ms, arrived_ms)
            elif isinstance(event, ev.InputAudioBufferCommit):
                passage = self._passages.commit(sent_ms)
            message = ev.encode(event)
            self.waiting_bytes += len(message)
            self._outbox.put_nowait((message, passage))

    async def acknowledged(self, event_id: str, match: Callable[[Any], bool] | None = None) -> Any:
        """Send what is waiting, and return the event that answers a request; an error that answers it is raised.

        `match` tells the answer where the protocol does not know it.
        """
        self.flush()

        def answered(event: Any) -> Any:
            if event is not self._received:
                return None  # A local one, told meanwhile, which may look the same.
            if isinstance(event, ev.Error) and event.error.event_id == event_id:
                raise server_error(event)
            found = self.protocol.answered == event_id if match is None else match(event)
            return event if found else None

        return await self.journal.watch(answered)

    async def close(self, error: RealtimeError | None = None) -> None:
        """Hang up, because of an error where one is given; does nothing where the line is closed."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        await self._end(error)

    async def _end(self, error: RealtimeError | None) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        self._closed(error)

    def _closed(self, error: RealtimeError | None) -> None:
        if self.protocol.state is State.CLOSED:
            return
        self.protocol.connection_closed()
        self.error = error
        heal = self.on_lost(error) if self.on_lost and error is not None and self._opening is None else None
        if heal is None and not self._mending:
            self._gate.leave()  # A line that another one replaces keeps its place, however many wait for one.
        if heal is not None:
            self._running = None  # Its task, which is ending, is this one.
            self.renew(heal)
        if error is not None or not self._mending:
            self.journal.give_up(error or LocalProtocolError("the session was closed before the answer came"))
        if heal is not None or not self._mending:
            self.journal.announce(StateChanged(state=self.state, message=str(error or "")))


def _accepted(event: Any) -> bool | None:
    """Wait for the settings to be confirmed; a server that refuses them says so in an error."""
    if isinstance(event, ev.Error):
        raise server_error(event)
    return isinstance(event, ev.SessionUpdated) or None


def _error_in(event: Any) -> ServerError | None:
    """Return the error that an event carries; a quota that is used up shows in a response that failed."""
    if isinstance(event, ev.Error):
        return server_error(event)
    if isinstance(event, ev.ResponseDone) and event.response.status_details:
        failure = event.response.status_details.error
        if failure:
            return ServerError(str(failure.get("message") or ""), code=str(failure.get("code") or ""))
    return None


def server_error(event: ev.Error) -> ServerError:
    """Make an exception of the API's account of an error."""
    detail = event.error
    return ServerError(
        detail.message or "the server gave no reason",
        code=None if detail.code is None else str(detail.code),
        error_type=detail.type,
        param=detail.param,
        event_id=detail.event_id,
    )
