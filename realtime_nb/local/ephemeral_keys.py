"""Keys for a browser: they open realtime sessions, nothing else, and only for a while."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .api_errors import overloaded

MOST_KEYS = 1_000
PREFIX = "ek_"


@dataclass(frozen=True)
class EphemeralKey:
    """One key."""

    value: str
    expires_at: int
    """Unix time."""
    session: dict[str, Any]
    """What sessions that it opens begin with, as the client that asked for it gave it; with ``type`` always."""


class EphemeralKeys:
    """The keys that a server has given out.

    Parameters
    ----------
    clock : callable
        Unix time.
    """

    def __init__(self, clock: Callable[[], float] = time.time):
        self._clock = clock
        self._keys: dict[str, EphemeralKey] = {}

    def issue(self, session: dict[str, Any], lifetime_s: int) -> EphemeralKey:
        """Make a key that holds for `lifetime_s` seconds.

        Raises
        ------
        ApiError
            If there are too many.
        """
        now = self._clock()
        if len(self._keys) >= MOST_KEYS:
            self._keys = {value: key for value, key in self._keys.items() if now < key.expires_at}
        if len(self._keys) >= MOST_KEYS:
            raise overloaded(f"At most {MOST_KEYS} client secrets may be valid at once.")
        key = EphemeralKey(f"{PREFIX}{secrets.token_hex(16)}", int(now) + lifetime_s, session)
        self._keys[key.value] = key
        return key

    def find(self, value: str) -> EphemeralKey | None:
        """Return a key, unless it has expired."""
        key = self._keys.get(value)
        return key if key and self._clock() < key.expires_at else None
