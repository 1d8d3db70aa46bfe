"""Return memory to the system once a conversation is gone.

glibc keeps what Python frees if anything small is still in use behind it. After an hour's conversation that was all of
its sound: hundreds of megabytes, until the kernel ended.

Floor 0.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Any

_is_wanted = False


def give_back_soon() -> None:
    """Give free memory back after the garbage collector's next full run.

    Turns and replies refer to each other, so only the collector frees them.
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
    # Without glibc, free memory goes back by itself.
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
