"""Ctrl-C reaches every process of a terminal or of a notebook's kernel; what it means is for the one that has the run.

It stops what is under way, on every worker (`realtime_nb.experiments.stopping`), and keeps what was answered.
"""

from __future__ import annotations

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


def is_dask(executor: Executor | None) -> bool:
    """Whether an executor is a Dask cluster's."""
    return type(executor).__module__.partition(".")[0] == "distributed"
