"""What the model is told beforehand, on the page: its instructions, which the person may change, and its tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..bridge import Road
from .turn_desk import tell_of_cache

_TOLD_AT = ("session.created", "session.updated", "session.state")


class GuideDesk:
    """A page's view of the settings that a model reads. Everything here runs on the I/O thread.

    Parameters
    ----------
    session : Session
        Whose settings.
    road : Road
        The way to the page.
    watch : callable
        Takes each `Pending` that nobody waits for, to show its error.
    """

    def __init__(self, session: Any, road: Road, watch: Callable[[Any], None]):
        self._session = session
        self._road = road
        self._watch = watch
        self._told: dict[str, Any] = {}
        self.handlers: dict[str, Callable[[dict[str, Any]], None]] = {"instruct": self._on_instruct}

    def on_event(self, event: Any) -> None:
        """Follow the session; events that are not about settings change nothing."""
        if event.type in _TOLD_AT:
            self.tell()

    def tell(self, *, anew: bool = False) -> None:
        """Tell the page what has changed; all of it to one that comes `anew`."""
        told = {"kind": "guide", "instructions": self._session.instructions, "tools": self._session.tool_names}
        if self._road.kind and (anew or told != self._told):
            self._told = told
            self._road.send(told, urgent=True)

    def _on_instruct(self, message: dict[str, Any]) -> None:
        tell_of_cache(self._session, self._road, "changing instructions or tools")
        self._watch(self._session.update(instructions=str(message["text"])))
