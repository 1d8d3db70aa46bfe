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
``{"kind": "road", "page": name, "messages": […]}``: a string is a control, a number the index of a buffer that holds a
frame. A bundle from the kernel reaches every page; in place of the sender's name it has ``to``, the page that the
frames are for.
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
from websockets.datastructures import Headers
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
#: How long a lost page keeps the sound while others watch: it may only be reloading.
_RETURNS_WITHIN_S = 5.0

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
        road = self._road_for(request.path)
        if road is not None and road.page is not None and "Upgrade" not in request.headers:
            return _answer(*road.page())
        if road is None or not self.allows(request.headers.get("Origin")):
            return connection.respond(HTTPStatus.FORBIDDEN, "Only its own notebook can open this address.\n")
        self._strangers.known(connection.remote_address[:2])
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        road = self._road_for(connection.request.path)
        if road is not None:
            await road.serve(connection)


def _answer(html: str, headers: dict[str, str]) -> Response:
    body = html.encode()
    about = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body)), "Connection": "close"}
    return Response(HTTPStatus.OK, "OK", Headers(about | headers), body)


@dataclass(slots=True)
class RoadPage:
    """A page that has said hello. One of a road's pages has the sound, the others watch."""

    hello: dict[str, Any]
    connection: ServerConnection | None
    """Its socket; `None` on the comm."""
    person: str = ""
    """The name of the person who is signed in there; empty if not known."""
    asked: bool = False
    """True if it was asked whether it is still there, and has not answered."""


class Road:
    """One widget's channel to its pages.

    `on_message`: called on the I/O thread with each `Frame`, `CameraShot` or control from the page that has the sound.
    Its ``hello`` comes first, and again after each reload; `kind` then already names the road. The road itself sends
    ``gone`` when it loses that page, and ``onlooker`` when another one comes.
    `on_error`: called with an exception of `on_message`, or with the `RemoteProtocolError` of an unreadable message.
    `send_comm`: ``send_comm(content, buffers)`` puts a bundle on the widget comm; called on the I/O thread.

    The first page has the sound. Later pages watch: they get the controls but no frames, and what they say does not
    count, until their person takes the sound (``take`` in ``hello``) or the page that has it is gone.
    """

    def __init__(
        self,
        *,
        on_message: Callable[[Message], None],
        on_error: Callable[[Exception], None],
        send_comm: Callable[[dict[str, Any], list[bytes]], None] | None = None,
    ):
        self.token = secrets.token_urlsafe(24)
        self.page: Callable[[], tuple[str, dict[str, str]]] | None = None
        """Returns the HTML and the headers of the page at the road's own address, if it has one."""
        self._on_message = on_message
        self._on_error = on_error
        self._send_comm = send_comm
        self._pages: dict[str, RoadPage] = {}
        self._holder: str | None = None
        """The name of the page that has the sound, even for a while after it was lost."""
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

    @property
    def kind(self) -> str:
        """The way to the page that has the sound: "direct", "proxy", "comm", or empty while there is none."""
        return str(self._holding.hello["road"]) if self._holding else ""

    @property
    def _holding(self) -> RoadPage | None:
        return None if self._holder is None else self._pages.get(self._holder)

    def send(self, message: Frame | dict[str, Any], *, urgent: bool = False) -> None:
        """Send a frame to the page that has the sound, or a control to all pages. Never blocks; any thread.

        `urgent`: whether it, and everything queued before it, must leave at once on the comm, too.
        """
        call_soon(self._send, encode_message(message), urgent)

    def show(self, control: dict[str, Any]) -> None:
        """Send a control only to the pages that watch. Never blocks; any thread."""
        call_soon(self._show, {"kind": "shown", "control": control})

    def give(self, document: str) -> None:
        """Give the sound to the page in a document, e.g. because its person took that of another widget there."""
        call_soon(self._give, document)

    def receive_comm(self, content: dict[str, Any], buffers: Iterable[Any]) -> None:
        """Take a bundle from the comm. Any thread: handlers run on the main thread or a subshell's."""
        held = [bytes(buffer) for buffer in buffers]
        messages = [held[m] if isinstance(m, int) else str(m) for m in content["messages"]]
        call_soon(self._take_bundle, messages, str(content.get("page", "")))

    def close(self) -> None:
        """Close the road, and tell the pages to stop looking for it."""
        self.send({"kind": "closed"}, urgent=True)
        call_soon(self._close)

    def _close(self) -> None:
        self._server.remove(self)
        pages, self._pages, self._holder = self._pages, {}, None
        for page in pages.values():
            self._hang_up(page.connection)
        self._hand_on({"kind": "gone"})

    async def serve(self, connection: ServerConnection) -> None:
        """Carry one page's socket until it closes."""
        try:
            async for data in connection:
                self._take(data, connection, self._name_of(connection))
        except ConnectionClosed:
            pass  # Laptops sleep and tabs close without a closing handshake.
        finally:
            self._leave(self._name_of(connection))

    def _name_of(self, connection: ServerConnection) -> str | None:
        return next((name for name, page in self._pages.items() if page.connection is connection), None)

    def _take_bundle(self, messages: list[str | bytes], name: str) -> None:
        for data in messages:
            self._take(data, None, name)

    def _take(self, data: str | bytes, connection: ServerConnection | None, name: str | None) -> None:
        try:
            message = decode_message(data)
            if (page := self._pages.get(name or "")) is not None:
                page.asked = False
            match message:
                case {"kind": "origin", "origin": origin}:
                    # Only the comm is Jupyter's own, authenticated channel; a socket must not add origins.
                    if connection is None:
                        self._server.origins.add(str(origin))
                case {"kind": "hello"}:
                    self._welcome(message, connection)
                case {"kind": "bye"}:
                    self._leave(name)
                case {"kind": "person", "name": str(person)} if page is not None:
                    page.person = person
                    self._tell_pages()
                case _ if page is not None and name == self._holder:
                    self._hand_on(message)  # What the others say does not count.
        except Exception as error:
            self._on_error(error)

    def _hand_on(self, message: Message) -> None:
        try:
            self._on_message(message)
        except Exception as error:
            self._on_error(error)

    # --- which page has the sound ---

    def _welcome(self, hello: dict[str, Any], connection: ServerConnection | None) -> None:
        name = str(hello.get("page", ""))
        wants_it = hello.pop("take", False) is True
        hello["road"] = str(hello["road"])
        if (old := self._pages.get(name)) is not None and old.connection not in (None, connection):
            # In words, as jupyter-server-proxy passes no close code on. Two tabs that were one have one name.
            self._put('{"kind": "namesake"}', [old], True)
            self._hang_up(old.connection)
        self._pages[name] = RoadPage(hello, connection, old.person if old else "")
        if self._holder in (None, name) or wants_it or self._is_silent():
            self._hand_over(name)
        else:
            self._tell_pages()
            self._hand_on({"kind": "onlooker"})

    def _is_silent(self) -> bool:
        """Return whether the page that has the sound was asked before, and did not answer.

        Nothing tells that a page on the comm is gone. The list of pages asks it, and newcomers come twice. The comm
        keeps the order of messages, so an answer is there before the second time, however busy the kernel is.
        """
        holding = self._holding
        if holding is None or holding.connection is not None:
            return False
        was_asked, holding.asked = holding.asked, True
        return was_asked

    def _hand_over(self, name: str) -> None:
        self._send_bundle()  # What it holds is for the page that has had the sound.
        if self._holding is not None and self._holder != name:
            self._holder = None
            self._hand_on({"kind": "gone"})
        self._holder = name
        self._tell_pages()
        page = self._pages[name]
        while self._waiting:
            self._put(self._waiting.popleft(), [page], False)
        self._hand_on(page.hello)

    def _give(self, document: str) -> None:
        for name, page in self._pages.items():
            if page.hello.get("document") == document and name != self._holder:
                return self._hand_over(name)

    def _leave(self, name: str | None) -> None:
        """Forget a page. If it had the sound, the others wait a while, because it may come back."""
        if name is None or self._pages.pop(name, None) is None:
            return
        if name == self._holder:
            self._hand_on({"kind": "gone"})
            self._loop.call_later(_RETURNS_WITHIN_S, self._give_up, name)
        if not self._pages:
            self._holder = None
        self._tell_pages()

    def _give_up(self, name: str) -> None:
        """Give the sound to the page that has watched for longest, if the lost one has not come back."""
        if self._holder == name and self._holding is None:
            self._hand_over(next(iter(self._pages)))

    def _tell_pages(self) -> None:
        """Tell all pages who is there, and which one has the sound."""
        pages = {name: page.hello["road"] for name, page in self._pages.items()}
        person = self._holding.person if self._holding else ""
        told = {"kind": "pages", "pages": pages, "holder": self._holder, "person": person}
        self._put(json.dumps(told), self._pages.values(), True)

    def _hang_up(self, connection: ServerConnection | None) -> None:
        if connection is not None:
            task = self._loop.create_task(connection.close())
            _closing.add(task)
            task.add_done_callback(_closing.discard)

    # --- to the pages ---

    def _send(self, data: str | bytes, urgent: bool) -> None:
        holding = self._holding
        if holding is None:
            self._waiting.append(data)
        if isinstance(data, str):
            self._put(data, self._pages.values(), urgent)
        elif holding is not None:
            self._put(data, [holding], urgent)

    def _show(self, message: dict[str, Any]) -> None:
        onlookers = [page for name, page in self._pages.items() if name != self._holder]
        self._put(json.dumps(message), onlookers, False)

    def _put(self, data: str | bytes, pages: Iterable[RoadPage], urgent: bool) -> None:
        connections = [page.connection for page in pages]
        # Unlike send(), broadcast() does not wait for a slow page: it must never hold up the I/O thread.
        broadcast([each for each in connections if each is not None], data)
        if None in connections:
            self._bundle.append(data)
            if urgent:
                self._send_bundle()
            elif self._bundle_timer is None:
                # At the end of this turn of the loop, so that messages sent together travel together.
                due_s = max(self._bundle_sent_s + _BUNDLE_S, self._loop.time())
                self._bundle_timer = self._loop.call_at(due_s, self._send_bundle)

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
            self._send_comm({"kind": "road", "to": self._holder, "messages": messages}, buffers)


_closing: set[asyncio.Task[None]] = set()
_shared_server: RoadServer | None = None


def _road_server() -> RoadServer:
    global _shared_server
    if _shared_server is None:
        _shared_server = RoadServer()
    return _shared_server
