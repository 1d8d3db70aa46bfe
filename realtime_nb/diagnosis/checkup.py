"""The result of checking the set-up: a line for each thing, and what to do about it."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from markupsafe import Markup

from ..display import Record
from ..views import mimebundle
from ..views.html import EMPTY, badge, folded, joined, note, section, table

State = Literal["ok", "warning", "broken"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked."""

    name: str
    state: State
    """"warning" means that it works, but not well or not everywhere."""
    said: str
    """The finding."""
    fix: str = ""
    """The cure; empty if there is nothing to do."""


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
    """Everything that was checked so far, in order."""

    checks: Sequence[Check] = ()
    unchecked: Sequence[str] = ()
    """Things that were not checked yet, or cannot be checked from here, and why."""

    @property
    def ok(self) -> bool:
        """True if nothing is broken; there may be warnings."""
        return all(check.state != "broken" for check in self.checks)

    @property
    def verdict(self) -> str:
        """One sentence: that you can talk now, or the one thing to do first."""
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


# --- The table of it, which you can paste into an issue ---------------------------------------------------------------

_TONES: dict[State, str] = {"ok": "good", "warning": "warn", "broken": "bad"}
_SIGNS: dict[State, str] = {"ok": "✓", "warning": "!", "broken": "✗"}
_URGENCY: tuple[State, ...] = ("broken", "warning", "ok")
_NARROWEST = 40
_LARGE = "font-size:115%;margin:4px 0 8px;overflow-wrap:anywhere"
#: The checks that people try first come first; the rest is folded.
_BY_PERSON = ("microphone", "speaker")


def checkup_bundle(checkup: Checkup) -> dict[str, Any]:
    """Return the MIME bundle of a checkup."""
    found = _urgent_first(checkup)
    first = [check for check in found if check.name in _BY_PERSON]
    rest = [check for check in found if check.name not in _BY_PERSON]
    return {
        "text/plain": checkup_text(checkup, width=100),
        "text/html": section(
            Markup('<p style="{}"><strong>{}</strong></p>').format(_LARGE, checkup.verdict),
            _table(first),
            joined(note(f"Not checked: {text}") for text in checkup.unchecked),
            folded(f"All checks: {summary(checkup)}", _table(rest)) if rest else EMPTY,
            title="Doctor",
        ),
    }


def _table(checks: Sequence[Check]) -> Markup:
    rows = [
        (badge(f"{_SIGNS[check.state]} {check.state}", _TONES[check.state]), check.name, _told(check))
        for check in checks
    ]
    return table(("", "what", "what was found"), rows) if rows else EMPTY


def _told(check: Check) -> Markup:
    fix = Markup("<br><strong>→ {}</strong>").format(check.fix) if check.fix else EMPTY
    # Addresses may break, too: the cure must not lie outside a narrow page.
    return Markup('<span style="overflow-wrap:anywhere">{}{}</span>').format(check.said, fix)


def _urgent_first(checkup: Checkup) -> list[Check]:
    return sorted(checkup.checks, key=lambda check: _URGENCY.index(check.state))


def summary(checkup: Checkup) -> str:
    """Return the result in a few words."""
    broken, warnings = checkup.count("broken"), checkup.count("warning")
    counts = [f"{broken} broken"] * bool(broken) + [f"{warnings} warning{'s' * (warnings > 1)}"] * bool(warnings)
    return ", ".join([*counts, f"{checkup.count('ok')} ok"])


def checkup_text(checkup: Checkup, width: int | None = None) -> str:
    """Return the lines as a table for a terminal, by default of its width."""
    width = width or shutil.get_terminal_size((100, 24)).columns
    lines = [line for check in _urgent_first(checkup) for line in check_lines(check, width)]
    return "\n".join([*lines, *conclusion_lines(checkup, width)])


def check_lines(check: Check, width: int) -> Iterator[str]:
    """Yield the lines of one check."""
    yield from _wrapped(check.said, f"{_SIGNS[check.state]} {check.state:8}{check.name:16} ", width)
    if check.fix:
        yield from _wrapped(f"→ {check.fix}", " " * 27, width)


def conclusion_lines(checkup: Checkup, width: int) -> list[str]:
    """Return what was not checked, the counts, and the verdict."""
    remarks = _remark_lines(checkup, width)
    return [*remarks, f"checks: {summary(checkup)}", *_wrapped(checkup.verdict, "", width)]


def _remark_lines(checkup: Checkup, width: int) -> list[str]:
    return [line for text in checkup.unchecked for line in _wrapped(f"not checked: {text}", "", width)]


def _wrapped(text: str, first: str, width: int) -> list[str]:
    indent = " " * len(first)
    wrapped = textwrap.wrap(
        text,
        max(width, len(first) + _NARROWEST),
        initial_indent=first,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return wrapped or [first.rstrip()]


mimebundle.register(Checkup, checkup_bundle)  # type: ignore[attr-defined]
