"""Writing a recording, event by event."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from ..errors import RecordingError
from ..files import FolderInUse, FolderLock, is_at, make_folder, open_private, seal
from ..secrecy import Secrets
from ..wire import events as ev
from .lines import encode_line, to_tree
from .manifest import EVENTS, NAME, TRACKS, About, content_hash, describe, write_manifest
from .sound import Sound

_LOCK = "recording.lock"
#: All files that a recording may have.
FILES = {NAME, f"{NAME}.part", EVENTS} | {f"{track}.{end}" for track in TRACKS for end in ("flac", "pcm", "part")}


class Claim(NamedTuple):
    """A folder that a recording may be written into, by its holder alone."""

    folder: Path
    lock: FolderLock


def claim(folder: Path, *, overwrite: bool = False) -> Claim:
    """Make a folder ready for a new recording.

    Raises
    ------
    RecordingError
        If it cannot be made, holds a recording that is under way or must not be overwritten, or anything else.
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
            f"{str(folder)!r} holds a recording that is under way, in {error}: close its session, or choose another "
            "folder"
        ) from None
    except OSError as error:
        raise RecordingError(f"{str(folder)!r} cannot be written to: {error.strerror or error}") from error
    return Claim(folder, lock)


class Writer:
    """Writes what passes in a session into a folder that is claimed.

    Parameters
    ----------
    claim : Claim
        Where to.
    about : About
        What the manifest says of the session, and which secrets are kept out.
    """

    def __init__(self, claim: Claim, about: About):
        self.folder = claim.folder
        self._lock = claim.lock
        self._about = about
        self._secrets = Secrets(about.secrets)
        self._sound = Sound(claim.folder)
        self._settings: dict[str, Any] = {}
        self._wait_ms = 0.0
        self._events: IO[bytes] | None = None
        self._size = 0
        """Of the events when they were sealed."""
        self._length_ms = 0.0
        self._remarks: list[str] = []

    def add(self, elapsed_ms: float, direction: str, event: Any, audio_bytes: int = 0) -> None:
        """Write an event.

        Parameters
        ----------
        elapsed_ms : float
            Session time.
        direction : {"sent", "received", "local"}
            Which way it went.
        event : Event, Unknown, Malformed or local event
            With its audio.
        audio_bytes : int, optional
            How much audio it carried where that is not at hand any more: silence stands in for it.
        """
        if self._events is None:
            self._open()
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
        self._events.write(seal(self._secrets.hide(encode_line(line))) + b"\n")

    def _open(self) -> None:
        """Begin to write, or go on behind what was sealed, unless somebody else has written there since."""
        if not self._lock.is_held:
            try:
                self._lock = FolderLock(self.folder, _LOCK)
            except FolderInUse as error:
                raise OSError(f"another recording is under way there, in {error}") from None
        path = self.folder / EVENTS
        if path.stat().st_size != self._size:
            raise OSError("another recording is there by now")
        self._events = open_private(path, "ab")

    def _restored(self, event: Any, audio_bytes: int) -> Any:
        if not isinstance(event, ev.InputAudioBufferAppend) or len(event.audio) >= audio_bytes:
            return event
        self.remark("the oldest audio that was sent was not in memory any more: it is silence here")
        return ev.InputAudioBufferAppend(audio=bytes(audio_bytes), event_id=event.event_id)

    def _written(self, elapsed_ms: float, event: Any) -> dict[str, Any]:
        self._sound.note(event, elapsed_ms)
        if isinstance(event, ev.SessionCreated | ev.SessionUpdated):
            self._settings = event.session
        tree = to_tree(event)
        references = self._sound.take(event, tree, elapsed_ms)
        if references:
            return {"event": tree, "audio": references}
        return {"event": self._secrets.hide_named(tree)}

    def remark(self, text: str) -> None:
        """Note in the manifest what is wrong with the recording, once."""
        if text not in self._remarks:
            self._remarks.append(text)

    def flush(self) -> None:
        """Hand everything to the operating system; sound first, so that no line speaks of what is not there."""
        self._sound.flush()
        if self._events is not None:
            self._events.flush()
            if not is_at(self._events, self.folder / EVENTS):
                raise OSError("the folder was removed or replaced under way")

    def finish(self) -> None:
        """Finish the files, and seal them in the manifest; `add` goes on with them."""
        if self._events is None:
            self._lock.release()
            return
        self.flush()
        self._size = self._events.tell()
        self._events.close()
        self._events = None
        self._sound.close()
        tracks = {track: {"file": f"{track}.flac", "sample_rate": rate} for track, rate in self._sound.rates.items()}
        whole, files = content_hash(self.folder, [EVENTS, *(f"{track}.flac" for track in tracks)])
        manifest = describe(self._about, self._settings) | {
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
        """Let go of the files as they are, where the disk refuses them."""
        if self._events is not None:
            with suppress(OSError):
                self._events.close()
        self._sound.abandon()
        self._lock.release()

    def discard(self) -> None:
        """Let go of the files, and take them away: half a recording would stand in the way of the next one."""
        self.abandon()
        for name in FILES:
            with suppress(OSError):
                (self.folder / name).unlink()

    def _write_manifest(self, manifest: dict[str, Any]) -> None:
        write_manifest(self.folder, self._secrets, manifest)
