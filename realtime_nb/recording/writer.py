"""Writing a recording, afterwards or while its session goes on."""

from __future__ import annotations

import atexit
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from ..display import printable
from ..errors import RecordingError
from ..files import FolderInUse, FolderLock, is_at, make_folder, open_private, seal
from ..protocol import events as ev
from ..protocol.local_events import StateChanged
from ..secrecy import Secrets
from .files import EVENTS, NAME, TRACKS, VERSION, About, content_hash, describe, encode, to_tree, write_manifest
from .tracks import SHARED, Compact, TrackBuilder

# --- Writing a recording, event by event ------------------------------------------------------------------------------

_LOCK = "recording.lock"
#: All files that a recording can have.
FILES = {NAME, f"{NAME}.part", EVENTS} | {
    f"{track}.{end}" for track in TRACKS for end in ("flac", "opus", "pcm", "part")
}


class ClaimedFolder(NamedTuple):
    """A folder that only the holder of this claim may write a recording into."""

    folder: Path
    lock: FolderLock


def claim(folder: Path, *, overwrite: bool = False) -> ClaimedFolder:
    """Make a folder ready for a new recording.

    Raises `RecordingError` if it cannot be made, or if it holds other files, or a recording that is being written or
    must not be overwritten.
    """
    try:
        make_folder(folder)
        found = {path.name for path in folder.iterdir()} - {_LOCK}
        if found and EVENTS not in found:
            raise RecordingError(f"{str(folder)!r} holds other files: choose a new folder")
        if found and not overwrite:
            raise RecordingError(f"{str(folder)!r} already holds a recording: choose another folder, or overwrite=True")
        lock = FolderLock(folder, _LOCK)
        for name in found.intersection(FILES):
            (folder / name).unlink()
        open_private(folder / EVENTS, "wb").close()
    except FolderInUse as error:
        raise RecordingError(
            f"{str(folder)!r} holds a recording that is being written in {error}: close its session, or choose another "
            "folder"
        ) from None
    except OSError as error:
        raise RecordingError(f"{str(folder)!r} cannot be written to: {error.strerror or error}") from error
    return ClaimedFolder(folder, lock)


class Writer:
    """Writes a session's events into a claimed folder.

    `form`: how to store the tracks of a recording that is written as a whole, and need not survive a crash.
    """

    def __init__(self, claim: ClaimedFolder, about: About, form: Compact | None = None):
        self.folder = claim.folder
        self._lock = claim.lock
        self._about = about
        self._secrets = Secrets(about.secrets)
        self._sound = TrackBuilder(claim.folder, form)
        self._is_whole = form is not None
        self._settings: dict[str, Any] = {}
        self._wait_ms = 0.0
        self._events: IO[bytes] | None = None
        self._size = 0
        """Hash of the events when they were sealed."""
        self._length_ms = 0.0
        self._remarks: list[str] = []

    def add(self, elapsed_ms: float, direction: str, event: Any, audio_bytes: int = 0) -> None:
        """Write an event.

        `direction`: one of "sent", "received", "local".
        `audio_bytes`: how much audio it carried if that is no longer at hand: silence replaces it.
        """
        if self._events is None:
            self._open()
            if not self._is_whole:
                self._write_manifest(describe(self._about, self._settings))
        self._length_ms = max(self._length_ms, elapsed_ms)
        line: dict[str, Any] = {"elapsed_ms": elapsed_ms, "direction": direction}
        if isinstance(event, ev.Malformed):
            line["malformed"] = self._secrets.hide_named({"message": event.message, "data": event.data})
        else:
            line |= self._written(elapsed_ms, self._restored(event, audio_bytes))
        if self._sound.wait_ms != self._wait_ms:
            self._wait_ms = line["wait_ms"] = self._sound.wait_ms
        assert self._events is not None
        text = encode(line)
        if "event" in line and self._secrets.may_be_named_in(text):
            text = encode(line | {"event": self._secrets.hide_named(line["event"])})
        self._events.write(seal(self._secrets.hide(text)) + b"\n")

    def _open(self) -> None:
        """Begin to write, or continue after what was sealed, unless another recording was written there since."""
        if not self._lock.is_held:
            try:
                self._lock = FolderLock(self.folder, _LOCK)
            except FolderInUse as error:
                raise OSError(f"another recording is being written there in {error}") from None
        path = self.folder / EVENTS
        if path.stat().st_size != self._size:
            raise OSError("another recording is there now")
        self._events = open_private(path, "ab")

    def _restored(self, event: Any, audio_bytes: int) -> Any:
        if not isinstance(event, ev.InputAudioBufferAppend) or len(event.audio) >= audio_bytes:
            return event
        self.remark("the oldest audio that was sent was no longer in memory: it is silence here")
        return ev.InputAudioBufferAppend(audio=bytes(audio_bytes), event_id=event.event_id)

    def _written(self, elapsed_ms: float, event: Any) -> dict[str, Any]:
        self._sound.note(event, elapsed_ms)
        if isinstance(event, ev.SessionCreated | ev.SessionUpdated):
            self._settings = event.session
        tree = to_tree(event)
        references = self._sound.take(event, tree, elapsed_ms)
        return {"event": tree} | ({"audio": references} if references else {})

    def remark(self, text: str) -> None:
        """Note in the manifest what is wrong with the recording, once."""
        if text not in self._remarks:
            self._remarks.append(text)

    def flush(self) -> None:
        """Hand everything to the operating system, sound first, so that no line refers to missing sound."""
        self._sound.flush()
        if self._events is not None:
            self._events.flush()
            if not is_at(self._events, self.folder / EVENTS):
                raise OSError("the folder was removed or replaced during the recording")

    def finish(self) -> None:
        """Finish the files and seal them in the manifest; `add` continues them."""
        if self._events is None:
            self._lock.release()
            return
        self.flush()
        self._size = self._events.tell()
        self._events.close()
        self._events = None
        self._sound.close()
        tracks = self._sound.stored
        own = [told["file"] for told in tracks.values() if told["file"] and not told["file"].startswith(SHARED)]
        whole, files = content_hash(self.folder, [EVENTS, *own])
        is_plain = not any("samples" in told for told in tracks.values())
        manifest = describe(self._about, self._settings) | {
            "version": 1 if is_plain else VERSION,
            "complete": True,
            "length_ms": self._length_ms,
            "tracks": tracks,
            "heard": self._sound.items,
            "content_hash": f"sha256:{whole}",
            "files": files,
            "remarks": self._remarks,
        }
        self._write_manifest(manifest)
        self._lock.release()

    def abandon(self) -> None:
        """Close the files as they are, after the disk refused to take more."""
        if self._events is not None:
            with suppress(OSError):  # The disk's first error was told.
                self._events.close()
        self._sound.abandon()
        self._lock.release()

    def discard(self) -> None:
        """Close and remove the files: half a recording would block the next one."""
        self.abandon()
        for name in FILES:
            with suppress(OSError):  # Then the next recording is refused, with the reason.
                (self.folder / name).unlink()

    def _write_manifest(self, manifest: dict[str, Any]) -> None:
        write_manifest(self.folder, self._secrets, manifest)


# --- Writing a recording during its session, without ever delaying the session ----------------------------------------

#: The most that a killed process loses, apart from what the disk did not take.
_EVERY_S = 0.25


class EventQueue(Protocol):
    """A session's events in order, the queue between the session and the disk."""

    def __getitem__(self, index: slice, /) -> list[Any]: ...


class Recorder:
    """Follows a log on its own thread, which ends with the session and starts again with it.

    `tell`: called on the recorder's thread, with a message, if the disk takes no more.
    """

    def __init__(
        self,
        log: EventQueue,
        claim: ClaimedFolder,
        about: Callable[[], About],
        tell: Callable[[str], object] = lambda text: None,
    ):
        self.folder = claim.folder
        self.has_failed = False
        """True if the disk refused to take more; what was written before is there."""
        self._claim: ClaimedFolder | None = claim
        self._tell = tell
        self._log = log
        self._about = about
        self._next = 0
        self._writer: Writer | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def wake(self) -> None:
        """Say that there is something to write; returns at once, from any thread."""
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
        """Write what is there, seal it, and stop."""
        self._stop.set()
        self.wait()

    def _run(self) -> None:
        try:
            while not self._catch_up() and not self._stop.wait(_EVERY_S):
                pass
            if self._writer is not None:
                self._writer.finish()
        except Exception as error:  # The person must know about any error.
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
        with suppress(Exception):  # A session that is already closed tells no one.
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
