"""What a page is told of tools: which run, and which wait for the person's approval; and what the person decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .road import Road

#: What somebody may be asked to read before agreeing. Who is asked about more can only refuse with a good conscience.
_LONGEST_QUESTION = 20_000


class ToolDesk:
    """A page's view of the tools of a session. Everything here runs on the I/O thread."""

    def __init__(self, session: Any, road: Road):
        self._session = session
        self._road = road
        self._running: dict[str, str] = {}
        # Whoever sees the page can be asked.
        self.leave = session.attend(lambda: bool(road.kind))
        self.handlers: dict[str, Callable[[dict[str, Any]], None]] = {"decide": self._decide}

    @property
    def busy(self) -> bool:
        """True if a tool runs, or waits for approval."""
        return bool(self._running or self._session.open_approvals)

    def on_event(self, event: Any) -> None:
        """Follow the session; events that are not about tools change nothing."""
        if event.type == "tool.started":
            self._running[event.call_id] = event.name
        elif event.type == "tool.done":
            self._running.pop(event.call_id, None)
        elif not event.type.startswith("tool."):
            return
        self.tell()

    def tell(self) -> None:
        """Tell the page all of it."""
        asks = [
            {
                "call_id": asked.call_id,
                "name": asked.name,
                "server_label": asked.server_label,
                "arguments": bounded(asked.arguments, _LONGEST_QUESTION),
            }
            for asked in self._session.open_approvals
        ]
        self._road.send({"kind": "tools", "running": list(self._running.values()), "asks": asks}, urgent=True)

    def _decide(self, message: dict[str, Any]) -> None:
        # Nothing but a plain yes is one.
        self._session.decide(str(message["call_id"]), message["approved"] is True)
        self.tell()


def bounded(text: str, most: int) -> str:
    """Return a text, cut where it is too long, and then how long it is."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"
