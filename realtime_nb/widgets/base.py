"""What all widgets share: a road to the page, state that follows it, and errors that the person sees."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets

from ..bridge import Frame, Message, Road, Shot
from ..views.html import escape

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
    """A widget without a view whose comm carries bundles from the page, and nothing but answers back."""

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
    """A widget with a JavaScript module of its own that looks like the others."""

    _css = static_text("widgets.css")


class BaseWidget(StyledWidget):
    """A widget with an audio road.

    The page and the kernel keep each other's state by controls on the road, not by synced traits: the road reaches
    the I/O thread also while a cell runs, and has one order. Traits in `_shared` follow it both ways.
    """

    _parts_needed: tuple[str, ...] = ("road.js", "carrier.worker.js")
    _shared: tuple[str, ...] = ()

    _parts = traitlets.Dict().tag(sync=True)
    _door = traitlets.Dict().tag(sync=True)
    _uplink = traitlets.Instance(ipywidgets.Widget).tag(sync=True, **ipywidgets.widget_serialization)

    road = traitlets.Unicode("", read_only=True)
    """How the page is reached: "direct", "proxy", "comm", or empty while it is not. Read only."""
    error = traitlets.Unicode("")
    """What went wrong last, in words; also shown in the widget. Empty while all is well."""

    def __init__(self, **kwargs: Any):
        # traitlets only warns about a misspelt keyword, and the warning is lost in a notebook.
        unknown = [name for name in kwargs if name.startswith("_") or not self.has_trait(name)]
        if unknown:
            raise TypeError(f"{type(self).__name__} has no option {', '.join(map(repr, unknown))}")
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "hello": self._on_hello,
            "gone": self._on_gone,
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
        """Return the live widget, and words for where there is no kernel to make it live."""
        shown = super()._repr_mimebundle_(**kwargs)
        if shown is None:
            return None  # It is closed.
        data, metadata = shown
        return data | {"text/plain": repr(self), "text/html": f"<p>{escape(repr(self))}</p>"}, metadata

    def close(self) -> None:
        """Take the widget off the page and shut its road."""
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
        elif isinstance(message, Shot):
            self._on_shot(message)
        elif handler := self._handlers.get(message["kind"]):
            handler(message)

    def _on_frame(self, frame: Frame) -> None:
        """Take audio from the page; on the I/O thread."""

    def _on_shot(self, shot: Shot) -> None:
        """Take a picture from the page; on the I/O thread."""

    def _on_hello(self, message: dict[str, Any]) -> None:
        self.set_trait("road", self._road.kind)
        with self._page_lock:
            self._page = {}
            for name in (*self._shared, "error"):
                self._tell_page_of(name, getattr(self, name))

    def _on_gone(self, message: dict[str, Any]) -> None:
        self.set_trait("road", "")

    def _on_shared(self, message: dict[str, Any]) -> None:
        name, value = message["name"], message["value"]
        if name in (*self._shared, "error"):
            with self._page_lock:
                self._page[name] = value
                setattr(self, name, value)

    def _on_problem(self, message: dict[str, Any]) -> None:
        with self._page_lock:
            self._page["error"] = self.error = str(message["text"])

    def _tell_page(self, change: Any) -> None:
        with self._page_lock:
            self._tell_page_of(change["name"], change["new"])

    def _tell_page_of(self, name: str, value: Any) -> None:
        # What the page said itself does not go back to it: an echo that comes late would undo a second click.
        if name not in self._page or self._page[name] != value:
            self._page[name] = value
            self._road.send({"kind": "shared", "name": name, "value": value}, urgent=True)

    def _show_error(self, error: BaseException) -> None:
        """Let the person see an exception that was raised where nobody catches it."""
        self.error = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

    def _watch(self, pending: Any) -> None:
        """Show the exception of a `Pending` that nobody waits for."""
        pending.add_done_callback(self._show_pending)

    def _show_pending(self, pending: Any) -> None:
        if not pending.cancelled() and (error := pending.exception()) is not None:
            self._show_error(error)
