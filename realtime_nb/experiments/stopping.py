"""Ctrl-C in a run: what is under way is cancelled at the server, and nothing is asked again."""

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

# --- Ctrl-C reaches every process of a terminal or of a notebook's kernel; what it means is for the one that has the
# run ---
#
# It stops what is under way, on every worker (`realtime_nb.experiments.stopping`), and keeps what was answered.


@contextmanager
def held_back() -> Iterator[None]:
    """Let an interrupt wait until what is inside is done: what came back is written down, or not taken at all."""
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
    """Return whether an executor is a Dask cluster's."""
    return type(executor).__module__.partition(".")[0] == "distributed"


# --- Stopping cells that are under way: their answers are cancelled at the server, and nothing is asked again ---------

#: How long a session may take to tell its server.
_STOP_WAIT_S = 5.0


class RunningCell:
    """A cell that a thread of this process is at."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        """Set when nothing more shall be asked for it."""
        self.session: Session | None = None
        """Where it asks now."""


_AT_WORK: dict[Hashable, RunningCell] = {}
_HERE: ContextVar[RunningCell | None] = ContextVar("realtime_nb_cell", default=None)


@contextmanager
def at_work(work: Any) -> Iterator[RunningCell]:
    """Let a cell be stopped while it is being worked at."""
    cell = _AT_WORK[id(work)] = RunningCell()
    before = _HERE.set(cell)
    try:
        yield cell
    finally:
        _HERE.reset(before)
        _AT_WORK.pop(id(work), None)


def wait_unless_stopped(seconds: float) -> bool:
    """Let this thread wait; return at once, and true, where the cell that it is at is stopped."""
    cell = _HERE.get() or RunningCell()
    return cell.stopped.wait(seconds)


def stop_cells(works: Iterable[Any] | None = None) -> None:
    """Stop what this process is at: all of it, or these pieces of work; returns when the servers are told."""
    keys = list(_AT_WORK) if works is None else [id(work) for work in works]
    cells = [cell for key in keys if (cell := _AT_WORK.get(key)) is not None]
    for cell in cells:
        cell.stopped.set()
    sessions = [cell.session for cell in cells if cell.session is not None]
    # The answers first: a server may go on to make, and to bill, what nobody hears any more.
    for step in ("interrupt", "close"):
        for pending in [getattr(session, step)() for session in sessions]:
            with suppress(Exception):
                pending.result(_STOP_WAIT_S)


def stop_everywhere(executor: Executor | None, works: Iterable[Any]) -> None:
    """Stop work in threads of this process, in worker processes, or on a Dask cluster; others cannot be told."""
    stop_cells(works)
    if is_dask(executor):
        executor._client.run(stop_cells, on_error="ignore")  # type: ignore[union-attr]
    elif isinstance(executor, ProcessPoolExecutor) and sys.platform != "win32":
        for pid in list(executor._processes or ()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)  # See `leave_to_parent`.


def leave_to_parent() -> None:
    """Take an interrupt for the end of what is under way here, where this is the main thread of a worker process.

    Its parent ends the process; a worker that ended by itself would break the pool.
    """

    def stop(number: int, frame: Any) -> None:
        # Not here: what is interrupted may hold a lock that this needs.
        threading.Thread(target=stop_cells, name="realtime_nb-stop", daemon=True).start()

    if multiprocessing.parent_process() is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, stop)


def leave_to_client(executor: Executor | None) -> None:
    """Take interrupts the same way on the workers of a Dask cluster; their work runs beside their main thread."""
    if is_dask(executor):
        executor._client.run(leave_to_parent, on_error="ignore")  # type: ignore[union-attr]
