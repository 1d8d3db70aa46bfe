"""``realtime-nb doctor``: check the set-up line by line in a terminal, or print it as JSON."""

from __future__ import annotations

import argparse
import json
import shutil
from typing import TYPE_CHECKING, Any

from ..display import say

if TYPE_CHECKING:
    from ..diagnosis.checkup import Check, Checkup


def add_command(commands: Any) -> None:
    """Add the command to those of ``realtime-nb``."""
    parser = commands.add_parser(
        "doctor",
        help="check packages, the local voice and the backend, and say what to do",
        description="Check the packages, each part of the local voice, and the chosen backend, which gets one real "
        "request. The exit code is 0 if nothing is broken, and 1 otherwise. To check page, microphone and speaker, run "
        "realtime_nb.doctor() in a notebook cell.",
    )
    parser.add_argument(
        "--backend",
        help="openai, azure, local, or the address of a compatible server "
        "(default: openai if OPENAI_API_KEY is set, local otherwise)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object when all checks are done")


def run(options: argparse.Namespace) -> int:
    """Print the checks; return the exit code."""
    from ..diagnosis.doctor import doctor

    found = doctor(options.backend)
    if options.json:
        say(json.dumps(found.to_dict(), ensure_ascii=False, indent=2))
        return 0 if found.ok else 1
    shown = _Shown()
    shown.show(found.checkup)
    found.listen(shown.show)
    checkup = found.finished.result()
    shown.show(checkup)
    shown.conclude(checkup)
    return 0 if checkup.ok else 1


class _Shown:
    """Prints each line once, as soon as it is ready."""

    def __init__(self) -> None:
        self._printed: list[Check] = []
        self._width = shutil.get_terminal_size((100, 24)).columns

    def show(self, checkup: Checkup) -> None:
        from ..diagnosis.checkup import check_lines

        for check in checkup.checks:
            if check not in self._printed:
                self._printed.append(check)
                say("\n".join(check_lines(check, self._width)))

    def conclude(self, checkup: Checkup) -> None:
        from ..diagnosis.checkup import conclusion_lines

        say("\n".join(conclusion_lines(checkup, self._width)))
