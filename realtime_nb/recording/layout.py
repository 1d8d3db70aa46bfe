"""Where sound lies on a recording's two tracks, which share one clock."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..wire import events as ev
from ..wire.local import Heard

#: Longer chunks are clips that were sent at once; a microphone's frames are shorter.
_CLIP_MS = 500.0
#: Chunks that come later than this after the last one ended leave a gap; sooner ones are late, and join it.
_JITTER_MS = 200.0


class Place(NamedTuple):
    """Where a chunk is on its track, in samples."""

    start_sample: int
    """Where it is stored."""
    at_sample: int
    """Where it sounded: before `start_sample` where the track still holds what was cut off before it."""


class Layout:
    """The clock of a recording's tracks, and what lies where on them.

    The clock is session time, which waits in two cases, so that what is heard is a conversation: for a clip that was
    sent faster than it sounds, until it is over; and, where no speaker reports what it plays, for an answer, until it
    is over, before the next question. A live conversation waits for nothing.

    The microphone's frames end where they were sent; an item of the model's begins where it arrived, or where the one
    before it was over. Nothing on a track is written over: what follows an answer that was cut off is stored behind
    all of it, and is said to have sounded earlier.
    """

    def __init__(self) -> None:
        self.wait_ms = 0.0
        """How far the clock is ahead of session time by now."""
        self._rates: dict[str, int] = {}
        self._ends: dict[str, int] = {"user": 0, "assistant": 0}
        self._item = ""
        self._quiet_from_ms = 0.0
        self._is_reported = False
        self._stopped: set[str] = set()

    def note(self, event: Any, elapsed_ms: float) -> None:
        """Take an event into account that carries no sound."""
        if isinstance(event, Heard):
            self._is_reported = True
            if event.stopped and event.item_id not in self._stopped:
                self._stopped.add(event.item_id)
                self._quiet_from_ms = min(self._quiet_from_ms, elapsed_ms + self.wait_ms)
        elif isinstance(event, ev.ConversationItemCreate | ev.ConversationItemAdded) and event.item.role == "user":
            self._let_finish(elapsed_ms)

    def place_user(self, samples: int, rate: int, elapsed_ms: float) -> Place:
        """Find room for a chunk of the person's."""
        length_ms = samples / rate * 1000
        end_ms = self._end_ms("user", rate)
        if length_ms > _CLIP_MS:
            self._let_finish(elapsed_ms)
            start_ms = elapsed_ms + self.wait_ms
        else:
            start_ms = elapsed_ms + self.wait_ms - length_ms
        start_ms = end_ms if start_ms - end_ms <= _JITTER_MS else start_ms
        start = self._store("user", start_ms, samples)
        self._wait_until((start + samples) / rate * 1000, elapsed_ms)
        return Place(start, start)

    def place_assistant(self, samples: int, rate: int, elapsed_ms: float, item_id: str) -> Place:
        """Find room for a chunk of an item of the model's."""
        self._end_ms("assistant", rate)
        now_ms = elapsed_ms + self.wait_ms
        joins = item_id == self._item and now_ms - self._quiet_from_ms <= _JITTER_MS
        at_ms = self._quiet_from_ms if joins else max(now_ms, self._quiet_from_ms)
        self._item = item_id
        start = self._store("assistant", at_ms, samples)
        at = min(start, round(at_ms * rate / 1000))
        if item_id not in self._stopped:  # What comes late of an answer that was cut off does not sound.
            self._quiet_from_ms = (at + samples) / rate * 1000
        return Place(start, at)

    def _end_ms(self, track: str, rate: int) -> float:
        self._rates.setdefault(track, rate)
        return self._ends[track] / rate * 1000

    def _store(self, track: str, start_ms: float, samples: int) -> int:
        start = max(self._ends[track], round(start_ms * self._rates[track] / 1000))
        self._ends[track] = start + samples
        return start

    def _let_finish(self, elapsed_ms: float) -> None:
        """Let an answer be over before the next question, unless a speaker tells what was heard of it."""
        if not self._is_reported:
            self._wait_until(self._quiet_from_ms, elapsed_ms)

    def _wait_until(self, clock_ms: float, elapsed_ms: float) -> None:
        self.wait_ms = max(self.wait_ms, clock_ms - elapsed_ms)
