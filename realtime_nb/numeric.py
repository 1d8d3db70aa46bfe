"""Load numpy, soundfile and soxr on first use.

A session and its panel come before any sound, and numpy takes nearly as long to load as all else that they need. What
they load takes these libraries from here. Python 3.15 has ``lazy import`` for this (PEP 810).

Floor 0.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any


class _Late:
    """A module that loads when the first of its names is used."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self._name), name)
        setattr(self, name, value)
        return value


if TYPE_CHECKING:
    import numpy as np
    import soundfile
    import soxr
else:
    np, soundfile, soxr = map(_Late, ("numpy", "soundfile", "soxr"))

__all__ = ["load", "np", "soundfile", "soxr"]


def load() -> None:
    """Load them all, so that the first sound need not wait for them."""
    for name in ("soundfile", "soxr"):  # They load numpy.
        import_module(name)
