"""The one door through which a record asks to be shown.

Records live on the lower floors and know nothing of pictures; the package hands down, from its top, what does.

Floor 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Record:
    """Something that a notebook shows as static text, HTML and pictures."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from .progress import Progress

        # The first picture takes librosa a while, and an hour's conversation holds many players.
        with Progress(f"draw {type(self).__name__}"):
            return _looks(self)


def _unseen(record: Any) -> dict[str, Any]:
    raise RuntimeError("nobody has said how records look: import realtime_nb")


_looks: Callable[[Any], dict[str, Any]] = _unseen


def show_by(looks: Callable[[Any], dict[str, Any]]) -> None:
    """Let records be shown by a function from a record to its MIME bundle; the package does so from its top."""
    global _looks
    _looks = looks
