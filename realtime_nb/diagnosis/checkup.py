"""What a look at the set-up found: one line for each thing, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..display import Record

State = Literal["ok", "warning", "broken"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
        What it is, e.g. ``"microphone"``.
    state : {"ok", "warning", "broken"}
        Whether it works; "warning" is what works, but not well, or not everywhere.
    said : str
        What was found.
    fix : str
        What to do about it; empty if nothing is to be done.
    """

    name: str
    state: State
    said: str
    fix: str = ""


@dataclass(frozen=True)
class Checkup(Record):
    """All that was looked at so far, in order.

    Parameters
    ----------
    checks : sequence of Check
        The lines.
    unchecked : sequence of str
        What was not looked at yet, or cannot be from here, and why.
    """

    checks: Sequence[Check] = ()
    unchecked: Sequence[str] = ()

    @property
    def ok(self) -> bool:
        """True if nothing is broken; warnings are."""
        return all(check.state != "broken" for check in self.checks)

    def count(self, state: State) -> int:
        """Return how many lines are in a state."""
        return sum(check.state == state for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "ok": self.ok,
            "checks": [asdict(check) for check in self.checks],
            "unchecked": list(self.unchecked),
        }
