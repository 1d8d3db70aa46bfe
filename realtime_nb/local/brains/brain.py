"""What decides on an answer: a brain takes the conversation and says sentences or calls tools.

The server does the rest: items, sound, cancellation, usage. Three brains are here: `rule_brain` (the default),
`script_brain` (a repeat-after-me tutor) and `openai_brain` (any OpenAI-compatible text endpoint).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...protocol.parts import LocalPart
from ..realtime.conversation_state import ItemState

#: Below this the recogniser's words are too often others than those that were said. Where it hears rightly, Whisper
#: tiny.en has 0.44 and more: on 11 clips of people, clean and with noise at 10 dB, and on 38 questions by the natural
#: voice. Of 20 questions by espeak-ng that it got wrong, four lie below.
SURE_CONFIDENCE = 0.4


@dataclass(frozen=True)
class Say:
    """Words to say, best a sentence at a time."""

    text: str


@dataclass(frozen=True)
class CallTool:
    """A function for the client to run."""

    name: str
    arguments: dict[str, Any] | str
    """An object, or the JSON text of one."""


@dataclass(frozen=True)
class Context:
    """What a brain may know when it answers."""

    entries: Sequence[ItemState] = ()
    """The conversation, oldest first; the words of a person's sound are in `ItemState.said`."""
    instructions: str = ""
    own_instructions: str | None = None
    """The instructions that were given for this response alone."""
    tools: Sequence[dict[str, Any]] = ()
    """Functions in the API's shape; empty when none may be called."""
    required_tool: str | None = None
    """Name of the function that must be called, ``"*"`` for any of them."""
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def last(self) -> ItemState | None:
        """The item to answer."""
        return self.entries[-1] if self.entries else None

    @property
    def is_silence(self) -> bool:
        """True if the last turn is one that nobody spoke in: the server took it after a while."""
        return self.last is not None and self.last.is_silence

    @property
    def is_unsure(self) -> bool:
        """True if what the person said may well be something else: ask before it is repeated or acted on.

        An answer with instructions of its own is no answer to the person, who is not asked then.
        """
        confidence = self.heard_confidence
        unsure = confidence is not None and confidence < SURE_CONFIDENCE
        return unsure and self.own_instructions is None and bool(self.utterance.strip())

    @property
    def heard_confidence(self) -> float | None:
        """How sure the recogniser is of `utterance`, 0.0 to 1.0; `None` where it was written, or is not known."""
        asking = self._asking
        return asking.confidence if asking else None

    @property
    def utterance(self) -> str:
        """What the person said last, if nothing was answered since; empty otherwise."""
        asking = self._asking
        return asking.said if asking else ""

    @property
    def _asking(self) -> ItemState | None:
        for entry in reversed(self.entries):
            if entry.role == "user":
                return entry
            if entry.role == "assistant" or entry.type != "message":
                break
        return None


class Brain(Protocol):
    """What may be given to the server as a brain."""

    name: str
    """Short, for model lists, e.g. ``"local-rules"``."""
    vocabulary: Sequence[str]
    """Sentences that people are likely to say to it; they help the recogniser."""

    @property
    def description(self) -> str:
        """What answers, in a sentence that every client is told."""
        ...

    @property
    def part(self) -> LocalPart:
        """What answers, for `LocalParts`."""
        ...

    def respond(self, context: Context) -> AsyncGenerator[Say | CallTool, None]:
        """Answer; the generator is closed early when the answer is cancelled."""
        ...
