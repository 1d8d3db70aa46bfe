"""Bounds for connections to our ports that have not shown a key yet: few at once, and none for long.

Every user of a host can connect to its loopback. Without bounds, one of them could use up this process's descriptors,
or fill a log, without ever being let in.

Floor 0.
"""

from __future__ import annotations

import asyncio
import logging
import time

#: Connections that the loop takes in one go, before any of them is read; the ``backlog`` of a server.
ACCEPTED_AT_ONCE = 32
#: More than are accepted while the first of them is read, so that a client with a key is heard before it loses its
#: place: when there are too many, the oldest goes first.
MOST_STRANGERS = 4 * ACCEPTED_AT_ONCE
LONGEST_S = 10.0
_LINES, _PER_S = 10, 60.0


class Strangers:
    """The connections of one port that have not shown a valid key. Belongs to one event loop."""

    def __init__(self, *, most: int = MOST_STRANGERS, longest_s: float = LONGEST_S):
        self._most = most
        self._longest_s = longest_s
        self._waiting: dict[tuple[str, int], tuple[asyncio.Transport, asyncio.TimerHandle]] = {}

    @property
    def number(self) -> int:
        """How many there are, including some that have gone."""
        return len(self._waiting)

    def arrived(self, transport: asyncio.Transport) -> None:
        """Add a new connection; ends the oldest if there are too many."""
        peer = transport.get_extra_info("peername")
        if not peer:  # it went again
            transport.abort()
            return
        self._forget_closed()
        while len(self._waiting) >= self._most:
            self._end(next(iter(self._waiting)))
        address = (str(peer[0]), int(peer[1]))
        self.known(address)
        timer = asyncio.get_running_loop().call_later(self._longest_s, self._end, address)
        self._waiting[address] = transport, timer

    def known(self, address: tuple[str, int] | None) -> None:
        """Stop bounding the connection from an address: it has shown a key."""
        if address in self._waiting:
            self._waiting.pop(address)[1].cancel()

    def _end(self, address: tuple[str, int]) -> None:
        transport = self._waiting[address][0]
        self.known(address)
        transport.abort()

    def _forget_closed(self) -> None:
        for address, (transport, _) in list(self._waiting.items()):
            if transport.get_extra_info("socket").fileno() < 0:
                self.known(address)


class FewLines(logging.Filter):
    """Lets a few lines a minute through from each place in the code: strangers can cause as many as they like."""

    def __init__(self) -> None:
        super().__init__()
        self._since_s = 0.0
        self._lines: dict[tuple[str, int], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line may be written; the last one says that others are left out."""
        now_s = time.monotonic()
        if now_s - self._since_s > _PER_S:
            self._since_s, self._lines = now_s, {}
        place = record.pathname, record.lineno
        self._lines[place] = number = self._lines.get(place, 0) + 1
        if number == _LINES:
            record.msg = f"{record.msg} (further lines like this are left out for a minute)"
        return number <= _LINES
