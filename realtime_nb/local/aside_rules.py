"""What the rules can say about a conversation: a title, a summary, a label. They cut and count, no more."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .conversation_state import Entry

_TITLE_WORDS = 6
_ABOUT = r"\b(?:conversation|dialogue|said|turn|above|user|person|message)\b"
_TITLE = re.compile(r"\btitle\b", re.I)
_SUMMARY = re.compile(r"\bsummar(?:y|i[sz]e)\b", re.I)
_CLASSIFY = re.compile(r"\b(?:classify|which of|label|category|categori[sz]e)\b", re.I)
_QUOTED = re.compile(r"[\"“'‘](\w[\w -]*)[\"”'’]")


def remark_on(instructions: str, entries: Sequence[Entry]) -> str | None:
    """Return what instructions ask for about a conversation; `None` where they ask for nothing of the kind.

    Parameters
    ----------
    instructions : str
        E.g. "Give this conversation a title", "Summarise what was said", ``Classify it as "sales" or "support"``.
    entries : sequence of Entry
        The conversation.
    """
    if not re.search(_ABOUT, instructions, re.I):
        return None
    messages = [entry for entry in entries if entry.role in ("user", "assistant") and entry.said]
    if _TITLE.search(instructions):
        first = next((entry.said for entry in messages if entry.role == "user"), "Nothing was said")
        return " ".join(first.split()[:_TITLE_WORDS]).rstrip(".,;:?!")
    if _SUMMARY.search(instructions):
        return " ".join(f"{_WHO[entry.role]} said: {_ended(entry.said)}" for entry in messages) or "Nothing was said."
    if _CLASSIFY.search(instructions) and (labels := _QUOTED.findall(instructions)):
        said = " ".join(entry.said for entry in messages).lower()
        counts = [len(re.findall(rf"\b{re.escape(label.lower())}\b", said)) for label in labels]
        return labels[counts.index(max(counts))] if max(counts) else f"None of the words {', '.join(labels)} was said."
    return None


_WHO = {"user": "The person", "assistant": "The voice"}


def _ended(text: str) -> str:
    text = text.strip()
    return text if text[-1:] in ".?!" else f"{text}."
