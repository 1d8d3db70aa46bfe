"""The static outputs of a live panel: what is left of it in a saved notebook."""

from __future__ import annotations

import atexit
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..loop import call_soon, io_loop

#: Pictures take librosa and matplotlib, seconds on first use: neither the I/O thread nor a comm handler may wait.
_painter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="realtime_nb-records")

#: A record with ten minutes of players is megabytes: it is drawn anew less and less often, so that it never takes
#: more of the line to the page than the sound of the conversation itself, which is 48 kB/s each way.
_BYTES_PER_S = 100_000

_EMPTY = {"text/plain": "", "text/html": ""}


class Outputs:
    """Three outputs of one cell: the live widget, the record, and its picture.

    The picture is an output of its own because code hosts strip audio and scripts but keep PNGs and tables.
    Updates name their output by its display id, so they may come from any thread and long after the cell.

    Parameters
    ----------
    conversation : Conversation
        What is shown below the live widget.
    note : dict
        What takes the place of the live widget in the end, by MIME type.
    on_error : callable
        Called with what drawing the record raised.
    """

    def __init__(self, conversation: Any, *, note: dict[str, str], on_error: Callable[[Exception], None]):
        self._conversation = conversation
        self._note = note
        self._on_error = on_error
        self._id = f"realtime-nb-{uuid.uuid4().hex}"
        self._shown = False
        self._wanted = threading.Event()
        self._next_s = 0.0
        self._there: dict[str, dict[str, Any]] = {}

    def show(self, live: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Display the live widget, and places for the record and its picture."""
        from IPython.display import display

        display(live, metadata=metadata, raw=True, display_id=self._id)
        for name, bundle in self._draw().items():
            self._there[name] = bundle
            display(bundle, raw=True, display_id=f"{self._id}-{name}")
        self._shown = True
        atexit.register(self._at_exit)

    def update(self) -> None:
        """Draw the record anew, soon. Calls that come before it is drawn are one."""
        if self._shown and not self._wanted.is_set():
            self._wanted.set()
            call_soon(self._submit)

    def end(self) -> None:
        """Replace the live widget by the note, and draw the record for the last time."""
        if self._shown:
            self._shown = False
            atexit.unregister(self._at_exit)
            self._wanted.set()
            _painter.submit(self._publish, self._note, self._id)
            _painter.submit(self._update)

    def _at_exit(self) -> None:
        """Leave a saved notebook no widget that nobody can revive: a kernel that is shut down may still speak."""
        self._publish(self._note, self._id)
        self._update()

    def _submit(self) -> None:
        io_loop().call_later(max(0.0, self._next_s - time.monotonic()), _painter.submit, self._update)

    def _update(self) -> None:
        if not self._wanted.is_set():
            return  # The end came first.
        self._wanted.clear()
        try:
            drawn = self._draw()
            for name, bundle in drawn.items():
                if bundle != self._there.get(name):
                    self._there[name] = bundle
                    self._publish(bundle, f"{self._id}-{name}")
            size = sum(len(text) for bundle in drawn.values() for text in bundle.values())
            self._next_s = time.monotonic() + size / _BYTES_PER_S
        except Exception as error:
            self._on_error(error)

    def _draw(self) -> dict[str, dict[str, Any]]:
        if not self._conversation.replies:
            return {"record": _EMPTY, "picture": _EMPTY}
        from ..views import conversation_outputs

        record, picture = conversation_outputs(self._conversation)
        return {"record": record, "picture": picture or _EMPTY}

    def _publish(self, bundle: dict[str, Any], display_id: str) -> None:
        from IPython.display import update_display

        update_display(bundle, raw=True, display_id=display_id)
