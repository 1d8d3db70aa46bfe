"""The person's audio as it was sent: where each turn is in it, and when it was sent."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from ..protocol.formats import bytes_per_ms, bytes_until

#: How much of the microphone's audio is kept while no one speaks.
_KEPT_MS = 30_000


class Commit(NamedTuple):
    """A stretch of audio that was committed as a turn by hand."""

    event_id: str
    start_ms: int
    end_ms: int
    elapsed_ms: float
    """Session time at which it was committed."""


class SentFrames(NamedTuple):
    """Consecutive frames of a microphone as one event: folding it gives the same result, and is faster."""

    audio: bytes
    """The audio of all frames, which are equally long."""
    times_ms: Sequence[float]
    """When each frame was sent."""


class InputTrack:
    """A growing track of wire audio that keeps only what a turn may still need.

    Positions are in ms of all audio ever appended, as the server counts them.
    """

    def __init__(self, encoding: str = "audio/pcm", *, start_ms: float = 0.0) -> None:
        self.encoding = encoding
        self.manual = False
        """True if turns are ended by hand; all audio since the last one then belongs to the next."""
        self.turn_start_ms = start_ms
        """Where the server's audio buffer begins."""
        self._bytes_per_ms = bytes_per_ms(encoding)
        self._data = bytearray()
        self._start = bytes_until(start_ms, encoding)
        self._sent: deque[tuple[float, float]] = deque()
        self._commits: deque[Commit] = deque()
        self._held = False

    @property
    def end_ms(self) -> float:
        """Length of all audio ever appended."""
        return (self._start + len(self._data)) / self._bytes_per_ms

    def append(self, data: bytes, elapsed_ms: float) -> None:
        """Add audio that was sent at a session time."""
        self._data += data
        self._sent.append((self.end_ms, elapsed_ms))
        self._forget_what_is_too_much()

    def extend(self, data: bytes, times_ms: Sequence[float]) -> None:
        """Add as many equal pieces as there are times; the same as appending them one by one."""
        size, at = len(data) // len(times_ms), 0
        while at < len(times_ms):
            count = self._room(size, len(times_ms) - at)
            end = self._start + len(self._data)
            ends_ms = ((end + number * size) / self._bytes_per_ms for number in range(1, count + 1))
            self._sent.extend(zip(ends_ms, times_ms[at : at + count], strict=True))
            self._data += data[at * size : (at + count) * size]
            at += count
            self._forget_what_is_too_much()

    def _forget_what_is_too_much(self) -> None:
        if not self._is_needed and len(self._data) > self._most:
            self._forget(self.end_ms - _KEPT_MS)

    @property
    def _most(self) -> int:
        """The most bytes that are kept while no one speaks."""
        return bytes_until(2 * _KEPT_MS, self.encoding)

    @property
    def _is_needed(self) -> bool:
        return self._held or self.manual or bool(self._commits)

    def _room(self, size: int, wanted: int) -> int:
        """Return how many pieces can be added before audio must be dropped."""
        if self._is_needed:
            return wanted
        return min(wanted, max(0, self._most - len(self._data)) // max(1, size) + 1)

    def hold(self) -> None:
        """Keep everything from here on: a turn has begun."""
        self._held = True

    def mark_commit(self, event_id: str, elapsed_ms: float) -> None:
        """Note that the buffer was committed by hand."""
        self._commits.append(Commit(event_id, round(self.turn_start_ms), round(self.end_ms), elapsed_ms))
        self.turn_start_ms = self.end_ms

    def take_commit(self) -> Commit | None:
        """Return the oldest commit that has no item yet."""
        return self._commits.popleft() if self._commits else None

    def refuse_commit(self, event_id: str | None) -> None:
        """Undo a commit that the server refused; its audio is still in the server's buffer."""
        for index, commit in enumerate(self._commits):
            if commit.event_id == event_id:
                del self._commits[index]
                if index < len(self._commits):
                    self._commits[index] = self._commits[index]._replace(start_ms=commit.start_ms)
                else:
                    self.turn_start_ms = min(self.turn_start_ms, commit.start_ms)
                return

    def clear(self) -> None:
        """Note that the buffer was cleared."""
        self.turn_start_ms = self.end_ms
        self._held = False

    def sent_at(self, position_ms: float) -> tuple[float | None, float]:
        """Return when the audio up to a position had been sent, in session time, and how much more was sent with it."""
        if not self._sent:
            return None, 0.0
        index = bisect_left(self._sent, (position_ms, 0.0))
        end_ms, elapsed_ms = self._sent[min(index, len(self._sent) - 1)]
        return elapsed_ms, max(0.0, end_ms - position_ms)

    def cut(self, start_ms: float, end_ms: float | None) -> bytes:
        """Return a turn's audio, and drop everything before its end."""
        end_ms = self.end_ms if end_ms is None else min(end_ms, self.end_ms)
        start = max(0, bytes_until(round(start_ms), self.encoding) - self._start)
        data = bytes(self._data[start : max(start, bytes_until(round(end_ms), self.encoding) - self._start)])
        self._held = False
        self.turn_start_ms = max(self.turn_start_ms, end_ms)
        # A little is kept: the next turn's padding may begin before this one's end.
        self._forget(end_ms - 1_000)
        return data

    def _forget(self, before_ms: float) -> None:
        count = bytes_until(int(before_ms), self.encoding) - self._start
        if count > 0:
            del self._data[:count]
            self._start += count
        while len(self._sent) > 1 and self._sent[0][0] < before_ms:
            self._sent.popleft()
