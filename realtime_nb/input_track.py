"""The person's audio as it was sent: where each turn lies in it, and when it left."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

from .turns import ENCODINGS

#: How much of the microphone's audio is kept while nobody speaks.
_KEPT_MS = 30_000


class InputTrack:
    """A growing track of wire audio of which only what a turn may still need is kept.

    Positions are in ms of all audio ever appended, as the server counts them.
    """

    def __init__(self) -> None:
        self.encoding = "audio/pcm"
        self._data = bytearray()
        self._start = 0
        self._sent: deque[tuple[float, float]] = deque()
        self._commits: deque[tuple[int, int, float]] = deque()
        self._turn_start_ms = 0.0
        self._held_from_ms: float | None = None

    @property
    def _bytes_per_ms(self) -> int:
        return ENCODINGS.get(self.encoding, ENCODINGS["audio/pcm"])[0]

    @property
    def end_ms(self) -> float:
        """Length of all audio ever appended."""
        return (self._start + len(self._data)) / self._bytes_per_ms

    def append(self, data: bytes, elapsed_ms: float) -> None:
        """Add audio that was sent at a session time."""
        self._data += data
        self._sent.append((self.end_ms, elapsed_ms))
        if self._held_from_ms is None and len(self._data) > 2 * _KEPT_MS * self._bytes_per_ms and not self._commits:
            self._forget(self.end_ms - _KEPT_MS)

    def hold_from(self, start_ms: float) -> None:
        """Keep everything from here on: a turn has begun."""
        self._held_from_ms = start_ms

    def mark_commit(self, elapsed_ms: float) -> None:
        """Note that the buffer was committed by hand."""
        self._commits.append((round(self._turn_start_ms), round(self.end_ms), elapsed_ms))
        self._turn_start_ms = self.end_ms

    def take_commit(self) -> tuple[int, int, float] | None:
        """Return start, end and session time of the oldest commit that no item answers yet."""
        return self._commits.popleft() if self._commits else None

    def clear(self) -> None:
        """Note that the buffer was cleared."""
        self._turn_start_ms = self.end_ms

    def sent_at_ms(self, position_ms: float) -> float | None:
        """Return the session time at which the audio up to a position had been sent."""
        index = bisect_left(self._sent, (position_ms, 0.0))
        return self._sent[index][1] if index < len(self._sent) else (self._sent[-1][1] if self._sent else None)

    def cut(self, start_ms: float, end_ms: float | None) -> bytes:
        """Return a turn's audio, and let go of everything before its end."""
        per_ms = self._bytes_per_ms
        end_ms = self.end_ms if end_ms is None else end_ms
        start = max(0, round(start_ms) * per_ms - self._start)
        data = bytes(self._data[start : max(start, round(end_ms) * per_ms - self._start)])
        self._held_from_ms = None
        self._turn_start_ms = max(self._turn_start_ms, end_ms)
        # A little stays: the next turn's padding may reach back before this one's end.
        self._forget(end_ms - 1_000)
        return data

    def _forget(self, before_ms: float) -> None:
        count = int(before_ms) * self._bytes_per_ms - self._start
        if count > 0:
            del self._data[:count]
            self._start += count
        while len(self._sent) > 1 and self._sent[0][0] < before_ms:
            self._sent.popleft()
