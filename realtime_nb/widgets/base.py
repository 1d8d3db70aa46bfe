"""The base of all widgets: a road to the page, its clock, and the outputs that stay in the notebook."""

from __future__ import annotations

import atexit
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import anywidget
import ipywidgets
import traitlets

from .. import numeric
from ..loop import call_soon, io_loop
from ..protocol.local_events import ClockAligned
from ..views.html import paragraph
from .road import CameraShot, Frame, Message, Road

# --- The static outputs of a live panel, which stay in a saved notebook -----------------------------------------------

#: Pictures load librosa and matplotlib, seconds on first use: neither the I/O thread nor a comm handler may wait.
_painter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="realtime_nb-records")

#: A record with ten minutes of players is megabytes. It is redrawn less and less often, so that it never loads the line
#: to the page more than this; the conversation's sound takes 48 kB/s each way.
_BYTES_PER_S = 100_000
#: Nor does drawing it take more than this part of one processor.
_REST = 9

_EMPTY = {"text/plain": "", "text/html": ""}


def _stand_in() -> dict[str, str]:
    """Return an output that looks empty, and writes a note where Jupyter writes "model not found" above it.

    A notebook that was saved while the widget was live has the widget's model id in it, and JupyterLab and Notebook
    then show an error, no matter what else the output holds. So does a second window that was opened in the moment when
    the widget was made; there a reload helps. Only a style in a later output can still replace that text. A live widget
    is not just text, so the style does not touch it.
    """
    note = "To talk again, run this notebook from the top. If this panel is open in another window, reload the page."
    error = ".jp-OutputArea-child:has(~ * .rtnb-stand-in) > .jupyter-widgets:not(:has(*))"
    style = f"{error} {{ font-size: 0; }} {error}::after {{ content: '{note}'; font-size: 13px; }}"
    return {"text/plain": "", "text/html": f'<style class="rtnb-stand-in">{style}</style>'}


#: The picture is as wide as the record, in pixels.
_AS_WIDE = {"image/png": {"width": 720}}


class Redrawing:
    """Draws something again soon after it has changed; the larger it is, the less often.

    `draw` returns the size of the drawing in bytes; it runs on its own thread.
    """

    def __init__(self, draw: Callable[[], int], on_error: Callable[[Exception], None]):
        self._draw = draw
        self._on_error = on_error
        self._wanted = threading.Event()
        self._next_s = 0.0

    def want(self) -> None:
        """Draw soon; several calls before that count as one."""
        if not self._wanted.is_set():
            self._wanted.set()
            call_soon(self._submit)

    def want_now(self) -> None:
        """Draw as soon as the thread is free."""
        self._wanted.set()
        _painter.submit(self.run)

    def run(self, *, anyway: bool = False) -> None:
        """Draw at once, if that is still wanted."""
        if not self._wanted.is_set() and not anyway:
            return  # `want_now` came first.
        self._wanted.clear()
        try:
            began_s = time.monotonic()
            size = self._draw()
            now_s = time.monotonic()
            self._next_s = now_s + max(size / _BYTES_PER_S, (now_s - began_s) * _REST)
        except Exception as error:
            self._on_error(error)

    def _submit(self) -> None:
        io_loop().call_later(max(0.0, self._next_s - time.monotonic()), _painter.submit, self.run)


class Outputs:
    """The three outputs of a cell: the live widget, the record, and its picture.

    While the widget is live, the picture is part of the record, as its seek bar, and the words, which the widget shows,
    are behind a fold. At the end, the record holds the words, and the picture is an output of its own, because code
    hosts strip audio and scripts but keep PNGs and tables. Updates name their output by its display id, so they can
    come from any thread and long after the cell.
    """

    def __init__(self, conversation: Any, *, note: dict[str, str], on_error: Callable[[Exception], None]):
        self._conversation = conversation
        self._note = note
        self._id = f"realtime-nb-{uuid.uuid4().hex}"
        self._shown = False
        self._redraw = Redrawing(self._update, on_error)
        self._there: dict[str, dict[str, Any]] = {}

    def show(self, live: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Display the live widget, and empty outputs for the record and its picture."""
        from IPython.display import display

        display(live, metadata=metadata, raw=True, display_id=self._id)
        self._shown = True
        for name, bundle in self._draw().items():
            self._there[name] = bundle
            display(bundle, raw=True, display_id=f"{self._id}-{name}")
        atexit.register(self._at_exit)

    def update(self) -> None:
        """Redraw the record soon; several calls before that count as one."""
        if self._shown:
            self._redraw.want()

    def catch_up(self) -> None:
        """Redraw the record now, if that is still to be done: the notebook may be saved as it is."""
        if self._shown:
            _painter.submit(self._redraw.run)

    def end(self) -> None:
        """Replace the live widget with the note, and draw the record one last time."""
        if self._shown:
            self._shown = False
            atexit.unregister(self._at_exit)
            _painter.submit(self._publish, self._note, self._id)
            self._redraw.want_now()

    def _at_exit(self) -> None:
        """Replace the live widget when the kernel shuts down: a saved notebook could not revive it."""
        self._shown = False
        self._publish(self._note, self._id)
        self._redraw.run(anyway=True)

    def _update(self) -> int:
        drawn = self._draw()
        for name, bundle in drawn.items():
            if bundle != self._there.get(name):
                self._there[name] = bundle
                self._publish(bundle, f"{self._id}-{name}")
        return sum(len(text) for bundle in drawn.values() for text in bundle.values())

    def _draw(self) -> dict[str, dict[str, Any]]:
        empty = _stand_in() if self._shown else _EMPTY
        if not self._conversation.replies:
            return {"record": _EMPTY, "picture": empty}
        from ..views.conversation import conversation_outputs

        record, picture = conversation_outputs(self._conversation, live=self._id if self._shown else "")
        return {"record": record, "picture": picture or empty}

    def _publish(self, bundle: dict[str, Any], display_id: str) -> None:
        from IPython.display import update_display

        update_display(bundle, metadata=_AS_WIDE, raw=True, display_id=display_id)


# --- The page's clock, compared with the kernel's by exchanging messages ----------------------------------------------

#: The quickest of several exchanges was delayed least (RFC 5905, §10: the clock filter).
_EXCHANGES = 8
#: Browsers round `Date.now()` down to this.
_RESOLUTION_MS = 1.0


class ClockExchange(NamedTuple):
    """A question and its answer; the kernel's times are on its monotonic clock."""

    sent_ms: float
    page_ms: float
    received_ms: float

    @property
    def round_trip_ms(self) -> float:
        """Milliseconds from the question to the answer."""
        return self.received_ms - self.sent_ms

    @property
    def offset_ms(self) -> float:
        """How far the page's clock is ahead, if it answered halfway through the round trip."""
        return self.page_ms - (self.sent_ms + self.received_ms) / 2

    @property
    def error_ms(self) -> float:
        """The largest error of `offset_ms`, however the round trip was divided."""
        return self.round_trip_ms / 2 + _RESOLUTION_MS


def quickest(exchanges: Sequence[ClockExchange]) -> ClockExchange:
    """Return the exchange with the shortest round trip."""
    return min(exchanges, key=lambda exchange: exchange.round_trip_ms)


class PageClock:
    """One page's clock. Everything here runs on the I/O thread."""

    def __init__(self, road: Road, on_aligned: Callable[[], None]):
        self._road = road
        self._on_aligned = on_aligned
        self._exchanges: list[ClockExchange] = []
        self._asked_ms: float | None = None
        self._best: ClockExchange | None = None

    def align(self) -> None:
        """Ask the page for its time a few times; clocks drift, so do this with every turn.

        There is no timer: on the widget comm every message makes a notebook blink, even while no one speaks.
        """
        if self._exchanges:
            self._conclude()  # The page answers slowly: use what there is.
        self._ask()

    def forget(self) -> None:
        """Forget a page that is gone."""
        self._asked_ms = self._best = None
        self._exchanges = []

    @property
    def aligned(self) -> ClockAligned | None:
        """The best of the last exchanges; `None` before the first."""
        if self._best is None:
            return None
        # Reported for the wall clocks, which people read; computed with the monotonic clock, which no one sets.
        wall_ms = time.time() * 1000 - _now_ms()
        return ClockAligned(
            offset_ms=self._best.offset_ms - wall_ms,
            error_ms=self._best.error_ms,
            round_trip_ms=self._best.round_trip_ms,
        )

    def ago_ms(self, page_ms: float) -> float | None:
        """Return how long ago it was this time in the page; `None` if that is not known."""
        return None if self._best is None else _now_ms() - (page_ms - self._best.offset_ms)

    def on_answer(self, message: dict[str, Any]) -> None:
        """Take the page's answer."""
        if message["sent_ms"] != self._asked_ms:
            return  # Too late: the next round has begun, or another page has come.
        self._exchanges.append(ClockExchange(message["sent_ms"], float(message["time_ms"]), _now_ms()))
        if len(self._exchanges) < _EXCHANGES:
            self._ask()
        else:
            self._conclude()

    def _ask(self) -> None:
        self._asked_ms = _now_ms()
        self._road.send({"kind": "clock", "sent_ms": self._asked_ms}, urgent=True)

    def _conclude(self) -> None:
        self._best, self._exchanges, self._asked_ms = quickest(self._exchanges), [], None
        self._on_aligned()


def _now_ms() -> float:
    return time.perf_counter() * 1000


# --- The base of all widgets: a road to the page, shared state, and errors that the person sees -----------------------

_STATIC = Path(__file__).parent / "static"

#: How often the upstream comm answers while bundles arrive. ipykernel 7.4 hands a comm's messages to the shell that
#: last sent on it: by answering from inside the handler, the upstream stays on the front end's subshell and is read
#: even while a cell blocks the main thread (ipykernel/comm/comm.py, `_reply_subshell_for`).
_ANSWER_EVERY_S = 0.5


def static_text(name: str) -> str:
    """Return a module or style sheet of the widgets, as text.

    Given a path, anywidget 0.11 watches the file, and the watcher keeps every widget alive for good
    (anywidget/widget.py, ``value.changed.connect``).
    """
    return (_STATIC / name).read_text("utf-8")


class Uplink(ipywidgets.Widget):
    """A widget without a view; its comm carries bundles from the page, and only answers back."""

    def __init__(self, road: Road):
        super().__init__()
        self._road = road
        self._answered_s = 0.0
        self.on_msg(self._take)

    def _take(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        if content.get("kind") != "road":
            return
        self._road.receive_comm(content, buffers)
        now_s = time.monotonic()
        if now_s - self._answered_s >= _ANSWER_EVERY_S:
            self._answered_s = now_s
            self.send({"kind": "taken"})


class StyledWidget(anywidget.AnyWidget):
    """A widget with its own JavaScript module and the common style."""

    _css = static_text("widgets.css")


class BaseWidget(StyledWidget):
    """A widget with an audio road.

    Page and kernel share state by controls on the road, not by synced traits: the road reaches the I/O thread even
    while a cell runs, and keeps one order. Traits in `_shared` follow it both ways.
    """

    _parts_needed: tuple[str, ...] = ("road.js", "carrier.worker.js")
    _shared: tuple[str, ...] = ()

    _parts = traitlets.Dict().tag(sync=True)
    _door = traitlets.Dict().tag(sync=True)
    _uplink = traitlets.Instance(ipywidgets.Widget).tag(sync=True, **ipywidgets.widget_serialization)

    road = traitlets.Unicode("", read_only=True)
    """How the page is connected: "direct", "proxy", "comm", or empty if it is not. Read only."""
    error = traitlets.Unicode("")
    """The last error, in words; the widget shows it too. Empty if all is well."""

    def __init__(self, **kwargs: Any):
        # traitlets only warns about a misspelt keyword, and the warning is lost in a notebook.
        unknown = [name for name in kwargs if name.startswith("_") or not self.has_trait(name)]
        if unknown:
            raise TypeError(f"{type(self).__name__} has no option {', '.join(map(repr, unknown))}")
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "hello": self._on_hello,
            "gone": self._on_gone,
            "onlooker": self._on_onlooker,
            "shared": self._on_shared,
            "problem": self._on_problem,
        }
        self._page: dict[str, Any] = {}
        self._page_lock = threading.RLock()
        self._road = Road(on_message=self._on_message, on_error=self._show_error, send_comm=self._send_comm)
        super().__init__(
            _parts={name: static_text(name) for name in self._parts_needed},
            _door=self._road.address,
            _uplink=Uplink(self._road),
            **kwargs,
        )
        self.observe(self._tell_page, [*self._shared, "error"])

    def __repr__(self) -> str:
        return f"{type(self).__name__}: run the cell to use it"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return the live widget, and a text for notebooks without a kernel."""
        shown = super()._repr_mimebundle_(**kwargs)
        if shown is None:
            return None  # It is closed.
        data, metadata = shown
        return data | {"text/plain": repr(self), "text/html": str(paragraph(repr(self)))}, metadata

    def close(self) -> None:
        """Remove the widget from the page and close its road."""
        road = getattr(self, "_road", None)  # `__del__` also comes here when the constructor raised.
        if road is not None and self.comm is not None:
            road.close()
            self._uplink.close()
        super().close()

    def _send_comm(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self.send(content, buffers)

    def _on_message(self, message: Message) -> None:
        if isinstance(message, Frame):
            self._on_frame(message)
        elif isinstance(message, CameraShot):
            self._on_shot(message)
        elif handler := self._handlers.get(message["kind"]):
            handler(message)

    def _on_frame(self, frame: Frame) -> None:
        """Take audio from the page; on the I/O thread."""

    def _on_shot(self, shot: CameraShot) -> None:
        """Take a picture from the page; on the I/O thread."""

    def _on_hello(self, message: dict[str, Any]) -> None:
        self.set_trait("road", self._road.kind)
        _painter.submit(numeric.load)  # The first sound comes on this thread, which must not wait for it.
        with self._page_lock:
            self._page = {}
            for name in (*self._shared, "error"):
                self._tell_page_of(name, getattr(self, name))

    def _on_onlooker(self, message: dict[str, Any]) -> None:
        """Send the current state to a page that only watches."""
        for name in (*self._shared, "error"):
            self._road.show({"kind": "shared", "name": name, "value": getattr(self, name)})

    def _on_gone(self, message: dict[str, Any]) -> None:
        self.set_trait("road", "")

    def _on_shared(self, message: dict[str, Any]) -> None:
        name, value = message["name"], message["value"]
        if name in (*self._shared, "error"):
            with self._page_lock:
                self._page[name] = value
                setattr(self, name, value)
            self._road.show(message)

    def _on_problem(self, message: dict[str, Any]) -> None:
        with self._page_lock:
            self._page["error"] = self.error = str(message["text"])
        self._road.show({"kind": "shared", "name": "error", "value": self.error})

    def _tell_page(self, change: Any) -> None:
        with self._page_lock:
            self._tell_page_of(change["name"], change["new"])

    def _tell_page_of(self, name: str, value: Any) -> None:
        # Do not send the page's own changes back: a late echo would undo a second click.
        if name not in self._page or self._page[name] != value:
            self._page[name] = value
            self._road.send({"kind": "shared", "name": name, "value": value}, urgent=True)

    def _show_error(self, error: BaseException) -> None:
        """Show the person an exception that is not caught anywhere."""
        self.error = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

    def _watch(self, pending: Any) -> None:
        """Show the exception of a `Pending` that no one waits for."""
        pending.add_done_callback(self._show_pending)

    def _show_pending(self, pending: Any) -> None:
        if not pending.cancelled() and (error := pending.exception()) is not None:
            self._show_error(error)
