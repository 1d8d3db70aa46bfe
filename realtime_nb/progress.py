"""How far long work is: a bar, shown only where a person would otherwise begin to wonder.

Floor 0.
"""

from __future__ import annotations

import contextvars
import shutil
import sys
import threading
import time
import uuid
from types import TracebackType
from typing import Any

from .terminal import printable

#: What is done by then needs no bar.
DELAY_S = 3.0
_EVERY_S = 0.5
#: Nobody waits longer for a bar to go, e.g. where a person has stopped the terminal's output.
_GONE_WITHIN_S = 1.0
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {unit} [{elapsed}<{remaining}]"
_NO_BAR = "{desc} [{elapsed}]"


class Progress:
    """A bar of text that comes when the work has taken a few seconds, and goes when it is over.

    It is drawn by a thread of its own, so that the I/O thread never waits for a terminal. Where there is neither a
    notebook nor a terminal it is not drawn at all.

    Parameters
    ----------
    what : str
        What is done, e.g. ``"compare"``.
    total : float, optional
        Of how many steps; `None` if nobody knows.
    unit : str, optional
        What the steps are, e.g. ``"answers"``.

    Examples
    --------
    >>> with Progress("compare", 2, "answers") as progress:
    ...     progress.add()
    ...     progress.add()
    """

    def __init__(self, what: str, total: float | None = None, unit: str = ""):
        self._what, self._total, self._unit = printable(what), total, unit
        self._done = 0.0
        self._began_s = time.monotonic()
        self._over = threading.Event()
        self._stream = _stream()
        # A notebook puts what is printed below the cell in whose context it is.
        work = (contextvars.copy_context().run, self._draw)
        self._thread = threading.Thread(target=work[0], args=work[1:], name="realtime_nb-progress", daemon=True)

    def add(self, steps: float = 1.0) -> None:
        """Note that steps are done."""
        self._done += steps

    def __enter__(self) -> Progress:
        if self._stream is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._stream is not None:
            self._thread.join(_GONE_WITHIN_S)

    def _draw(self) -> None:
        if self._over.wait(DELAY_S):
            return
        from tqdm import tqdm

        form = _NO_BAR if self._total is None else _BAR
        # In a cell each bar has an output of its own; in a terminal, one goes below the other.
        place = 0 if isinstance(self._stream, _CellLine) else None
        columns, lines = shutil.get_terminal_size()  # Some terminals say that they have none of either.
        total = None if self._total is None else round(self._total)
        options = {"desc": self._what, "total": total, "unit": self._unit, "bar_format": form, "leave": False}
        with tqdm(**options, file=self._stream, position=place, ncols=columns, nrows=lines) as bar:
            bar.start_t -= time.monotonic() - self._began_s
            while not self._over.wait(_EVERY_S):
                bar.n = round(self._done if self._total is None else min(self._done, self._total))
                bar.refresh()


class _CellLine:
    """A line in a cell's output that is written over and over, as a file; nothing is left of it in the notebook."""

    def __init__(self) -> None:
        self._display_id = f"realtime-nb-{uuid.uuid4().hex}"
        self._text = ""
        self._is_there = False

    def write(self, text: str) -> None:
        self._text = text.replace("\r", "").rstrip()

    def flush(self) -> None:
        from IPython.display import display, update_display

        show: Any = update_display if self._is_there else display
        self._is_there = True
        show({"text/plain": self._text}, raw=True, display_id=self._display_id)


def _stream() -> Any:
    """Return where a bar may be drawn: a cell's output, or a terminal."""
    if getattr(sys.stdout, "parent_header", None) is not None and "ipykernel" in sys.modules:
        return _CellLine()
    return sys.stderr if sys.stderr is not None and sys.stderr.isatty() else None
