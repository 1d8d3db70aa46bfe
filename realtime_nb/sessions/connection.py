"""A session's socket on the I/O thread, and the times at which microphone frames passed through it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from .. import numeric
from ..conversation.records import Turn
from ..errors import ConnectionLost, LocalProtocolError, RealtimeError, RemoteProtocolError, ServerError
from ..protocol import events as ev
from ..protocol.formats import problem_of
from ..protocol.local_events import FramePassed, StateChanged
from ..protocol.realtime import RealtimeProtocol, State
from ..secrecy import QuietLogger, Secrets, bare_address, hide, secrets_of, shown_cause
from .backend import Backend, naming_key
from .event_log import REPLY_TIMEOUT_S, SessionEvents, patience
from .rate_limit import Admission

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.exceptions import ConnectionClosed, InvalidStatus

# --- When each microphone frame passed through the kernel, kept until its turn is over --------------------------------

#: A turn looks up its last speech when it is detected; at 20 ms a frame this is twenty seconds.
_KEPT = 1_024


@dataclass(slots=True)
class FrameTimes:
    """The times of one frame, or of the commit after the last one; in session time."""

    sent_ms: float
    captured_ms: float | None = None
    arrived_ms: float | None = None
    written_ms: float | None = None


class RecentFrameTimes:
    """The times of a connection's last frames."""

    def __init__(self) -> None:
        self._kept: OrderedDict[float, FrameTimes] = OrderedDict()

    def frame(self, sent_ms: float, captured_ms: float | None, arrived_ms: float | None) -> FrameTimes:
        """Note that a frame was queued for the socket."""
        return self._keep(FrameTimes(sent_ms, captured_ms, arrived_ms))

    def commit(self, sent_ms: float) -> FrameTimes:
        """Note that a commit was queued; the frame before holds the turn's last sound."""
        last = next(reversed(self._kept.values()), None)
        return self._keep(FrameTimes(sent_ms, last.captured_ms if last else None, last.arrived_ms if last else None))

    def _keep(self, frame_times: FrameTimes) -> FrameTimes:
        self._kept[frame_times.sent_ms] = frame_times
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return frame_times

    def of(self, turn: Turn | None) -> FramePassed | None:
        """Return how a turn's last speech travelled; `None` if not known, or returned before."""
        if turn is None or turn.frame_times is not None or turn.spoken_at_ms is None:
            return None
        frame_times = self._kept.get(turn.spoken_at_ms)
        if frame_times is None:
            return None
        return FramePassed(
            item_id=turn.item_id,
            captured_ms=frame_times.captured_ms,
            arrived_ms=frame_times.arrived_ms,
            sent_ms=frame_times.sent_ms,
            written_ms=frame_times.written_ms,
        )


# --- A session's socket: text messages both ways, with the library's errors turned into ours --------------------------

# The library would log all headers.
_LOGGER = QuietLogger(logging.getLogger("websockets.client"))
#: How long the server may take to accept the socket.
OPEN_TIMEOUT_S = 15.0
#: What to do if a server cannot be reached.
LOOK = "check the address and the network, or run realtime_nb.doctor()"


class Transport:
    """A WebSocket to a Realtime server; use `Transport.open`.

    The library is loaded with the first one: results of experiments can be read where it is missing, as in Pyodide.
    """

    def __init__(self, socket: ClientConnection, secrets: Secrets):
        self._socket = socket
        self._secrets = secrets

    @classmethod
    async def open(cls, url: str, headers: dict[str, str]) -> Transport:
        """Connect.

        Raises `ServerError` if the server answers with an error, e.g. to a bad key; `ConnectionLost` if it cannot be
        reached.
        """
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus, WebSocketException

        class Direct(connect):
            """Follows no redirect: another server would get the key, which the library keeps in some headers."""

            def process_redirect(self, exc: Exception) -> Exception:
                return exc

        host = urlsplit(url).netloc.rpartition("@")[2]
        loopback = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
        try:
            socket = await Direct(
                url,
                additional_headers=headers,
                max_size=None,  # items with audio or images come in one message
                compression=None,  # base64 audio hardly shrinks, and deflate costs more than all the rest
                open_timeout=OPEN_TIMEOUT_S,
                proxy=None if loopback else True,
                logger=_LOGGER,
            )
        except InvalidStatus as error:
            raise _refusal(error, host) from shown_cause(error)
        except TimeoutError as error:
            lost = ConnectionLost(f"{host} did not answer within {OPEN_TIMEOUT_S:.0f} s: {LOOK}")
            raise lost from shown_cause(error)
        except (OSError, ValueError, WebSocketException) as error:
            lost = ConnectionLost(f"{host} cannot be reached ({hide(str(error))}): {LOOK}")
            raise lost from shown_cause(error)
        return cls(socket, secrets_of(url, headers))

    async def send(self, message: str) -> None:
        """Send one message; raises `ConnectionLost` if the socket is gone."""
        from websockets.exceptions import ConnectionClosed

        try:
            await self._socket.send(message)
        except ConnectionClosed as error:
            raise _closed(error) from shown_cause(error)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield messages until the server closes the session normally; raises `ConnectionLost` otherwise."""
        from websockets.exceptions import ConnectionClosed
        from websockets.frames import CloseCode

        try:
            while True:
                # Some servers repeat the key that they refuse.
                yield self._secrets.hide_known(await self._socket.recv(decode=False))
        except ConnectionClosed as error:
            # The library also ends normally on 1001, with which servers end sessions themselves.
            if error.rcvd is None or error.rcvd.code != CloseCode.NORMAL_CLOSURE:
                raise _closed(error) from shown_cause(error)

    async def close(self) -> None:
        """Close the socket; does nothing if it is closed."""
        await self._socket.close()

    async def __aenter__(self) -> Transport:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _closed(error: ConnectionClosed) -> ConnectionLost:
    frame = error.rcvd
    if frame is None:
        return ConnectionLost("the connection broke off; connect again to go on", code=1006)
    return ConnectionLost(hide(frame.reason) or "the server closed the connection", code=frame.code)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds a server asks you to wait; `None` if it does not say, or if that cannot be read.

    A date is read by the server's own clock, if it sends one. ``retry-after-ms`` is Azure's and OpenAI's.
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        said = _header(headers, name)
        with contextlib.suppress(ValueError):  # It may be a date, which is read below.
            if not math.isnan(seconds := float(said) * scale):
                return max(0.0, seconds)
    until, now = _timestamp(_header(headers, "retry-after")), _timestamp(_header(headers, "date"))
    return None if until is None else max(0.0, until - (time.time() if now is None else now))


def _header(headers: Mapping[str, str], name: str) -> str:
    try:
        return headers.get(name) or ""
    except LookupError:
        return ""  # It was sent twice.


def _timestamp(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


def _refusal(error: InvalidStatus, host: str) -> RealtimeError:
    """Turn an HTTP answer that is not an upgrade into the API's error."""
    status = error.response.status_code
    try:
        # Some servers name the key that they refuse.
        detail = msgspec.json.decode(Secrets().hide(bytes(error.response.body or b"")))["error"]
        return ServerError(
            detail["message"],
            code=detail.get("code") or ("invalid_api_key" if status == 401 else None),
            error_type=detail.get("type"),
            param=detail.get("param"),
            retry_after_s=retry_after_s(error.response.headers),
        )
    except (msgspec.DecodeError, KeyError, TypeError, RecursionError):
        pass  # The body is not an error of the API's: the status says what is wrong.
    if status in (401, 403):
        return ServerError(f"{host} refused the key (HTTP {status})", code="invalid_api_key")
    if status == 429:
        wait_s = retry_after_s(error.response.headers)
        return ServerError(f"{host} has too many requests (HTTP 429)", code="too_many_requests", retry_after_s=wait_s)
    if status == 404:
        return ConnectionLost(f"{host} has no Realtime endpoint at this address (HTTP 404): check base_url and model")
    if to := _header(error.response.headers, "location"):
        place = hide(bare_address(to))
        return ConnectionLost(f"{host} sends on to {place}: if you trust it, give its address as base_url")
    return ConnectionLost(f"{host} answered HTTP {status}")


# --- One socket's life on the I/O thread: read, record, log and announce messages, and send what is due ---------------

#: How long a server that accepted the socket may take to open the session.
_OPEN_WAIT_S = 20.0


class Connection:
    """A session's connection to its server. Everything here runs on the I/O thread, except reading `state`.

    You can open it again after closing it; conversation and log go on.
    """

    def __init__(self, session_events: SessionEvents, admission: Admission):
        self.session_events = session_events
        self._admission = admission
        self.protocol = RealtimeProtocol()
        self.protocol.connection_closed()
        self.error: RealtimeError | None = None
        self._opening: asyncio.Task[None] | None = None
        self._running: asyncio.Task[None] | None = None
        self._outbox: asyncio.Queue[tuple[str, FrameTimes | None]] = asyncio.Queue()
        self._frame_times = RecentFrameTimes()
        self.waiting_bytes = 0
        """How many bytes the socket has not taken yet."""
        self._received: Any = None
        self._mending = False
        self._leaving: set[asyncio.Task[None]] = set()
        self.on_open: Callable[[], Awaitable[None]] | None = None
        """Called when the server has accepted the settings; when it returns, others can use the connection."""
        self.on_lost: Callable[[RealtimeError], Callable[[], Awaitable[None]] | None] | None = None
        """Called when the connection breaks off; returns a function that opens it again, or `None`."""

    @property
    def is_ready(self) -> bool:
        """True if the connection is open, and not about to close."""
        return self.is_open and self._opening is None

    @property
    def is_mending(self) -> bool:
        """True if another connection is about to replace one that was open."""
        return self._mending

    @property
    def is_open(self) -> bool:
        """True if messages can be sent."""
        return self.protocol.state is State.OPEN

    @property
    def state(self) -> str:
        """``"closed"``, ``"connecting"`` or ``"open"``."""
        return "connecting" if self._mending else self.protocol.state.value

    async def open(self, backend: Backend, model: str, settings: dict[str, Any]) -> None:
        """Open the connection if it is not open; several callers share one attempt."""
        if self.is_open and self._opening is None:
            return
        if self._opening is None:
            self._begin(self._open(backend, model, settings))
        await self.settled()

    async def settled(self) -> None:
        """Wait while the connection opens; raise its error if that fails."""
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
            task.exception()  # Read here so that asyncio does not warn: the waiting callers have it.

    async def _open(self, backend: Backend, model: str, settings: dict[str, Any]) -> None:
        await self.attempt(backend, model, settings)
        self._opening = None
        self.session_events.announce(StateChanged(state="open"))

    def renew(self, heal: Callable[[], Awaitable[None]]) -> None:
        """Replace this connection with another one."""
        self._mending = True
        self._begin(self._mend(heal))

    async def _mend(self, heal: Callable[[], Awaitable[None]]) -> None:
        """Open the connection again; close it if that fails."""
        if self._running is not None:
            # Do not wait for the old server's closing handshake.
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
            self._admission.leave()
            self.error = error
            self.session_events.announce(StateChanged(state="closed", message=str(error or "")))
            raise
        self._mending = False
        self._opening = None
        self.session_events.announce(StateChanged(state="open"))

    async def attempt(self, backend: Backend, model: str, settings: dict[str, Any]) -> None:
        """Try once to open the connection."""
        self.session_events.begin()
        self.error = None
        self.protocol = RealtimeProtocol(settings)
        self._outbox = asyncio.Queue()
        self.waiting_bytes = 0
        self._frame_times = RecentFrameTimes()
        if not self._mending:
            self.session_events.announce(StateChanged(state="connecting"))
        try:
            await self._admission.enter(backend)
            # What sound needs is loaded beside it: the first of an answer must not hold up this thread.
            located, _ = await asyncio.gather(asyncio.to_thread(backend.located), asyncio.to_thread(numeric.load))
            transport = await self._reach(backend, located, model)
            # Before the first read: a server may hang up at once, and then nothing more comes.
            accepted = self.session_events.watch(_accepted)
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
        """Connect; try a busy server again later."""
        while True:
            await self._admission.admit(backend, model)
            try:
                with naming_key(backend):
                    return await Transport.open(located.realtime_url(model), located.headers())
            except ServerError as error:
                if not self._admission.refuses(error):
                    raise

    async def _run(self, transport: Transport) -> None:
        """Read and write until the socket is gone; then tell all waiters."""
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
                # Our own bug: waiters must not wait forever.
                self._closed(RemoteProtocolError(f"the session broke off: {error!r}"))
                raise
            finally:
                writer.cancel()
        self._closed(self.error or lost)

    async def _write(self, transport: Transport) -> None:
        try:
            while True:
                message, frame_times = await self._outbox.get()
                await transport.send(message)
                self.waiting_bytes -= len(message)
                if frame_times is not None:
                    frame_times.written_ms = self.session_events.elapsed_ms
        except ConnectionLost:
            return  # The reader gets it too, with the reason.

    def _take(self, message: bytes) -> None:
        event = self.protocol.receive(message)
        for each in self.protocol.events_to_note():
            self.session_events.announce(each)
        self._received = event
        self.session_events.note("received", event)
        if isinstance(event, ev.SessionUpdated) and (problem := problem_of(event.session)):
            self.error = RemoteProtocolError(f"{problem}: set another input_format or output_format, or another server")
            return
        if isinstance(event, ev.InputAudioBufferSpeechStopped | ev.InputAudioBufferCommitted):
            self._trace(event.item_id)
        error = _error_in(event)
        if error is not None and error.fatal:
            self.error = error
        is_new = self.session_events.is_new
        self.flush()
        if is_new:  # A repeated event would be played twice.
            self.session_events.tell(event)

    def _trace(self, item_id: str) -> None:
        """Note how the last speech of a finished turn travelled."""
        passed = self._frame_times.of(self.session_events.conversation.turn(item_id))
        if passed is not None:
            self.session_events.announce(passed)

    def flush(self, *, captured_ms: float | None = None, arrived_ms: float | None = None) -> None:
        """Log what the protocol wants to send, add it to the records, and hand it to the writer.

        The times are session times of the microphone's audio in it, if known.
        """
        for event in self.protocol.events_to_send():
            sent_ms = self.session_events.note("sent", event)
            frame_times = None
            if isinstance(event, ev.InputAudioBufferAppend):
                frame_times = self._frame_times.frame(sent_ms, captured_ms, arrived_ms)
            elif isinstance(event, ev.InputAudioBufferCommit):
                frame_times = self._frame_times.commit(sent_ms)
            message = ev.encode(event)
            self.waiting_bytes += len(message)
            self._outbox.put_nowait((message, frame_times))

    async def acknowledged(self, event_id: str, match: Callable[[Any], bool] | None = None) -> Any:
        """Send what is queued, and return the event that answers a request.

        `match` finds the answer if the protocol does not know it.

        Raises `ServerError` if the answer is an error, `ReplyTimeout` if there is none.
        """
        self.flush()

        def answered(event: Any) -> Any:
            if event is not self._received:
                return None  # A local event may look the same.
            if isinstance(event, ev.Error) and event.error.event_id == event_id:
                raise server_error(event)
            found = self.protocol.answered == event_id if match is None else match(event)
            return event if found else None

        async with patience(self.session_events, REPLY_TIMEOUT_S, lambda event: False):
            return await self.session_events.watch(answered)

    async def close(self, error: RealtimeError | None = None) -> None:
        """Hang up, because of `error` if given; does nothing if the connection is closed."""
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
            self._admission.leave()  # A connection that is being replaced keeps its place, even if others wait for one.
        if heal is not None:
            self._running = None  # The task that is ending is this one.
            self.renew(heal)
        if error is not None or not self._mending:
            self.session_events.give_up(error or LocalProtocolError("the session was closed before the answer came"))
        if heal is not None or not self._mending:
            self.session_events.announce(StateChanged(state=self.state, message=str(error or "")))


def _accepted(event: Any) -> bool | None:
    """Wait for the server to confirm the settings; raise if it refuses them."""
    if isinstance(event, ev.Error):
        raise server_error(event)
    return isinstance(event, ev.SessionUpdated) or None


def _error_in(event: Any) -> ServerError | None:
    """Return the error in an event; a used-up quota shows in a failed response."""
    if isinstance(event, ev.Error):
        return server_error(event)
    if isinstance(event, ev.ResponseDone) and event.response.status_details:
        failure = event.response.status_details.error
        if failure:
            return ServerError(str(failure.get("message") or ""), code=str(failure.get("code") or ""))
    return None


def server_error(event: ev.Error) -> ServerError:
    """Return an exception for an API error."""
    detail = event.error
    return ServerError(
        detail.message or "the server gave no reason",
        code=None if detail.code is None else str(detail.code),
        error_type=detail.type,
        param=detail.param,
        event_id=detail.event_id,
    )
