"""What may reach a terminal: texts of models, servers and files hold no commands for it.

Floor 0.
"""

from __future__ import annotations

import re
import sys
from typing import Any, TextIO

#: All controls but tab and line feed, what turns the direction of writing around, other ends of lines, and halves of
#: UTF-16 pairs, which no terminal's encoding has.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return a text for a terminal: what would command it is spelled out as JSON spells it, ``\u001b``.

    The text itself stays as it is where it is data, e.g. in ``reply.transcript``.
    """
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text.replace("\r\n", "\n"))


def for_terminal(bundle: dict[str, Any]) -> dict[str, Any]:
    """Return a record's looks with a text that may be printed."""
    return bundle | {"text/plain": printable(bundle["text/plain"])} if "text/plain" in bundle else bundle


def say(text: str, *, file: TextIO | None = None) -> None:
    """Print a text, at once; to standard output unless told otherwise."""
    print(printable(text), file=file or sys.stdout, flush=True)
