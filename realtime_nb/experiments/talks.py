"""What was said in a scenario, on both sides: turn by turn, and as two tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..audio import WIRE_SAMPLE_RATE, AudioClip, concatenate
from ..conversation import Conversation
from ..sessions.listener import Listener, Sounding
from ..timing import first_audible_ms, silence_at_end_ms
from ..turns import Reply, Turn
from .scenarios import Said, UserTurn


@dataclass
class Exchange:
    """A turn of the person's, and what came of it."""

    turn: UserTurn
    clip: AudioClip
    start_ms: float
    """Where it begins in the person's track."""
    cut: Sounding | None = None
    """What sounded when it was said, where it was said into an answer."""
    by_hand: bool = False
    """Whether the person pressed stop first, rather than to speak into the answer."""
    left_out: str = ""
    """Why it was not said into an answer, as it should have been. A backchannel is then not said at all."""
    asked: list[Turn] = field(default_factory=list)
    """The turns that the session found in it."""
    replies: list[Reply] = field(default_factory=list)
    """The answers to them."""

    @property
    def end_ms(self) -> float:
        """Where it ends in the person's track."""
        return self.start_ms + self.clip.duration_s * 1000

    @property
    def is_said(self) -> bool:
        """Whether the session could hear it."""
        return not (self.left_out and self.turn.backchannel)

    @property
    def speech_start_ms(self) -> float:
        """Where its first audible sample lies in the person's track."""
        return self.start_ms + (first_audible_ms(self.clip) or 0.0)

    @property
    def speech_end_ms(self) -> float:
        """Where its last audible sample lies there."""
        return self.end_ms - silence_at_end_ms(self.clip)

    def overlap_ms(self, turn: Turn) -> float:
        """Return how much of a turn that a session found lies in this one; negative where it is so far away."""
        if turn.audio_start_ms is None:
            return -np.inf
        end_ms = self.end_ms if turn.audio_end_ms is None else turn.audio_end_ms
        return min(end_ms, self.end_ms) - max(turn.audio_start_ms, self.start_ms)


@dataclass
class Talk:
    """A scenario's conversation."""

    exchanges: list[Exchange] = field(default_factory=list)
    listener: Listener | None = None
    """Who heard the answers; `None` where nobody waited for them to sound. Its clock is that of the person's track."""
    is_open: bool = False
    """Whether the person spoke into an open microphone, in which the session found the turns."""
    length_ms: float = 0.0
    """Of the person's track."""
    user_cost_usd: float | None = 0.0
    """What it took to think of the person's turns; `None` where that is not known."""

    @property
    def said(self) -> list[Exchange]:
        """The turns that the session could hear."""
        return [each for each in self.exchanges if each.is_said]

    @property
    def known(self) -> list[Said]:
        """The conversation as the person knows it: what they said, and what they heard of the answers."""
        known = []
        for each in self.said:
            known.append(Said("user", each.turn.text))
            heard = " ".join(reply.heard_transcript for reply in each.replies if reply.heard_transcript)
            if heard:
                known.append(Said("assistant", heard))
        return known

    def assign(self, conversation: Conversation) -> None:
        """Say to which turn of the person's the turns that the session found, and its replies, belong.

        A turn belongs to what was said while it was heard; where the session was given whole turns, in their order.
        """
        said, asked = self.said, [turn for turn in conversation if turn.role == "user"]
        for each in said:
            each.asked, each.replies = [], []
        if self.is_open and said:
            for turn in asked:
                best = max(said, key=lambda each: each.overlap_ms(turn))
                if best.overlap_ms(turn) > 0:
                    best.asked.append(turn)
        else:
            for each, turn in zip(said, asked, strict=False):
                each.asked = [turn]
        for each in said:
            each.replies = [reply for reply in conversation.replies if reply.asked in each.asked]

    @property
    def input(self) -> AudioClip | None:
        """The person's track."""
        return _track([(each.start_ms, each.clip) for each in self.said], self.length_ms) if self.said else None

    @property
    def output(self) -> AudioClip | None:
        """The answers' track: as they were heard, where somebody did; one behind the other otherwise."""
        turns = [turn for each in self.exchanges for reply in each.replies for turn in reply.turns]
        clips = {turn.item_id: clip for turn in turns if (clip := turn.audio) is not None}
        if not clips:
            return None
        if self.listener is None:
            return concatenate(list(clips.values()))
        heard = [each for each in self.listener.played if each.item_id in clips]
        return _track(
            [(each.start_ms, clips[each.item_id].cut(0.0, (each.end_ms - each.start_ms) / 1000)) for each in heard],
            self.length_ms,
        )


def _track(clips: Sequence[tuple[float, AudioClip]], length_ms: float) -> AudioClip:
    """Lay clips down where they begin, on a track that is as long as the conversation."""
    laid = [(_place(start_ms), clip.resample(WIRE_SAMPLE_RATE).samples) for start_ms, clip in clips]
    track = np.zeros(max([_place(length_ms), *(start + len(samples) for start, samples in laid)]), np.float32)
    for start, samples in laid:
        track[start : start + len(samples)] += samples
    return AudioClip(np.clip(track, -1.0, 1.0), WIRE_SAMPLE_RATE)


def _place(at_ms: float) -> int:
    return round(at_ms / 1000 * WIRE_SAMPLE_RATE)
