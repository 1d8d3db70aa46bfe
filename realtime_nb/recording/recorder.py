"""Writing a recording while its session goes on, without ever holding the session up."""

from __future__ import annotations

import atexit
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ..wire.local import StateChanged
from .manifest import About
from .writer import Writer

#: What a process that is killed loses at most, beside what the disk does not take.
_EVERY_S = 0.25


class Log(Protocol):
    """A session's events, in order: the queue between the session and the disk."""

    def __getitem__(self, index: slice, /) -> list[Any]: ...


class Recorder:
    """Follows a log on a thread of its own, which ends with the session and begins again with it.

    Parameters
    ----------
    log : Log
        What is followed, from its beginning.
    folder : Path
        Claimed, see `realtime_nb.recording.writer.claim`.
    about : callable
        Returns what the manifest says; called when the first event is there.
    """

    def __init__(self, log: Log, folder: Path, about: Callable[[], About]):
        self.folder = folder
        self._log = log
        self._about = about
        self._next = 0
        self._writer: Writer | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def wake(self) -> None:
        """Note that there is something to write; returns at once, from any thread."""
        if self._thread is None and not self._stop.is_set():
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="realtime_nb-recorder", daemon=True)
                    atexit.register(self.stop)
                    self._thread.start()

    def wait(self) -> None:
        """Wait until everything up to the session's end is written and sealed."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def stop(self) -> None:
        """Write what is there, seal it, and write no more."""
        self._stop.set()
        self.wait()

    def _run(self) -> None:
        try:
            while not self._catch_up() and not self._stop.wait(_EVERY_S):
                pass
            if self._writer is not None:
                self._writer.finish()
        except OSError as error:
            self._stop.set()
            if self._writer is not None:
                self._writer.abandon()
            message = f"the recording in {str(self.folder)!r} stopped: {error}. session.save(…) writes it elsewhere"
            warnings.warn(message, RuntimeWarning, stacklevel=1)
        atexit.unregister(self.stop)
        self._thread = None
        if self._log[self._next :]:
            self.wake()

    def _catch_up(self) -> bool:
        """Write what is new; return whether the session is over."""
        entries = self._log[self._next :]
        self._next += len(entries)
        if self._writer is None and entries:
            self._writer = Writer(self.folder, self._about())
        for elapsed_ms, direction, event, audio_bytes in entries:
            assert self._writer is not None
            self._writer.add(elapsed_ms, direction, event, audio_bytes)
            if isinstance(event, StateChanged):
                self._is_over = event.state == "closed"
        if self._writer is not None:
            self._writer.flush()
        return self._is_over

    _is_over = False
