"""Ctrl-C reaches every process of a terminal or of a notebook's kernel; what it means is for the one that has the run.

It waits for what is under way, which is paid for; a worker that ended by itself would lose that.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager


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


def leave_to_parent() -> None:
    """Take no more interrupts, where this is the main thread of a worker process; its parent ends it."""
    if multiprocessing.parent_process() is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def is_dask(executor: Executor | None) -> bool:
    """Whether an executor is a Dask cluster's."""
    return type(executor).__module__.partition(".")[0] == "distributed"


def leave_to_client(executor: Executor | None) -> None:
    """Let the workers of a Dask cluster take no more interrupts; their work runs beside their main thread."""
    if is_dask(executor):
        executor._client.run(leave_to_parent, on_error="ignore")  # type: ignore[union-attr]
