"""A progress bar for work that takes more than a few seconds.

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

#: Shorter work needs no bar.
DELAY_S = 3.0
_EVERY_S = 0.5
#: How long to wait for the bar to go, e.g. when the terminal's output is paused.
_GONE_WITHIN_S = 1.0
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {unit} [{elapsed}<{remaining}]"
_NO_BAR = "{desc} [{elapsed}]"


class Progress:
    """A bar of text that comes when the work has taken a few seconds, and goes when it is over.

    Its own thread draws it, so the I/O thread never waits for a terminal. Without a notebook or a terminal there is no
    bar.

    Parameters
    ----------
    what : str
        Name of the work, e.g. ``"compare"``.
    total : float, optional
        How many steps there are; `None` if not known.
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
        # The context tells a notebook below which cell to print.
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
    """A file that overwrites one line of a cell's output, and leaves nothing in the notebook."""

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
