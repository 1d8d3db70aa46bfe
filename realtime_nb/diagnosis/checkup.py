"""The result of checking the set-up: a line for each thing, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..display import Record

State = Literal["ok", "warning", "broken"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    Parameters
    ----------
    name : str
        The thing's name, e.g. ``"microphone"``.
    state : {"ok", "warning", "broken"}
        Whether it works; "warning" means that it works, but not well or not everywhere.
    said : str
        What was found.
    fix : str
        What to do about it; empty if there is nothing to do.
    """

    name: str
    state: State
    said: str
    fix: str = ""


#: What to fix first: without the microphone and its page you are not heard; without a server no one answers.
_FIRST = (
    *("secure page", "permission", "devices", "microphone", "speaker"),
    *("packages", "API key", "backend", "Realtime socket", "local voice"),
)
#: One of these lines tells whether there is an answer.
_ANSWERS = ("Realtime socket", "backend")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


@dataclass(frozen=True)
class Checkup(Record):
    """Everything that was checked so far, in order.

    Parameters
    ----------
    checks : sequence of Check
        The lines.
    unchecked : sequence of str
        What was not checked yet, or cannot be checked from here, and why.
    """

    checks: Sequence[Check] = ()
    unchecked: Sequence[str] = ()

    @property
    def ok(self) -> bool:
        """True if nothing is broken; there may be warnings."""
        return all(check.state != "broken" for check in self.checks)

    @property
    def verdict(self) -> str:
        """Whether you can talk now, or the one thing to do first."""
        broken = [check for check in self.checks if check.state == "broken"]
        if broken:
            first = min(broken, key=lambda check: _FIRST.index(check.name) if check.name in _FIRST else len(_FIRST))
            return f"{_sentence(first.fix or first.said)} ({first.name}: {first.said})"
        if not any(check.name in _ANSWERS for check in self.checks):
            return "Still checking whether the voice answers."
        if self.unchecked:
            what, _, how = self.unchecked[0].partition(" (")
            return f"The voice answers. Still to check: {what}. {_sentence(how.removesuffix(')'))}"
        return "You can talk now."

    def count(self, state: State) -> int:
        """Return how many lines are in a state."""
        return sum(check.state == state for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return it in the shape of JSON."""
        return {
            "ok": self.ok,
            "verdict": self.verdict,
            "checks": [asdict(check) for check in self.checks],
            "unchecked": list(self.unchecked),
        }
