"""A brain decides what to answer: it takes the conversation, and says sentences or calls tools.

The server does the rest: items, sound, cancellation, usage. Three brains are here: `rule_brain` (the default),
`script_brain` (a repeat-after-me tutor) and `openai_brain` (any OpenAI-compatible text endpoint).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...protocol.parts import LocalPart
from ..realtime.conversation_state import ItemState

#: Below this the recogniser is too often wrong. Where Whisper tiny.en is right it has 0.44 or more: on 11 clips of
#: people, clean and with noise at 10 dB, and on 38 questions by the natural voice. Of 20 questions by espeak-ng that it
#: got wrong, four are below.
SURE_CONFIDENCE = 0.4


@dataclass(frozen=True)
class Say:
    """Words to say, preferably one sentence at a time."""

    text: str


@dataclass(frozen=True)
class CallTool:
    """A function for the client to run."""

    name: str
    arguments: dict[str, Any] | str
    """An object, or the JSON text of one."""


@dataclass(frozen=True)
class Context:
    """Everything that a brain is given to answer."""

    entries: Sequence[ItemState] = ()
    """The conversation, oldest first; the words of a person's sound are in `ItemState.said`."""
    instructions: str = ""
    own_instructions: str | None = None
    """The instructions for this response alone."""
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
        """True if no one spoke in the last turn: the server took it after a while."""
        return self.last is not None and self.last.is_silence

    @property
    def is_unsure(self) -> bool:
        """True if the person may well have said something else: ask before you repeat it or act on it.

        An answer with its own instructions does not answer the person, so it does not ask.
        """
        confidence = self.heard_confidence
        unsure = confidence is not None and confidence < SURE_CONFIDENCE
        return unsure and self.own_instructions is None and bool(self.utterance.strip())

    @property
    def heard_confidence(self) -> float | None:
        """How sure the recogniser is of `utterance`, 0.0 to 1.0; `None` if it was written, or this is not known."""
        asking = self._asking
        return asking.confidence if asking else None

    @property
    def utterance(self) -> str:
        """The person's last words, if they have not been answered yet; empty otherwise."""
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
    """The interface of a brain for the server."""

    name: str
    """Short, for model lists, e.g. ``"local-rules"``."""
    vocabulary: Sequence[str]
    """Sentences that people are likely to say to it; they help the recogniser."""

    @property
    def description(self) -> str:
        """A sentence about what answers, which every client gets."""
        ...

    @property
    def part(self) -> LocalPart:
        """The part that answers, for `LocalParts`."""
        ...

    def respond(self, context: Context) -> AsyncGenerator[Say | CallTool, None]:
        """Answer; the generator is closed early when the answer is cancelled."""
        ...
