"""How records and long work are shown, and which text is safe to print.

Floor 0.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TextIO

# --- Text: that of models, servers and files may hold commands for the terminal ---------------------------------------

#: All controls but tab and line feed, marks that change the direction of writing, other line ends, and halves of UTF-16
#: pairs, which no terminal's encoding has.
_CONTROLS = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff]"


def printable(text: str) -> str:
    r"""Return a text that is safe for a terminal: control characters are escaped as in JSON, ``\u001b``.

    Data keeps the original text, e.g. in ``reply.transcript``.
    """
    return re.sub(_CONTROLS, lambda found: f"\\u{ord(found[0]):04x}", text.replace("\r\n", "\n"))


def say(text: str, *, file: TextIO | None = None) -> None:
    """Print a text and flush; to standard output by default."""
    print(printable(text), file=file or sys.stdout, flush=True)


# --- Records ----------------------------------------------------------------------------------------------------------


class Record:
    """Something that a notebook shows as static text, HTML and pictures.

    Records are on the lower floors and cannot import the code that draws them: the package passes it in by `show_by`.
    """

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        # The first picture loads librosa, and an hour's conversation holds many players.
        with Progress(f"draw {type(self).__name__}"):
            return _draw(self)


_draw: Callable[[Any], dict[str, Any]]
_write: Callable[[Any, str], str]


def show_by(draw: Callable[[Any], dict[str, Any]], write: Callable[[Any, str], str]) -> None:
    """Set the functions that turn a record into its MIME bundle, and into a text; the package calls this at import."""
    global _draw, _write
    _draw, _write = draw, write


def written(record: Any, form: str) -> str:
    """Return a record as a text for other programs, e.g. "srt"."""
    return _write(record, form)


_open_page: Callable[[Any], str]


def pages_by(opener: Callable[[Any], str]) -> None:
    """Set the function that opens a session's talk page; the package calls this at import."""
    global _open_page
    _open_page = opener


def open_page(session: Any) -> str:
    """Open a session's talk page, and return its address; sessions are on a lower floor than pages."""
    return _open_page(session)


# --- Long work --------------------------------------------------------------------------------------------------------

#: Shorter work needs no bar.
DELAY_S = 3.0
_EVERY_S = 0.5
#: How long to wait for the bar to go, e.g. when the terminal's output is paused.
_GONE_WITHIN_S = 1.0
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {unit} [{elapsed}<{remaining}]"
_NO_BAR = "{desc} [{elapsed}]"


class Progress:
    """A progress bar of text that appears after a few seconds of work, and disappears when the work is done.

    Its own thread draws it, so the I/O thread never waits for a terminal. Without a notebook or a terminal there is no
    bar.

    `what`: the name of the work, e.g. ``"compare"``.
    `total`: how many steps there are; `None` if that is not known.
    `unit`: what the steps are, e.g. ``"answers"``.
    """

    def __init__(self, what: str, total: float | None = None, unit: str = ""):
        # Loaded here: `import realtime_nb` loads this module, and these take a quarter of its time.
        import contextvars
        import threading

        self._what, self._total, self._unit = printable(what), total, unit
        self._done = 0.0
        self._began_s = time.monotonic()
        self._over = threading.Event()
        self._stream = _stream()
        # The context tells a notebook below which cell to print.
        work = (contextvars.copy_context().run, self._show)
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

    def _show(self) -> None:
        if self._over.wait(DELAY_S):
            return
        import shutil

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
        from IPython.display import DisplayHandle

        self._handle: Any = DisplayHandle()  # type: ignore[no-untyped-call]
        self._show: Any = self._handle.display
        self._text = ""

    def write(self, text: str) -> None:
        self._text = text.replace("\r", "").rstrip()

    def flush(self) -> None:
        self._show({"text/plain": self._text}, raw=True)
        self._show = self._handle.update


def _stream() -> Any:
    """Return where a bar may be drawn: a cell's output, or a terminal."""
    if getattr(sys.stdout, "parent_header", None) is not None and "ipykernel" in sys.modules:
        return _CellLine()
    return sys.stderr if sys.stderr is not None and sys.stderr.isatty() else None
