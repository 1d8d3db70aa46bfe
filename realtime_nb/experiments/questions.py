"""What is asked of a session in one cell: put to it, heard, and measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..audio import AudioClip
from ..sessions.base import Session
from .asking import ask
from .conditions import Pipeline, apply_conditions
from .datasets import Example
from .graders import Answer, grade_tool_calls
from .metrics import answer_of, measure


class Question(Protocol):
    """What a cell asks."""

    failure: tuple[str, str] | None
    """What kind of failure it came to, and why, where nothing was raised."""

    def prepare(self) -> None:
        """Read or speak what will be said, as far as that is known, and let the conditions happen to it."""
        ...

    def put(self, session: Session, timeout_s: float) -> None:
        """Ask it, of a session that is open, and wait for the answers; each may take so long."""
        ...

    def sounds(self) -> Mapping[str, AudioClip | None]:
        """Return what was said, ``"input"``, and what was answered, ``"output"``, as far as they are there."""
        ...

    def answer(self) -> Answer:
        """Return what graders get."""
        ...

    def measures(self) -> dict[str, Any]:
        """Return the columns of what came of it."""
        ...

    def grades(self) -> dict[str, Any]:
        """Return the grades by what the dataset expects."""
        ...


def question_of(example: Example, pipeline: Pipeline, seed: int, *, live: bool = False) -> Question:
    """Return what asks an example under a condition."""
    return SpokenQuestion(example, pipeline, seed, live=live)


class SpokenQuestion:
    """One clip, and its answer."""

    def __init__(self, example: Example, pipeline: Pipeline, seed: int, *, live: bool = False):
        self.failure: tuple[str, str] | None = None
        self._example, self._pipeline, self._seed, self._live = example, pipeline, seed, live
        self._clip: AudioClip | None = None
        self._answer: Answer | None = None

    def prepare(self) -> None:
        """Make the clip."""
        self._clip = apply_conditions(self._pipeline, self._example.clip(), self._seed)

    def put(self, session: Session, timeout_s: float) -> None:
        """Ask it."""
        assert self._clip is not None
        reply = ask(session, self._clip, live=self._live, timeout_s=timeout_s)
        if reply.status != "completed":
            self.failure = reply.status, f"{reply.reason or reply.error or 'no reason was given'}"
        self._answer = answer_of(session.conversation, self._example)

    def sounds(self) -> Mapping[str, AudioClip | None]:
        """Return the clip, and the answer's sound."""
        return {"input": self._clip, "output": self._answer.audio if self._answer else None}

    def answer(self) -> Answer:
        """Return the answer."""
        assert self._answer is not None
        return self._answer

    def measures(self) -> dict[str, Any]:
        """Measure the answer."""
        assert self._clip is not None
        return measure(self.answer(), self._clip)

    def grades(self) -> dict[str, Any]:
        """Grade its calls of tools."""
        return grade_tool_calls(self._example, self.answer().tool_calls)
