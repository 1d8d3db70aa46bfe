"""Make texts of models, servers and files safe to print: they may hold commands for the terminal.

Floor 0.
"""

from __future__ import annotations

import re
import sys
from typing import Any, TextIO

#: All controls but tab and line feed, marks that change the direction of writing, other line ends, and halves of UTF-16
#: pairs, which no terminal's encoding has.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return a text that is safe for a terminal: control characters are escaped as in JSON, ``\u001b``.

    Data keeps the original text, e.g. in ``reply.transcript``.
    """
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text.replace("\r\n", "\n"))


def for_terminal(bundle: dict[str, Any]) -> dict[str, Any]:
    """Return a record's MIME bundle with a text that is safe to print."""
    return bundle | {"text/plain": printable(bundle["text/plain"])} if "text/plain" in bundle else bundle


def say(text: str, *, file: TextIO | None = None) -> None:
    """Print a text and flush; to standard output by default."""
    print(printable(text), file=file or sys.stdout, flush=True)
