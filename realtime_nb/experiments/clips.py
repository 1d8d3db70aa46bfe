"""Clips of a run, and where in them somebody speaks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..conversation.timing import first_audible_ms, silence_at_end_ms
from ..media.clip import AudioClip

#: Codecs and resampling may add or drop a few samples at the end of a clip.
_SAME_LENGTH_MS = 1.0


@dataclass(frozen=True, eq=False, repr=False)
class SpokenClip(AudioClip):
    """A clip, and where the person speaks in it, as it was before any condition."""

    speech_start_ms: float | None = field(default=None, kw_only=True)
    """Where the first audible sample of the clean clip is now; `None` if nobody speaks, or that is not known."""
    speech_end_ms: float | None = field(default=None, kw_only=True)
    """Where its last audible sample ends."""
    turn_end_ms: float = field(default=0.0, kw_only=True)
    """Where the clean clip ends now, at which the person lets go of a button; a room may ring on."""

    @classmethod
    def of(cls, clip: AudioClip) -> SpokenClip:
        """Return a clip with its speech; a clip that does not know its own is taken for clean."""
        if isinstance(clip, cls):
            return clip
        start_ms, length_ms = first_audible_ms(clip), clip.duration_s * 1000
        end_ms = None if start_ms is None else length_ms - silence_at_end_ms(clip)
        return cls(
            clip.samples,
            clip.sample_rate,
            clip.comment,
            speech_start_ms=start_ms,
            speech_end_ms=end_ms,
            turn_end_ms=length_ms,
        )

    def changed_by(self, condition: Any, clip: AudioClip) -> SpokenClip:
        """Return the sound that a condition made of this clip, with the speech at its new place."""
        place_ms = getattr(condition, "place_ms", None)
        length_ms, before_ms = clip.duration_s * 1000, self.duration_s * 1000
        if place_ms is None and abs(length_ms - before_ms) > _SAME_LENGTH_MS:
            return SpokenClip(clip.samples, clip.sample_rate, clip.comment, turn_end_ms=length_ms)

        def placed(at_ms: float | None) -> float | None:
            return at_ms if at_ms is None or place_ms is None else float(place_ms(at_ms))

        return SpokenClip(
            clip.samples,
            clip.sample_rate,
            clip.comment,
            speech_start_ms=placed(self.speech_start_ms),
            speech_end_ms=placed(self.speech_end_ms),
            turn_end_ms=min(placed(self.turn_end_ms) or 0.0, length_ms),
        )

    @property
    def silence_ms(self) -> float | None:
        """How long the person is silent before they let go of a button; `None` if that is not known."""
        return None if self.speech_end_ms is None else self.turn_end_ms - self.speech_end_ms
