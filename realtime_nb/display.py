"""The base class of everything that a notebook can show.

Records live on the lower floors and know nothing of pictures; the package passes in the function that draws them.

Floor 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Record:
    """Something that a notebook shows as static text, HTML and pictures."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from .progress import Progress

        # The first picture loads librosa, and an hour's conversation holds many players.
        with Progress(f"draw {type(self).__name__}"):
            return _looks(self)


def _unseen(record: Any) -> dict[str, Any]:
    raise RuntimeError("nobody has said how records look: import realtime_nb")


_looks: Callable[[Any], dict[str, Any]] = _unseen


def show_by(looks: Callable[[Any], dict[str, Any]]) -> None:
    """Set the function that turns a record into its MIME bundle; the package calls this at import."""
    global _looks
    _looks = looks
