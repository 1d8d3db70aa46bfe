"""The record of a conversation as a widget, for front ends that show widgets only."""

from __future__ import annotations

import contextlib
from typing import Any

import traitlets

from ..conversation.conversation import Conversation
from ..views import mimebundle
from .base import Redrawing, StyledWidget, static_text


class ConversationRecord(StyledWidget):
    """The record of a conversation, which grows with it: a player with its picture as the seek bar, words and costs.

    In Jupyter a `VoicePanel` shows the record by itself. Use this widget beside the panel in other front ends, e.g. in
    marimo or Shiny, or to show the record in another place.

    Parameters
    ----------
    source : RealtimeSession, ChatSession, CascadeSession, Conversation or Recording
        What to show. With a session the record is drawn again after each reply.

    Raises
    ------
    TypeError
        If it has no conversation.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> session = rt.RealtimeSession(backend="local")
    >>> rt.ConversationRecord(session)
    ConversationRecord(0 turns): run the cell to see it

    Notes
    -----
    It needs a kernel. To keep a record in a saved notebook, show ``session.conversation``.
    """

    _esm = static_text("record.js")
    _html = traitlets.Unicode("").tag(sync=True)

    error = traitlets.Unicode("", read_only=True)
    """Why the record could not be drawn; empty if all is well. Read only."""

    def __init__(self, source: Any):
        conversation = getattr(source, "conversation", source)
        if not isinstance(conversation, Conversation):
            raise TypeError(f"{type(source).__name__} has no conversation: give a session, conversation or recording")
        self.conversation = conversation
        self._redraw = Redrawing(self._draw, lambda error: self.set_trait("error", str(error)))
        self._stop_listening = source.listen(self._on_event) if hasattr(source, "listen") else lambda: None
        super().__init__()
        self._redraw.want()

    def __repr__(self) -> str:
        return f"ConversationRecord({len(self.conversation)} turns): run the cell to see it"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        shown = super()._repr_mimebundle_(**kwargs)
        if shown is None:
            return None  # It is closed.
        data, metadata = shown
        return data | mimebundle(self.conversation), metadata

    def close(self) -> None:
        """Remove the record from the page; the conversation stays as it is."""
        with contextlib.suppress(AttributeError):  # `__del__` also comes here when the constructor raised.
            self._stop_listening()
        super().close()

    def _on_event(self, event: Any, elapsed_ms: float) -> None:
        if event.type == "response.done" or (event.type == "playback.heard" and event.stopped):
            self._redraw.want()

    def _draw(self) -> int:
        self._html = mimebundle(self.conversation)["text/html"]
        return len(self._html)
