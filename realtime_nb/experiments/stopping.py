"""Ctrl-C in a run: answers under way are cancelled at the server, and nothing is asked again."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Hashable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from ..sessions.session import Session

# --- Ctrl-C reaches every process of a terminal or of a notebook's kernel; only the process with the run handles it ---
#
# It stops the cells under way, on every worker, and keeps finished answers.


@contextmanager
def held_back() -> Iterator[None]:
    """Hold back an interrupt until the block is done, so that an outcome is written down whole or not at all."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


def is_dask(executor: Executor | None) -> bool:
    """Return whether an executor belongs to a Dask cluster."""
    return type(executor).__module__.partition(".")[0] == "distributed"


# --- Stop cells that are under way: their answers are cancelled at the server, and nothing is asked again -------------

#: How long a session may take to tell its server.
_STOP_WAIT_S = 5.0


class RunningCell:
    """A cell that a thread of this process is working on."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        """Set when nothing more may be asked for the cell."""
        self.session: Session | None = None
        """The session that it asks now."""


_AT_WORK: dict[Hashable, RunningCell] = {}
_HERE: ContextVar[RunningCell | None] = ContextVar("realtime_nb_cell", default=None)


@contextmanager
def at_work(work: Any) -> Iterator[RunningCell]:
    """Let a cell be stopped while a thread works on it."""
    cell = _AT_WORK[id(work)] = RunningCell()
    before = _HERE.set(cell)
    try:
        yield cell
    finally:
        _HERE.reset(before)
        _AT_WORK.pop(id(work), None)


def wait_unless_stopped(seconds: float) -> bool:
    """Let this thread wait; return true, at once, if its cell is stopped."""
    cell = _HERE.get() or RunningCell()
    return cell.stopped.wait(seconds)


def stop_cells(works: Iterable[Any] | None = None) -> None:
    """Stop all cells of this process, or those of `works`; return once their servers are told."""
    keys = list(_AT_WORK) if works is None else [id(work) for work in works]
    cells = [cell for key in keys if (cell := _AT_WORK.get(key)) is not None]
    for cell in cells:
        cell.stopped.set()
    sessions = [cell.session for cell in cells if cell.session is not None]
    # Interrupt first: otherwise a server may go on to make, and bill, an answer that no one hears.
    for step in ("interrupt", "close"):
        for pending in [getattr(session, step)() for session in sessions]:
            with suppress(Exception):  # One that fails or hangs must not keep the others open.
                pending.result(_STOP_WAIT_S)


def stop_everywhere(executor: Executor | None, works: Iterable[Any]) -> None:
    """Stop work in threads of this process, in worker processes, or on a Dask cluster; others cannot be reached."""
    stop_cells(works)
    if is_dask(executor):
        executor._client.run(stop_cells, on_error="ignore")  # type: ignore[union-attr]
    elif isinstance(executor, ProcessPoolExecutor) and sys.platform != "win32":
        for pid in list(executor._processes or ()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)  # See `leave_to_parent`.


def leave_to_parent() -> None:
    """In the main thread of a worker process, let an interrupt stop the cells under way, and not the process.

    The parent ends the process; a worker that ends by itself would break the pool.
    """

    def stop(number: int, frame: Any) -> None:
        # In another thread: the interrupted code may hold a lock that this needs.
        threading.Thread(target=stop_cells, name="realtime_nb-stop", daemon=True).start()

    if multiprocessing.parent_process() is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, stop)


def leave_to_client(executor: Executor | None) -> None:
    """Handle interrupts the same way on the workers of a Dask cluster, whose work runs beside their main thread."""
    if is_dask(executor):
        executor._client.run(leave_to_parent, on_error="ignore")  # type: ignore[union-attr]
