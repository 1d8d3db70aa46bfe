"""A recording, to be heard again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..conversation.records import Turn
from ..display import Record
from ..errors import AudioError
from ..media.clip import AudioClip
from .mix import beside, stretch

if TYPE_CHECKING:
    from .recording import Recording

_SLOWEST, _FASTEST = 0.25, 4.0


@dataclass(frozen=True, eq=False, repr=False)
class Replay(Record):
    """Both sides of a recording in one clip, and what is said when.

    Parameters
    ----------
    name : str
        Of the recording.
    clip : AudioClip
        Both sides as they were heard, the person left and the model right; a single side is mono.
    turns : list of (float, Turn)
        What is said, and where it begins in the clip, in seconds.
    speed : float
        How much faster than it was.
    """

    name: str
    clip: AudioClip
    turns: list[tuple[float, Turn]]
    speed: float = 1.0

    def __repr__(self) -> str:
        speed = f" at {self.speed:g} times the speed" if self.speed != 1.0 else ""
        return f"Replay({self.name!r}, {self.clip.duration_s:.1f} s{speed}, {len(self.turns)} turns)"


def make_replay(recording: Recording, speed: float) -> Replay:
    """Put both sides beside each other at a speed, and find when each turn is said.

    Raises `AudioError` if the speed is out of range.
    """
    if not _SLOWEST <= speed <= _FASTEST:
        raise AudioError(f"speed={speed!r} must be between {_SLOWEST} and {_FASTEST}")
    clip = stretch(beside(recording.user, recording.heard), speed)
    return Replay(recording.path.name, clip, [(start_s / speed, turn) for start_s, turn in recording.said], speed)
