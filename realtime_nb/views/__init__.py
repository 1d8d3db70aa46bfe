"""Records → static text, HTML and pictures.

Floor 6: imports floors 0 to 3, for views show records and know no session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import escape

if TYPE_CHECKING:
    from .bundles import mimebundle

__all__ = ["escape", "mimebundle"]


def __getattr__(name: str) -> Any:
    # A panel needs few of the views, and must not wait for all of them.
    if name != "mimebundle":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .bundles import mimebundle

    return mimebundle
