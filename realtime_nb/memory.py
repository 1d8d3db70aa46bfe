"""Memory that goes back to the system once a conversation is gone.

What Python frees, glibc keeps for later wherever something small lives on behind it: after an hour's conversation that
was all of its sound, hundreds of megabytes for as long as the kernel ran.

Floor 0.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Any

_is_wanted = False


def give_back_soon() -> None:
    """Give back what is free behind the garbage collector's next full run.

    Turns and replies name each other: they go then, not when the last name of their conversation does.
    """
    global _is_wanted
    _is_wanted = True
    if _behind_collection not in gc.callbacks:
        gc.callbacks.append(_behind_collection)


def _behind_collection(phase: str, about: dict[str, Any]) -> None:
    global _is_wanted
    if phase == "stop" and about["generation"] == 2 and _is_wanted:
        _is_wanted = False
        _give_back()


def _give_back() -> None:
    # Elsewhere than under glibc free memory goes back by itself.
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
