"""What was heard of an answer that was cut off: its text up to where playback stopped."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Protocol

from ..protocol.local_events import Word

#: Scripts written without spaces between words: Thai, Lao, Myanmar, Khmer, Kana, Han, and their like.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)
#: What stands behind a word without a space.
_MARKS = re.compile(r"[^\w\s]*")


class SpokenPart(Protocol):
    """What there is to know of a part: its text, its words as far as they are timed, and how much audio it has."""

    text: str
    words: tuple[Word, ...]

    @property
    def audio_ms(self) -> float:
        """How much audio there is."""


def heard_text(parts: Iterable[SpokenPart], played_ms: float) -> str:
    """Return the text of the first `played_ms` of audio, always a beginning of the whole text.

    A part without audio is read and not heard; it counts where all audio before it was heard.
    """
    heard: list[str] = []
    for part in parts:
        if part.audio_ms > played_ms:
            heard.append(_cut(part, played_ms))
            break
        heard.append(part.text.strip())
        played_ms -= part.audio_ms
    return " ".join(text for text in heard if text)


def _cut(part: SpokenPart, played_ms: float) -> str:
    """Return the words of a part that were over at a time: by their times, or, without, spread evenly over it."""
    text = part.text.strip()
    at = _end_of_words(text, part.words, played_ms) if part.words else None
    if at is None:
        at = _end_of_word(text, round(len(text) * played_ms / part.audio_ms))
    return text[:at].rstrip()


def _end_of_words(text: str, words: tuple[Word, ...], played_ms: float) -> int | None:
    """Return where the last word ends that was over; `None` if the words are not those of the text."""
    at = 0
    folded = text.lower()  # Not casefold, which changes lengths.
    for word in words:
        if word.end_ms > played_ms:
            break
        found = folded.find(word.text.strip().lower(), at)
        if found < 0:
            return None
        at = found + len(word.text.strip())
    marks = _MARKS.match(text, at)
    return marks.end() if marks and at else at


def _end_of_word(text: str, at: int) -> int:
    """Return the last place at or before `at` where a word ends; in a script without spaces, any character does."""
    while 0 < at < len(text) and not _may_cut(text[at - 1], text[at]):
        at -= 1
    return at


def _may_cut(before: str, behind: str) -> bool:
    if unicodedata.category(behind).startswith("M"):
        return False  # A vowel or tone mark belongs to what it stands on.
    return before.isspace() or behind.isspace() or bool(UNSPACED.match(before) or UNSPACED.match(behind))
