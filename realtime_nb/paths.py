"""What to say of a path that leads nowhere."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path


def missing(path: Path, what: str = "is not a file") -> str:
    """Return why a path leads to no file, and the way to one: a name in its folder that is much alike, if there is any.

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
