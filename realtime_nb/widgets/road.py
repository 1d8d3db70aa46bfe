"""The channel for audio between a notebook's browser and the kernel.

One small WebSocket server on the I/O thread, the `RoadServer`, serves the whole kernel on a loopback port. Each widget
has a `Road` through it, known by a token in the path. A browser connects directly if its page is on loopback, or
through jupyter-server-proxy if the kernel is elsewhere. If no socket is possible, the same messages go over the widget
comm in bundles. The browser chooses, and its ``hello`` says which way it took.

Messages are the same on all three. Controls are JSON objects with a ``kind``, sent as text. Audio is binary, one
`Frame` a message, and so is a camera's `CameraShot`; little-endian:

====== ==== ===========================================================================
offset type meaning
====== ==== ===========================================================================
0      u8   kind: 1 from the microphone, 2 for the speaker, 3 from the camera
1      u8   flags: 1 in the last frame of an item, 2 in an item that is made as it is played
2      u16  reserved, 0
4      u32  seq: counts the frames of one direction
8      u32  sample_rate in Hz; of a picture 0
12     u32  key: number of the item that the audio belongs to (0: none), named by an ``item`` control before; or of the
            ``snap`` control that a picture answers (0: the person took it)
16     f64  time_ms: when the last sample, or the picture, was captured, ms since the epoch (0: unknown)
24     i16… mono PCM16; or the bytes of a JPEG file
====== ==== ===========================================================================

Nothing is acknowledged per frame, so latency cannot pile up on round trips. On the comm a bundle is
``{"kind": "road", "messages": […]}``: a string is a control, a number the index of a buffer that holds a frame.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import secrets
import struct
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from ..errors import RemoteProtocolError
from ..loop import call_soon, io_loop, submit
from ..media.clip import WIRE_SAMPLE_RATE
from ..secrecy import QuietLogger
from ..strangers import ACCEPTED_AT_ONCE, FewLines, Strangers

FROM_MICROPHONE = 1
FOR_SPEAKER = 2
FROM_CAMERA = 3

_HEADER = struct.Struct("<BBHIIId")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
#: A page sends 20 ms frames, short texts, and pictures of at most 2048 pixels; larger messages are not ours.
_MAX_MESSAGE_BYTES = 4 * 2**20
#: Messages kept until the page is there; an hour of 100 ms frames.
_MAX_WAITING = 36_000
#: Bundles on the comm are spaced by this: Jupyter repaints and counts every message (1000 in 3 s at most).
_BUNDLE_S = 0.1
#: Close code for a page whose road was taken by a newer one.
_SUPERSEDED = 4001

# The library would log the tokens.
_logger = QuietLogger(logging.getLogger(__name__))
_logger.logger.addFilter(FewLines())


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of audio on the road; the module's docstring has the layout."""

    pcm: bytes
    sample_rate: int = WIRE_SAMPLE_RATE
    key: int = 0
    seq: int = 0
    time_ms: float = 0.0
    kind: int = FOR_SPEAKER
    last: bool = False
    live: bool = False

    def encode(self) -> bytes:
        """Return the frame as bytes."""
        flags = self.last | self.live << 1
        return _HEADER.pack(self.kind, flags, 0, self.seq, self.sample_rate, self.key, self.time_ms) + self.pcm

    @classmethod
    def decode(cls, data: bytes) -> Frame:
        """Read a frame.

        Raises `RemoteProtocolError` if the bytes are not a frame.
        """
        if len(data) < _HEADER.size or len(data) % 2:
            raise RemoteProtocolError(f"{len(data)} bytes are not an audio frame")
        kind, flags, _, seq, sample_rate, key, time_ms = _HEADER.unpack_from(data)
        if kind not in (FROM_MICROPHONE, FOR_SPEAKER) or sample_rate == 0:
            raise RemoteProtocolError(f"not an audio frame: kind={kind}, sample_rate={sample_rate}")
        return cls(data[_HEADER.size :], sample_rate, key, seq, time_ms, kind, bool(flags & 1), bool(flags & 2))


@dataclass(frozen=True, slots=True)
class CameraShot:
    """A picture on its way from the page."""

    data: bytes
    """A JPEG file."""
    key: int = 0
    seq: int = 0
    time_ms: float = 0.0

    @classmethod
    def decode(cls, data: bytes) -> CameraShot:
        """Read a picture's message; raise `RemoteProtocolError` if it is too short for one."""
        if len(data) <= _HEADER.size:
            raise RemoteProtocolError(f"{len(data)} bytes are not a picture")
        _, _, _, seq, _, key, time_ms = _HEADER.unpack_from(data)
        return cls(data[_HEADER.size :], key, seq, time_ms)


#: Messages from a page.
Message = Frame | CameraShot | dict[str, Any]


def encode_message(message: Frame | dict[str, Any]) -> str | bytes:
    """Encode a message: text for a control, bytes for audio."""
    return message.encode() if isinstance(message, Frame) else json.dumps(message)


def decode_message(data: str | bytes) -> Message:
    """Read a message; raise `RemoteProtocolError` if it is neither a frame, a picture nor a control."""
    if isinstance(data, bytes) and data[:1] == bytes([FROM_CAMERA]):
        return CameraShot.decode(data)
    if isinstance(data, bytes):
        return Frame.decode(data)
    try:
        control = json.loads(data)
    except ValueError as error:
        raise RemoteProtocolError("a control that is not JSON") from error
    if not isinstance(control, dict) or not isinstance(control.get("kind"), str):
        raise RemoteProtocolError("a control without a kind")
    return control


class _RoadConnection(ServerConnection):
    """A connection that counts as unknown until its request shows a road's token."""

    strangers: Strangers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.strangers.arrived(self.transport)


class RoadServer:
    """The WebSocket server for all roads of this kernel. Runs on the I/O thread."""

    def __init__(self, strangers: Strangers | None = None) -> None:
        self._strangers = strangers or Strangers()
        self.port = 0
        self.origins: set[str] = set()
        self._roads: dict[str, Road] = {}
        self._server: Server | None = None
        self._opening = asyncio.Lock()

    async def add(self, road: Road) -> None:
        """Admit a road's token; the first one opens the port."""
        async with self._opening:
            if self._server is None:
                self._server = await serve(
                    self._serve,
                    "127.0.0.1",
                    0,
                    process_request=self._check,
                    create_connection=self._connection,  # type: ignore[arg-type]  # any factory will do
                    backlog=ACCEPTED_AT_ONCE,
                    compression=None,  # PCM does not shrink, and deflate would cost a millisecond a frame.
                    max_size=_MAX_MESSAGE_BYTES,
                    logger=_logger,
                )
                self.port = self._server.sockets[0].getsockname()[1]
        self._roads[road.token] = road

    def remove(self, road: Road) -> None:
        """Stop admitting the token."""
        self._roads.pop(road.token, None)

    def allows(self, origin: str | None) -> bool:
        """Return whether a page of this origin may connect: on loopback, or named by its widget over the comm."""
        return origin is not None and (origin in self.origins or urlsplit(origin).hostname in _LOOPBACK)

    def _road_for(self, path: str) -> Road | None:
        token = urlsplit(path).path.strip("/").encode()
        return next((r for r in self._roads.values() if hmac.compare_digest(r.token.encode(), token)), None)

    def _connection(self, *args: Any, **options: Any) -> ServerConnection:
        connection = _RoadConnection(*args, **options)
        connection.strangers = self._strangers
        return connection

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        # Any web page can reach a loopback port, so the token and the origin must both be right.
        if self._road_for(request.path) is None or not self.allows(request.headers.get("Origin")):
            return connection.respond(HTTPStatus.FORBIDDEN, "Only its own notebook can open this address.\n")
        self._strangers.known(connection.remote_address[:2])
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        road = self._road_for(connection.request.path)
        if road is not None:
            await road.serve(connection)


class Road:
    """One widget's channel to its page.

    `on_message`: called on the I/O thread with each `Frame`, `CameraShot` or control from the page. The page's
    ``hello`` comes first, and again after each reload; `kind` then already names the road. The road itself sends
    ``gone`` when it loses a page.
    `on_error`: called with an exception of `on_message`, or with the `RemoteProtocolError` of an unreadable message.
    `send_comm`: ``send_comm(content, buffers)`` puts a bundle on the widget comm; called on the I/O thread.

    A page that says hello takes over the road: after a reload, or with several windows, the newest page has it.
    """

    def __init__(
        self,
        *,
        on_message: Callable[[Message], None],
        on_error: Callable[[Exception], None],
        send_comm: Callable[[dict[str, Any], list[bytes]], None] | None = None,
    ):
        self.token = secrets.token_urlsafe(24)
        self.kind = ""
        """The way in use: "direct", "proxy", "comm", or empty while there is none."""
        self._on_message = on_message
        self._on_error = on_error
        self._send_comm = send_comm
        self._connection: ServerConnection | None = None
        self._waiting: deque[str | bytes] = deque(maxlen=_MAX_WAITING)
        self._bundle: list[str | bytes] = []
        self._bundle_timer: asyncio.TimerHandle | None = None
        self._bundle_sent_s = 0.0
        self._loop = io_loop()
        self._server = submit(self._open()).result(timeout=10)

    async def _open(self) -> RoadServer:
        server = _road_server()
        await server.add(self)
        return server

    @property
    def address(self) -> dict[str, Any]:
        """Where the page finds the server: ``port`` and ``token``."""
        return {"port": self._server.port, "token": self.token}

    def send(self, message: Frame | dict[str, Any], *, urgent: bool = False) -> None:
        """Send a message to the page. Never blocks; any thread.

        `urgent`: whether it, and everything queued before it, must leave at once on the comm, too.
        """
        call_soon(self._send, encode_message(message), urgent)

    def receive_comm(self, content: dict[str, Any], buffers: Iterable[Any]) -> None:
        """Take a bundle from the comm. Any thread: handlers run on the main thread or a subshell's."""
        held = [bytes(buffer) for buffer in buffers]
        messages = [held[m] if isinstance(m, int) else str(m) for m in content["messages"]]
        call_soon(self._take_bundle, messages)

    def close(self) -> None:
        """Close the road, and tell the page to stop looking for it."""
        self.send({"kind": "closed"}, urgent=True)
        call_soon(self._close)

    def _close(self) -> None:
        self._server.remove(self)
        self._hang_up(1000)
        self.kind = ""
        self._hand_on({"kind": "gone"})

    async def serve(self, connection: ServerConnection) -> None:
        """Carry one page's socket until it closes."""
        try:
            async for data in connection:
                self._take(data, connection)
        except ConnectionClosed:
            pass  # Laptops sleep and tabs close without a closing handshake.
        finally:
            if self._connection is connection:
                self._connection = None
                self.kind = ""
                self._hand_on({"kind": "gone"})

    def _take_bundle(self, messages: list[str | bytes]) -> None:
        for data in messages:
            self._take(data, None)

    def _take(self, data: str | bytes, connection: ServerConnection | None) -> None:
        try:
            message = decode_message(data)
            if isinstance(message, dict) and message["kind"] == "origin":
                # Only the comm is Jupyter's own, authenticated channel; a socket must not add origins.
                if connection is None:
                    self._server.origins.add(str(message["origin"]))
                return
            if isinstance(message, dict) and message["kind"] == "hello":
                self._welcome(str(message["road"]), connection)
            elif connection is not self._connection:
                return  # Late messages of a page whose road was taken over.
        except Exception as error:
            self._on_error(error)
        else:
            self._hand_on(message)

    def _hand_on(self, message: Message) -> None:
        try:
            self._on_message(message)
        except Exception as error:
            self._on_error(error)

    def _welcome(self, kind: str, connection: ServerConnection | None) -> None:
        if self._connection is not None and self._connection is not connection:
            self._hang_up(_SUPERSEDED)
        self._connection, self.kind = connection, kind
        self._send(json.dumps({"kind": "welcome", "road": kind}), True)
        while self._waiting:
            self._send(self._waiting.popleft(), False)

    def _hang_up(self, code: int) -> None:
        if self._connection is not None:
            task = self._loop.create_task(self._connection.close(code))
            _closing.add(task)
            task.add_done_callback(_closing.discard)
            self._connection = None

    def _send(self, data: str | bytes, urgent: bool) -> None:
        if self._connection is not None:
            # Unlike send(), broadcast() does not wait for a slow page: it must never hold up the I/O thread.
            broadcast([self._connection], data)
        elif self.kind == "comm":
            self._bundle.append(data)
            if urgent:
                self._send_bundle()
            elif self._bundle_timer is None:
                # At the end of this turn of the loop, so that messages sent together travel together.
                due_s = max(self._bundle_sent_s + _BUNDLE_S, self._loop.time())
                self._bundle_timer = self._loop.call_at(due_s, self._send_bundle)
        else:
            self._waiting.append(data)

    def _send_bundle(self) -> None:
        if self._bundle_timer is not None:
            self._bundle_timer.cancel()
            self._bundle_timer = None
        self._bundle_sent_s = self._loop.time()
        bundle, self._bundle = self._bundle, []
        buffers: list[bytes] = []
        messages: list[str | int] = []
        for data in bundle:
            if isinstance(data, str):
                messages.append(data)
            else:
                messages.append(len(buffers))
                buffers.append(data)
        if messages and self._send_comm is not None:
            self._send_comm({"kind": "road", "messages": messages}, buffers)


_closing: set[asyncio.Task[None]] = set()
_shared_server: RoadServer | None = None


def _road_server() -> RoadServer:
    global _shared_server
    if _shared_server is None:
        _shared_server = RoadServer()
    return _shared_server
