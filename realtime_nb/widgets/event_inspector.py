"""A session's events in the page, in both directions, with time, size and JSON: as a widget, and in the panel."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from ..loop import call_soon, io_loop
from ..protocol.events import encode
from .base import BaseWidget, static_text
from .road import Road
from .rows import bounded

#: How often new events go to the page.
_EVERY_S = 0.1
#: The most events in one message, so that a long session does not block the road.
_MOST_AT_ONCE = 1_000
#: The page keeps this many events, and drops older ones.
KEPT = 20_000
_LONGEST_TEXT = 300
_LONGEST_JSON = 100_000
#: The most characters of JSON to copy at once.
_LONGEST_COPY = 2_000_000


class EventFeed:
    """Sends a session's events to a page while it looks at them. Everything here runs on the I/O thread."""

    def __init__(self, session: Any, road: Road):
        self._session = session
        self._road = road
        self._sent = 0
        self._timer: asyncio.TimerHandle | None = None
        self.handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "inspect": self._on_inspect,
            "event": self._on_event,
            "copy": self._on_copy,
        }

    def begin(self) -> None:
        """Send what has passed so far, and whatever passes from now on."""
        self.stop()
        self._sent = max(0, len(self._session.log) - KEPT)
        self._road.send({"kind": "begin", "first": self._sent, "kept": KEPT})
        self._tell()

    def stop(self) -> None:
        """Send no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self) -> None:
        """Send what is new, and come back for more."""
        entries = self._session.log[self._sent : self._sent + _MOST_AT_ONCE]
        if entries:
            rows = [_row(entry) for entry in entries]
            self._road.send({"kind": "events", "first": self._sent, "rows": rows})
            self._sent += len(entries)
        self._timer = io_loop().call_later(0 if len(entries) == _MOST_AT_ONCE else _EVERY_S, self._tell)

    def _on_inspect(self, message: dict[str, Any]) -> None:
        if message["on"] is True:
            self.begin()
        else:
            self.stop()

    def _on_event(self, message: dict[str, Any]) -> None:
        index = int(message["index"])
        if 0 <= index < len(self._session.log):
            self._road.send({"kind": "json", "index": index, "text": shown_json(self._session.log[index].event)})

    def _on_copy(self, message: dict[str, Any]) -> None:
        """Send runs of events, each an index and a number, as one JSON list."""
        texts: list[str] = []
        size = 0
        for first, count in message["runs"]:
            for entry in self._session.log[int(first) : int(first) + int(count)]:
                told = {"elapsed_ms": round(entry.elapsed_ms, 3), "direction": entry.direction}
                text = json.dumps(told | _shortened(json.loads(encode(entry.event))), ensure_ascii=False)
                size += len(text)
                if size > _LONGEST_COPY:
                    break
                texts.append(text)
        self._road.send({"kind": "copied", "count": len(texts), "text": "[\n" + ",\n".join(texts) + "\n]"})


class EventInspector(BaseWidget):
    """All events of a session as they pass: what was sent, received, and noted by this package.

    Runs of the same event, such as the deltas of an answer, are one line. Search by type or id, choose an item to see
    only its events, and click a line to see its JSON; the events that are shown can be copied as one JSON list. Sound
    and pictures are shortened there. A `VoicePanel` has the same under *Events*.

    Parameters
    ----------
    session : RealtimeSession, ChatSession or CascadeSession
        The session to look into. The inspector shows what has passed so far, too.

    Raises
    ------
    TypeError
        If it is something else.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> session = rt.RealtimeSession(backend="local")
    >>> rt.EventInspector(session)
    EventInspector(local, 0 events): run the cell to see them

    Notes
    -----
    The page keeps the last 20,000 events. The session keeps all: ``list(session.log)``.
    """

    _esm = static_text("inspector.js")

    def __init__(self, session: Any):
        if not hasattr(session, "log"):
            raise TypeError(f"{type(session).__name__} has no events to show: give a session")
        self.session = session
        super().__init__()
        self._feed = EventFeed(session, self._road)
        self._handlers |= self._feed.handlers

    def __repr__(self) -> str:
        about = f"{self.session.backend.name}, {len(self.session.log)} events"
        return f"EventInspector({about}): run the cell to see them"

    def close(self) -> None:
        """Remove the inspector from the page."""
        if feed := getattr(self, "_feed", None):
            call_soon(feed.stop)
        super().close()

    # --- on the I/O thread ---

    def _on_hello(self, message: dict[str, Any]) -> None:
        super()._on_hello(message)
        self._feed.begin()

    def _on_gone(self, message: dict[str, Any]) -> None:
        super()._on_gone(message)
        self._feed.stop()


def _row(entry: Any) -> list[Any]:
    """Return what a line shows: time, direction, type, bytes, the id that it is about, and how serious it is."""
    event = entry.event
    size = len(encode(event)) + (entry.audio_bytes * 4 // 3 if not getattr(event, "audio", None) else 0)
    return [entry.elapsed_ms, entry.direction, event.type, size, bounded(_about(event), 100), _tone(event)]


def _about(event: Any) -> str:
    item, response = getattr(event, "item", None), getattr(event, "response", None)
    ids = (
        *(getattr(event, "item_id", None), getattr(item, "id", None)),
        *(getattr(event, "response_id", None), getattr(response, "id", None)),
    )
    return next((each for each in ids if isinstance(each, str) and each), "")


def _tone(event: Any) -> str:
    if event.type == "error" or getattr(event, "error", None):
        return "bad"
    return "warn" if event.type in ("session.remarked", "guard.flagged", "budget.stopped") else ""


def shown_json(event: Any) -> str:
    """Return an event's JSON for people: indented, with long texts and sounds cut."""
    return bounded(json.dumps(_shortened(json.loads(encode(event))), indent=2, ensure_ascii=False), _LONGEST_JSON)


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return bounded(value, _LONGEST_TEXT)
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items()}
    return [_shortened(each) for each in value] if isinstance(value, list) else value
