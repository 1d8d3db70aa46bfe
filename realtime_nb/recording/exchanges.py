"""A conversation as questions with their answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..conversation.conversation import Conversation
from ..conversation.costs import Costs
from ..conversation.records import Reply, Turn
from ..media.clip import AudioClip

#: The API refuses to commit less audio.
_LEAST_CLIP_S = 0.1


@dataclass(eq=False)
class Exchange:
    """One question of the person, and everything that the model answered."""

    asked: list[Turn] = field(default_factory=list)
    answered: list[Turn] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)

    @property
    def question(self) -> str:
        """The person's words."""
        return " ".join(turn.text for turn in self.asked if turn.text)

    @property
    def answer(self) -> str:
        """The model's words."""
        return " ".join(turn.text for turn in self.answered if turn.text)

    @property
    def first_audio_ms(self) -> float | None:
        """Time from the question to the first audio of the answer."""
        return self.replies[0].timing.first_audio_ms if self.replies else None

    @property
    def cost_usd(self) -> float | None:
        """Cost of the answer and of transcribing the question; `None` if it is not known."""
        return Costs(self.replies, self.asked).total_usd if self.replies else None


def exchanges_of(conversation: Conversation) -> list[Exchange]:
    """Split a conversation before each question."""
    found: list[Exchange] = []
    for turn in conversation:
        if turn.role == "user":
            if not found or found[-1].answered:
                found.append(Exchange())
            found[-1].asked.append(turn)
            continue
        if turn.role == "system":
            continue
        if not found:
            found.append(Exchange())  # The model spoke first.
        found[-1].answered.append(turn)
        reply = conversation.reply(turn.response_id) if turn.response_id else None
        if reply is not None and reply not in found[-1].replies:
            found[-1].replies.append(reply)
    return found


def questions_in(conversation: Conversation) -> list[tuple[str | AudioClip, ...]]:
    """Return the questions as `ask` takes them: as sound if there is any, otherwise as words."""
    questions = (tuple(_pieces(exchange.asked)) for exchange in exchanges_of(conversation))
    return [question for question in questions if question]


def _pieces(turns: list[Turn]) -> list[str | AudioClip]:
    pieces: list[str | AudioClip] = []
    for turn in turns:
        for index in sorted(turn.parts):
            part = turn.parts[index]
            clip = part.clip
            if clip is not None and clip.duration_s >= _LEAST_CLIP_S and clip.peak:
                pieces.append(clip)
            elif part.text.strip():
                pieces.append(part.text)
    return pieces
