"""Write the package's own files, and explain paths that lead nowhere.

Floor 0.
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import stat
import sys
import threading
import zlib
from contextlib import suppress
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, NamedTuple, cast
from weakref import WeakValueDictionary

# --- What to say of a path that leads nowhere -------------------------------------------------------------------------


def missing(path: Path, what: str = "is not a file") -> str:
    """Return why a path leads to no file, with a similar name in its folder if there is one.

    Examples
    --------
    >>> missing(Path("/"))
    "'/' is a folder, not a file: give the path of a file in it"
    """
    if path.is_dir():
        return f"{str(path)!r} is a folder, not a file: give the path of a file in it"
    if not path.parent.is_dir():
        return f"{str(path)!r} {what}: check its folder; paths begin in {str(Path.cwd())!r}"
    alike = get_close_matches(path.name, [each.name for each in path.parent.iterdir()], n=1)
    if alike:
        return f"{str(path)!r} {what}: give {str(path.with_name(alike[0]))!r}, if that is meant"
    return f"{str(path)!r} {what}: check its name; there is nothing like it in {str(path.parent.resolve())!r}"


# --- What the package writes itself: for its owner alone, by one writer at a time, and so that damage is noticed ------

# --- for the owner's eyes ---


def make_folder(path: Path) -> None:
    """Make a folder and its parents, for their owner alone; existing ones stay as they are."""
    for each in (*reversed(path.parents), path):
        if not each.is_dir():
            each.mkdir(exist_ok=True)
            with suppress(OSError):  # Some file systems know no owners.
                each.chmod(stat.S_IRWXU)


def open_private(path: Path, mode: str, *, buffering: int = -1) -> IO[bytes]:
    """Open a file for writing, like `open` in a binary mode; only its owner can read a new one."""
    return cast(IO[bytes], open(path, mode, buffering, opener=_private_opener))


def _private_opener(name: str, flags: int) -> int:
    try:
        file = os.open(name, flags | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    except FileExistsError:
        return os.open(name, flags)
    if hasattr(os, "fchmod"):
        with suppress(OSError):
            os.fchmod(file, stat.S_IRUSR | stat.S_IWUSR)  # Whatever the umask takes away.
    return file


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read; if that fails, a new one is removed."""
    is_new = not path.exists()
    try:
        with open_private(path, "wb") as file:
            file.write(data)
    except OSError:
        if is_new:
            with suppress(OSError):
                path.unlink()
        raise


def write_whole(path: Path, data: bytes) -> None:
    """Write a file for its owner alone, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    write_private(part, data)
    os.replace(part, path)


# --- as it was written ---

_SEAL = re.compile(rb'\{"crc32":"([0-9a-f]{8})",')
_SEAL_LENGTH = len('{"crc32":"00000000",')


def seal(text: bytes) -> bytes:
    """Put a checksum in front of what a JSON object holds: ``{"crc32":"…",…}``."""
    return b'{"crc32":"%08x",%s' % (zlib.crc32(text), text[1:])


def is_sealed(text: bytes) -> bool:
    """Return whether there is a checksum in front."""
    return _SEAL.match(text) is not None


def unseal(text: bytes) -> bytes | None:
    """Return a JSON object as it was before `seal`; `None` if it has changed since."""
    found = _SEAL.match(text)
    if found is None:
        return None
    body = b"{" + text[_SEAL_LENGTH:]
    return body if zlib.crc32(body) == int(found[1], 16) else None


def read_sealed(data: bytes) -> tuple[dict[str, Any], bool]:
    """Return the JSON object of a file, and whether it is unchanged, or from a version that sealed nothing.

    Raises `ValueError` if it is no JSON object.
    """
    tree = json.loads(data)
    if not isinstance(tree, dict):
        raise ValueError("it holds no JSON object")
    is_whole = "crc32" not in tree or unseal(data.rstrip()) is not None
    tree.pop("crc32", None)
    return tree, is_whole


class SealedLines(NamedTuple):
    """What a file with a JSON object a line holds."""

    whole: list[bytes]
    """The unchanged lines, without their seals."""
    damaged: list[tuple[int, bytes]]
    """The others, with their numbers. A line that a damaged byte has split counts as one."""
    is_sealed: bool
    """True if lines have seals; if not, an earlier version wrote them."""


def split_sealed(data: bytes, first_key: str) -> SealedLines:
    """Split a file into lines, and check them.

    If no line has a seal, as in files of earlier versions, all that begin with `first_key` are whole. Two lines that a
    damaged line end has joined are both whole.
    """
    lines = [(number, line.rstrip()) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    if not any(is_sealed(line) for _, line in lines):
        begins = b'{"%s"' % first_key.encode()
        return SealedLines(
            [line for _, line in lines if line.startswith(begins)],
            [(number, line) for number, line in lines if not line.startswith(begins)],
            is_sealed=False,
        )
    found = SealedLines([], [], is_sealed=True)
    for number, line in lines:
        body = unseal(line)
        if body is not None:
            found.whole.append(body)
            continue
        pieces = [each.start() for each in _SEAL.finditer(line)]
        bodies = [_first_whole(line[start:end]) for start, end in pairwise([*pieces, len(line)])]
        found.whole.extend(each for each in bodies if each is not None)
        is_rest = (
            not pieces and not line.startswith(b"{") and bool(found.damaged) and found.damaged[-1][0] == number - 1
        )
        if (None in bodies or not bodies) and not is_rest:
            found.damaged.append((number, line))
    return found


def _first_whole(piece: bytes) -> bytes | None:
    """Match a line that may hold one byte that was a line end."""
    body = unseal(piece)
    return unseal(piece[:-1]) if body is None else body


# --- one writer at a time ---

#: Where on Windows the byte is that is locked: nobody else could read those of the text.
_LOCKED_BYTE = 2**30
_held: WeakValueDictionary[Path, FolderLock] = WeakValueDictionary()
_holding = threading.RLock()  # The collector may come to `__del__` while it is held.


class FolderLock:
    """A lock that lets one process write into a folder; it goes when the process ends.

    Raises `FolderInUse` if somebody else writes there; `OSError` if the file cannot be written.

    It is a record lock (``fcntl.lockf``), held by its process alone: a pool's workers that outlive it do not keep it,
    and network file systems know it. Where there is none, the file's host and process count.
    """

    def __init__(self, folder: Path, name: str):
        self._file: IO[bytes] | None = None
        self._process_id = os.getpid()
        self.path = folder.resolve() / name
        with _holding:
            if self.path in _held:
                raise FolderInUse(f"this process ({self._process_id})")
            self._take()
            _held[self.path] = self

    def _take(self) -> None:
        while True:
            file = open_private(self.path, "r+b" if self.path.exists() else "w+b", buffering=0)
            try:
                if not _lock(file):
                    raise FolderInUse(_told(file.read()))
                if is_at(file, self.path):  # Its last holder has not just removed it.
                    break
            except BaseException:
                file.close()
                raise
            file.close()
        file.truncate()
        file.write(json.dumps({"host": socket.gethostname(), "process": self._process_id}).encode())
        self._file = file

    @property
    def is_held(self) -> bool:
        """True if it was not released."""
        return self._file is not None

    def release(self) -> None:
        """Let others write."""
        if self._file is None or self._process_id != os.getpid():
            return  # A process that was forked holds nothing.
        with _holding, suppress(OSError):
            if os.name == "posix" and is_at(self._file, self.path):
                self.path.unlink()
            self._file.close()
            if os.name != "posix":
                self.path.unlink()
        _held.pop(self.path, None)
        self._file = None

    def __del__(self) -> None:
        self.release()


class FolderInUse(Exception):
    """Another process writes into a folder; the message says which."""


def _lock(file: IO[bytes]) -> bool:
    """Lock a file, or say that another process has."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(_LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(0)
        else:
            import fcntl

            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            file.seek(0)
            return False
        return not _is_alive(_holder(file.read()), file)  # No locks here: some network and user file systems.
    return True


def _holder(text: bytes) -> tuple[str, int]:
    """Return the holder that a lock's file names: host and process."""
    try:
        told = json.loads(text)
        return str(told["host"]), int(told["process"])
    except (ValueError, KeyError, TypeError):
        return "", 0


def _is_alive(holder: tuple[str, int], file: IO[bytes]) -> bool:
    file.seek(0)
    host, process_id = holder
    if not process_id:
        return False
    if host != socket.gethostname():
        return True  # Nobody here can tell.
    if process_id == os.getpid():
        return False  # It is not among those that this process holds.
    if os.name != "posix":
        return True
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _told(text: bytes) -> str:
    host, process_id = _holder(text)
    if not process_id:
        return "another process"
    return f"process {process_id}{'' if host == socket.gethostname() else f' on {host!r}'}"


def is_at(file: IO[bytes], path: Path) -> bool:
    """Return whether an open file is still the one at a path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False
