"""For how long nothing has happened in a session: nobody spoke, asked, answered or listened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..wire import events as ev
from ..wire.local import ApprovalAsked, ApprovalGiven, Heard, StateChanged, ToolDone, ToolStarted

_SPEECH = "speech"


class Idleness:
    """Follows a session's events. A microphone that is open, but hears nobody, is idle; so is a page that is gone."""

    def __init__(self) -> None:
        self._last_ms = 0.0
        self._busy: set[str] = set()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is going on that somebody waits for."""
        return not self._busy

    def touch(self, elapsed_ms: float) -> None:
        """Note that somebody wants something."""
        self._last_ms = max(self._last_ms, elapsed_ms)

    def note(self, event: Any, elapsed_ms: float) -> None:
        """Take an event into account; most say nothing about it."""
        change = _CHANGES.get(type(event))
        if change is not None:
            self.touch(elapsed_ms)
            change(self._busy, event)

    def idle_ms(self, elapsed_ms: float, sent_ms: float) -> float:
        """Return for how long nothing has happened.

        Parameters
        ----------
        elapsed_ms : float
            Session time now.
        sent_ms : float
            Session time at which anything was last sent or came: who went away in the middle of a word sends nothing.
        """
        if not self._busy:
            return max(0.0, elapsed_ms - self._last_ms)
        return max(0.0, elapsed_ms - max(self._last_ms, sent_ms)) if self._busy == {_SPEECH} else 0.0


def _closed(busy: set[str], event: StateChanged) -> None:
    busy.clear()


_CHANGES: dict[type, Callable[[set[str], Any], None]] = {
    StateChanged: _closed,
    ev.InputAudioBufferSpeechStarted: lambda busy, event: busy.add(_SPEECH),
    ev.InputAudioBufferSpeechStopped: lambda busy, event: busy.discard(_SPEECH),
    ev.InputAudioBufferCommitted: lambda busy, event: busy.discard(_SPEECH),
    ev.InputAudioBufferCleared: lambda busy, event: busy.discard(_SPEECH),
    ev.ConversationItemAdded: lambda busy, event: None,
    ev.ResponseCreated: lambda busy, event: busy.add(event.response.id),
    ev.ResponseDone: lambda busy, event: busy.discard(event.response.id),
    Heard: lambda busy, event: None,
    ToolStarted: lambda busy, event: busy.add(event.call_id),
    ToolDone: lambda busy, event: busy.discard(event.call_id),
    ApprovalAsked: lambda busy, event: busy.add(event.call_id),
    ApprovalGiven: lambda busy, event: busy.discard(event.call_id),
}
