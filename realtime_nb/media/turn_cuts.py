"""Detected turns compared with spoken turns: what was cut, merged, missed or invented.

Pure arithmetic on spans on one clock, in ms.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Span = tuple[float, float]

#: A found turn counts as part of a spoken one if it shares at least this much of its speech.
_SHARED_MS = 64.0


@dataclass(frozen=True)
class FoundTurn:
    """A turn as turn detection cut it; times are in ms of the sound."""

    start_ms: float
    """Where it begins, including prefix padding: the API's ``audio_start_ms``."""
    end_ms: float
    """Where it ends, including the silence that ended it: the API's ``audio_end_ms``."""
    started_at_ms: float
    """How much audio had been heard when ``speech_started`` came."""
    ended_at_ms: float
    """How much audio had been heard when ``speech_stopped`` came, after which the answer begins."""


@dataclass(frozen=True)
class SpokenTurn:
    """A turn as it was spoken."""

    speech: tuple[Span, ...]
    """Its stretches of speech, in order, with pauses between them."""

    @property
    def start_ms(self) -> float:
        """When the first word begins."""
        return self.speech[0][0]

    @property
    def end_ms(self) -> float:
        """When the last word ends."""
        return self.speech[-1][1]

    @property
    def speech_ms(self) -> float:
        """How much speech is in it."""
        return sum(end - start for start, end in self.speech)

    def speech_between(self, start_ms: float, end_ms: float) -> tuple[Span, ...]:
        """Return its speech between two times."""
        cut = ((max(start, start_ms), min(end, end_ms)) for start, end in self.speech)
        return tuple(span for span in cut if span[1] > span[0])


@dataclass(frozen=True)
class Cut:
    """How turn detection cut a spoken turn; or a false start, which has no spoken turn."""

    spoken: SpokenTurn | None
    """The spoken turn; `None` for a false start, in which no one speaks."""
    found: tuple[FoundTurn, ...]
    """The found turns that hold some of it, in order."""
    is_merged: bool = False
    """True if one of them holds speech of another spoken turn as well."""
    goes_on: bool = False
    """True if the last of them ends only after a later spoken turn."""

    @property
    def is_false_start(self) -> bool:
        """True if no one speaks in it."""
        return self.spoken is None

    @property
    def is_missed(self) -> bool:
        """True if none of it is in any found turn."""
        return not self.found

    @property
    def is_split(self) -> bool:
        """True if it was cut into several turns, so the person is answered before they have finished."""
        return not self.is_false_start and len(self.found) > 1

    @property
    def onset_ms(self) -> float | None:
        """From the start of the first word to ``speech_started``; `None` if that is not known."""
        return self.found[0].started_at_ms - self.spoken.start_ms if self.spoken and self.found else None

    @property
    def latency_ms(self) -> float | None:
        """From the end of the last word to the ``speech_stopped`` after it.

        `None` if there is none before the person speaks again: the turn was missed, or merged with the next.
        """
        if self.spoken is None or not self.found or self.goes_on:
            return None
        return self.found[-1].ended_at_ms - self.spoken.end_ms

    @property
    def clipped_start(self) -> tuple[Span, ...]:
        """Speech before the first found turn begins, which is lost because the prefix padding is too short."""
        return self.spoken.speech_between(0.0, self.found[0].start_ms) if self.spoken and self.found else ()

    @property
    def clipped_end(self) -> tuple[Span, ...]:
        """Speech after the first found turn, which is answered before it is said; all speech if the turn was missed."""
        if self.spoken is None:
            return ()
        return self.spoken.speech_between(self.found[0].end_ms if self.found else 0.0, self.spoken.end_ms)

    @property
    def clipped_start_ms(self) -> float:
        """How much speech is in `clipped_start`."""
        return _length_ms(self.clipped_start)

    @property
    def clipped_end_ms(self) -> float:
        """How much speech is in `clipped_end`."""
        return _length_ms(self.clipped_end)

    @property
    def clipped_ms(self) -> float:
        """How much of its speech is not in the first found turn, which is answered."""
        return self.clipped_start_ms + self.clipped_end_ms

    @property
    def lost_ms(self) -> float:
        """How much of its speech is not in any found turn."""
        if self.spoken is None:
            return 0.0
        kept = sum(_shared_ms(self.spoken, turn) for turn in self.found)
        return max(0.0, self.spoken.speech_ms - kept)


def match(spoken: Sequence[SpokenTurn], found: Sequence[FoundTurn]) -> list[Cut]:
    """Match found turns with spoken turns.

    Returns one for each spoken turn and each false start, in order of time. A found turn is part of a spoken one if
    they share 64 ms of speech, or all of it.
    """
    starts, ends = [turn.start_ms for turn in spoken], [turn.end_ms for turn in spoken]
    holds: list[list[int]] = []
    pieces: list[list[int]] = [[] for _ in spoken]
    for number, each in enumerate(found):
        near = range(bisect_right(ends, each.start_ms), bisect_left(starts, each.end_ms))
        holds.append([i for i in near if _shared_ms(spoken[i], each) >= min(_SHARED_MS, spoken[i].speech_ms)])
        for index in holds[-1]:
            pieces[index].append(number)
    cuts = []
    for index, (turn, mine) in enumerate(zip(spoken, pieces, strict=True)):
        cuts.append(
            Cut(
                turn,
                tuple(found[number] for number in mine),
                is_merged=any(len(holds[number]) > 1 for number in mine),
                goes_on=bool(mine) and max(holds[mine[-1]]) > index,
            )
        )
    cuts += [Cut(None, (found[number],)) for number, held in enumerate(holds) if not held]
    return sorted(cuts, key=lambda cut: cut.spoken.start_ms if cut.spoken else cut.found[0].start_ms)


def spoken_turns(speech: Iterable[Span], *, pause_ms: float) -> list[SpokenTurn]:
    """Group stretches of speech into turns whose pauses are no longer than `pause_ms`."""
    turns: list[list[Span]] = []
    for span in sorted(speech):
        if turns and span[0] - turns[-1][-1][1] <= pause_ms:
            turns[-1].append(span)
        else:
            turns.append([span])
    return [SpokenTurn(tuple(turn)) for turn in turns]


def _shared_ms(spoken: SpokenTurn, found: FoundTurn) -> float:
    return _length_ms(spoken.speech_between(found.start_ms, found.end_ms))


def _length_ms(spans: Iterable[Span]) -> float:
    return sum(end - start for start, end in spans)
