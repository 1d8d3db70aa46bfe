"""Write the package's own files, and explain paths to files that do not exist.

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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, NamedTuple, cast
from weakref import WeakValueDictionary

# --- Missing files ----------------------------------------------------------------------------------------------------


def missing(path: Path, what: str = "is not a file") -> str:
    """Return why there is no file at a path, with a similar name from its folder if there is one."""
    if path.is_dir():
        return f"{str(path)!r} is a folder, not a file: give the path of a file in it"
    if not path.parent.is_dir():
        return f"{str(path)!r} {what}: check its folder; relative paths start at {str(Path.cwd())!r}"
    from difflib import get_close_matches

    alike = get_close_matches(path.name, [each.name for each in path.parent.iterdir()], n=1)
    if alike:
        return f"{str(path)!r} {what}: give {str(path.with_name(alike[0]))!r}, if you mean that"
    return f"{str(path)!r} {what}: check its name; nothing in {str(path.parent.resolve())!r} has a similar one"


# --- Private files: only their owner can read them --------------------------------------------------------------------


def make_folder(path: Path) -> None:
    """Make a folder and its parents so that only their owner can open them; existing ones stay as they are."""
    for each in (*reversed(path.parents), path):
        if not each.is_dir():
            each.mkdir(exist_ok=True)
            with suppress(OSError):  # Some file systems have no owners.
                each.chmod(stat.S_IRWXU)


def open_private(path: str | Path, mode: str, *, buffering: int = -1) -> IO[bytes]:
    """Open a file to write, like `open` in a binary mode; a new file can only be read by its owner."""
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
    """Write a file that only its owner can read; remove a new file if that fails."""
    is_new = not path.exists()
    try:
        with open_private(path, "wb") as file:
            file.write(data)
    except OSError:
        if is_new:
            with suppress(OSError):  # The first error is raised.
                path.unlink()
        raise


def write_whole(path: str | Path, data: bytes) -> None:
    """Write a file that only its owner can read; it is replaced as a whole or not at all."""
    with writing_whole(path) as file:
        file.write(data)


@contextmanager
def writing_whole(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a file that only its owner can read; it is replaced as a whole at the end, or not at all."""
    part = f"{path}.part"
    try:
        with open_private(part, "wb") as file:
            yield file
    except BaseException:
        with suppress(OSError):  # The first error is raised.
            os.unlink(part)
        raise
    os.replace(part, path)


# --- Sealed files: checksums show whether they have changed -----------------------------------------------------------

_SEAL = re.compile(rb'\{"crc32":"([0-9a-f]{8})",')
_SEAL_LENGTH = len('{"crc32":"00000000",')


def seal(text: bytes) -> bytes:
    """Add a checksum to a JSON object as its first field: ``{"crc32":"…",…}``."""
    return b'{"crc32":"%08x",%s' % (zlib.crc32(text), text[1:])


def is_sealed(text: bytes) -> bool:
    """Return whether a JSON object begins with a checksum."""
    return _SEAL.match(text) is not None


def unseal(text: bytes) -> bytes | None:
    """Return a JSON object as it was before `seal`, or `None` if it has changed since."""
    found = _SEAL.match(text)
    if found is None:
        return None
    body = b"{" + text[_SEAL_LENGTH:]
    return body if zlib.crc32(body) == int(found[1], 16) else None


def read_sealed(data: bytes) -> tuple[dict[str, Any], bool]:
    """Return the JSON object in a file, and whether it is unchanged or never had a seal.

    Raises `ValueError` if it is not a JSON object.
    """
    try:
        tree = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(tree, dict):
        raise ValueError("it holds no JSON object")
    is_whole = "crc32" not in tree or unseal(data.rstrip()) is not None
    tree.pop("crc32", None)
    return tree, is_whole


class SealedLines(NamedTuple):
    """The lines of a file with one JSON object a line."""

    whole: list[bytes]
    """The unchanged lines, without their seals."""
    damaged: list[tuple[int, bytes]]
    """The others, with their line numbers. A line that a damaged byte has split in two counts as one."""
    is_sealed: bool
    """True if any line has a seal. Files of earlier versions have none."""


def split_sealed(data: bytes, first_key: str) -> SealedLines:
    """Split a file into lines, and check them.

    If no line has a seal, as in files of earlier versions, all that begin with `first_key` count as whole. So do two
    lines that a damaged line end has joined.
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
    """Return the line in a piece, which may end with what was once a line end."""
    body = unseal(piece)
    return unseal(piece[:-1]) if body is None else body


# --- Locked folders: one process writes at a time ---------------------------------------------------------------------

#: The byte to lock on Windows: beyond the text, which others could not read if it were locked.
_LOCKED_BYTE = 2**30
_held: WeakValueDictionary[Path, FolderLock] = WeakValueDictionary()
_holding = threading.RLock()  # The garbage collector may run `__del__` while this thread holds it.


class FolderLock:
    """A lock that lets one process write into a folder, until it is released or the process ends.

    Raises `FolderInUse` if another process holds the lock, and `OSError` if its file cannot be written.

    It is a record lock (``fcntl.lockf``): network file systems know these, and worker processes do not inherit them, so
    none can outlive this process. Where a file system has no locks, the host and process in the file decide.
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
                if is_at(file, self.path):  # Otherwise its last holder has just removed it.
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
        """True if this process holds the lock."""
        return self._file is not None

    def release(self) -> None:
        """Let other processes write."""
        if self._file is None or self._process_id != os.getpid():
            return  # Forked processes do not inherit the lock.
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
    """Another process writes into the folder; the message names it."""


def _lock(file: IO[bytes]) -> bool:
    """Lock a file; return whether that was possible."""
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
        # This file system has no locks, as some network and user ones.
        return not _is_alive(_holder(file.read()), file)
    return True


def _holder(text: bytes) -> tuple[str, int]:
    """Return the host and the process that a lock file names."""
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
        return True  # It cannot be known here.
    if process_id == os.getpid():
        return False  # This process does not hold it: it would be in `_held`.
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
    """Return whether an open file is still the file at a path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False
