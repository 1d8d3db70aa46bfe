"""Writing a recording while its session goes on, without ever holding the session up."""

from __future__ import annotations

import atexit
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from ..terminal import printable
from ..wire.local import StateChanged
from .manifest import About
from .writer import Claim, Writer

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
    claim : Claim
        The folder, see `realtime_nb.recording.writer.claim`.
    about : callable
        Returns what the manifest says; called when the first event is there.
    tell : callable, optional
        Called on the recorder's thread, with words, where the disk takes no more.
    """

    def __init__(
        self, log: Log, claim: Claim, about: Callable[[], About], tell: Callable[[str], object] = lambda text: None
    ):
        self.folder = claim.folder
        self.has_failed = False
        """Whether the disk has taken no more; what it had until then is there."""
        self._claim: Claim | None = claim
        self._tell = tell
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
        except Exception as error:  # Whatever it is, the person must know.
            self._fail(error)
        atexit.unregister(self.stop)
        self._thread = None
        if self._log[self._next :]:
            self.wake()

    def _fail(self, error: Exception) -> None:
        self._stop.set()
        self.has_failed = True
        if self._writer is not None:
            self._writer.abandon()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or repr(error)
        message = (
            f"the recording in {str(self.folder)!r} stopped: {reason}. The session goes on and keeps everything: "
            "session.save(…) writes it elsewhere"
        )
        with suppress(Exception):  # A session that is closed by now tells nobody.
            self._tell(message)
        warnings.warn(printable(message), RuntimeWarning, stacklevel=1)

    def _catch_up(self) -> bool:
        """Write what is new; return whether the session is over."""
        entries = self._log[self._next :]
        self._next += len(entries)
        if self._claim is not None and entries:
            self._writer, self._claim = Writer(self._claim, self._about()), None
        for elapsed_ms, direction, event, audio_bytes in entries:
            assert self._writer is not None
            self._writer.add(elapsed_ms, direction, event, audio_bytes)
            if isinstance(event, StateChanged):
                self._is_over = event.state == "closed"
        if self._writer is not None:
            self._writer.flush()
        return self._is_over

    _is_over = False
