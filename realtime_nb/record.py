"""The one door through which a record asks to be shown.

Records live on the lower floors and know nothing of pictures; `realtime_nb.views` knows how they look and is
loaded when the first one is shown.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .progress import Progress


class Record:
    """Something that a notebook shows as static text, HTML and pictures."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        # The first picture takes librosa a while, and an hour's conversation holds many players.
        with Progress(f"draw {type(self).__name__}"):
            bundle: dict[str, Any] = import_module("realtime_nb.views").mimebundle(self)
        return bundle
