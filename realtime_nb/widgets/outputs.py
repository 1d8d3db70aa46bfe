"""The static outputs of a live panel: what is left of it in a saved notebook."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

#: Pictures take librosa and matplotlib, seconds on first use: neither the I/O thread nor a comm handler may wait.
_painter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="realtime_nb-records")

_EMPTY = {"text/plain": "", "text/html": ""}


class Outputs:
    """Three outputs of one cell: the live widget, the record, and its picture.

    The picture is an output of its own because code hosts strip audio and scripts but keep PNGs and tables.
    Updates name their output by its display id, so they may come from any thread and long after the cell.

    Parameters
    ----------
    conversation : Conversation
        What is shown below the live widget.
    on_error : callable
        Called with what drawing the record raised.
    """

    def __init__(self, conversation: Any, *, on_error: Callable[[Exception], None]):
        self._conversation = conversation
        self._on_error = on_error
        self._id = f"realtime-nb-{uuid.uuid4().hex}"
        self._shown = False
        self._wanted = threading.Event()

    def show(self, live: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Display the live widget, and places for the record and its picture."""
        from IPython.display import display

        display(live, metadata=metadata, raw=True, display_id=self._id)
        record, picture = self._draw()
        display(record, raw=True, display_id=f"{self._id}-record")
        display(picture, raw=True, display_id=f"{self._id}-picture")
        self._shown = True

    def update(self) -> None:
        """Draw the record anew, soon. Calls that come while it is being drawn are one."""
        if self._shown and not self._wanted.is_set():
            self._wanted.set()
            _painter.submit(self._update)

    def end(self, note: dict[str, str]) -> None:
        """Replace the live widget by a note, and draw the record for the last time."""
        if self._shown:
            _painter.submit(self._publish, note, self._id)
            self.update()

    def _update(self) -> None:
        self._wanted.clear()
        try:
            record, picture = self._draw()
            self._publish(record, f"{self._id}-record")
            self._publish(picture, f"{self._id}-picture")
        except Exception as error:
            self._on_error(error)

    def _draw(self) -> tuple[dict[str, Any], dict[str, Any]]:
        if not self._conversation.replies:
            return _EMPTY, _EMPTY
        from ..views import conversation_outputs

        record, picture = conversation_outputs(self._conversation)
        return record, picture or _EMPTY

    def _publish(self, bundle: dict[str, Any], display_id: str) -> None:
        from IPython.display import update_display

        update_display(bundle, raw=True, display_id=display_id)
