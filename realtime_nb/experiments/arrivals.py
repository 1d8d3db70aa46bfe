"""Answers that have arrived in another process: kept until the run has them, so that none is paid twice.

If a worker dies, the answers that it has not delivered yet are lost, and a cluster gives its questions to another one.
If workers see the run's folder, each puts its answers there, in ``arrived/``, before it delivers them. Once an answer
is written down, its file is emptied, but stays until the run ends: if a worker dies just after it delivered an answer,
a cluster gives away that question, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from ..files import write_whole

FOLDER = "arrived"
#: The folders of a run in which an answer may have files.
_ROOMS = ("audio", "clips", "conversations", "recordings")


class Arrival(msgspec.Struct):
    """A row and its files."""

    row: dict[str, Any]
    files: dict[str, bytes]


def put_arrival(folder: str, row: dict[str, Any], files: dict[str, bytes], plain: Any) -> None:
    """Put an answer into the folder, if it is there; `plain` turns values of a row into plain ones."""
    if folder and Path(folder).is_dir():
        data = msgspec.msgpack.encode(Arrival(row, files), enc_hook=plain)
        with suppress(OSError):  # Then it is delivered only.
            write_whole(Path(folder) / f"{row['cell_id']}.msgpack", data)


def get_arrival(folder: str, cell_id: str) -> Arrival | None:
    """Return the answer to a question, if it has arrived before; without its row if that is written down already."""
    if not folder:
        return None
    path = Path(folder) / f"{cell_id}.msgpack"
    return Arrival({}, {}) if _is_empty(path) else _read(path)


def mark_delivered(folder: Path, cell_id: str) -> None:
    """Empty the file of an answer that is written down."""
    with suppress(FileNotFoundError):  # It was delivered only.
        os.truncate(f"{folder}/{cell_id}.msgpack", 0)


def clear_delivered(folder: Path) -> None:
    """Remove the folder, except for answers that are not written down."""
    with suppress(OSError):  # It does not exist, or is not empty.
        for path in folder.iterdir():
            if path.suffix == ".part" or _is_empty(path):
                path.unlink()
        folder.rmdir()


def _is_empty(path: Path) -> bool:
    return path.is_file() and not path.stat().st_size


def arrivals(folder: Path) -> Iterator[Arrival]:
    """Yield the answers in the folder, e.g. of a run that was killed."""
    for path in sorted(folder.glob("*.msgpack")):
        if (found := _read(path)) is not None:
            yield found


def _read(path: Path) -> Arrival | None:
    try:
        found = msgspec.msgpack.decode(path.read_bytes(), type=Arrival)
    except (OSError, msgspec.MsgspecError, RecursionError):
        return None  # Its question is asked again.
    # A folder may come from someone else, and must not lead to files outside it.
    places = [PurePosixPath(name).parts for name in found.files]
    is_inside = all(len(parts) > 1 and parts[0] in _ROOMS and ".." not in parts for parts in places)
    return found if is_inside and found.row.get("cell_id") == path.stem else None
