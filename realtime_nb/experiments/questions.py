"""What is asked of a session in one cell: put to it, heard, and measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..audio import AudioClip
from ..conversation import Conversation
from ..sessions.base import Session
from .asking import ask
from .conditions import Pipeline, apply_conditions
from .datasets import Example
from .graders import Answer, grade_tool_calls
from .metrics import answer_of, measure
from .scenarios import Scenario
from .talk_metrics import grade_talk, measure_talk
from .talkers import Talker


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
    """Return what asks an example under a condition, at once, or at the pace at which it sounds."""
    if isinstance(example, Scenario):
        return TalkQuestion(example, pipeline, seed, live=live or example.is_paced)
    return SpokenQuestion(example, pipeline, seed, live=live)


class SpokenQuestion:
    """One clip, and its answer."""

    def __init__(self, example: Example, pipeline: Pipeline, seed: int, *, live: bool = False):
        self.failure: tuple[str, str] | None = None
        self._example, self._pipeline, self._seed, self._live = example, pipeline, seed, live
        self._clip: AudioClip | None = None
        self._conversation = Conversation()

    def prepare(self) -> None:
        """Make the clip."""
        self._clip = apply_conditions(self._pipeline, self._example.clip(), self._seed)

    def put(self, session: Session, timeout_s: float) -> None:
        """Ask it."""
        assert self._clip is not None
        self._conversation = session.conversation
        reply = ask(session, self._clip, live=self._live, timeout_s=timeout_s)
        if reply.status != "completed":
            self.failure = reply.status, f"{reply.reason or reply.error or 'no reason was given'}"

    def sounds(self) -> Mapping[str, AudioClip | None]:
        """Return the clip, and the answer's sound."""
        return {"input": self._clip, "output": self.answer().audio}

    def answer(self) -> Answer:
        """Return the answer, as far as there is one."""
        return answer_of(self._conversation, self._example)

    def measures(self) -> dict[str, Any]:
        """Measure the answer."""
        assert self._clip is not None
        return measure(self.answer(), self._clip)

    def grades(self) -> dict[str, Any]:
        """Grade its calls of tools."""
        grades = grade_tool_calls(self._example, self.answer().tool_calls)
        if grades:
            right = grades["tool_call_correctness"] and grades["tool_call_arg_correctness"]
            grades["task_success"] = int(bool(right))
        return grades


class TalkQuestion:
    """A scenario, and what came of it."""

    def __init__(self, scenario: Scenario, pipeline: Pipeline, seed: int, *, live: bool):
        self.failure: tuple[str, str] | None = None
        self._scenario, self._live = scenario, live
        self._talker = Talker(scenario, pipeline, seed)
        self._conversation = Conversation()

    def prepare(self) -> None:
        """Make the clips of the script, so that what is wrong with them is found before anything is asked."""
        for place, turn in enumerate(self._scenario.script):
            self._talker.clip(turn, place)

    def put(self, session: Session, timeout_s: float) -> None:
        """Have the conversation."""
        self._conversation = session.conversation
        (self._talker.talk_with if self._live else self._talker.ask)(session, timeout_s)
        self.failure = self._failure()

    def _failure(self) -> tuple[str, str] | None:
        for number, each in enumerate(self._talker.talk.exchanges, 1):
            for reply in each.replies:
                # One that was cancelled has been spoken into.
                if reply.status not in ("completed", "cancelled") or (reply.status == "cancelled" and not self._live):
                    return reply.status, f"turn {number}: {reply.reason or reply.error or 'no reason was given'}"
        return None

    def sounds(self) -> Mapping[str, AudioClip | None]:
        """Return both tracks, as far as they go."""
        return {"input": self._talker.talk.input, "output": self._talker.talk.output}

    def answer(self) -> Answer:
        """Return the whole conversation."""
        return answer_of(self._conversation, self._scenario)

    def measures(self) -> dict[str, Any]:
        """Measure it, and each of its turns."""
        return measure_talk(self._talker.talk, self._scenario, self._conversation)

    def grades(self) -> dict[str, Any]:
        """Grade what it, and each of its turns, expects."""
        return grade_talk(self._talker.talk, self._scenario)
