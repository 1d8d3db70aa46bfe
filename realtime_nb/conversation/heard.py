"""The part of an answer that was heard: its text up to where playback stopped."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Protocol

from ..protocol.local_events import Word

#: Scripts written without spaces between words: Thai, Lao, Myanmar, Khmer, Kana, Han, and their like.
#: Compiled at first use.
UNSPACED = "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
#: Characters that follow a word without a space.
_MARKS = re.compile(r"[^\w\s]*")


class SpokenPart(Protocol):
    """A part as far as needed here: its text, its timed words, and the length of its audio."""

    text: str
    words: tuple[Word, ...]

    @property
    def audio_ms(self) -> float:
        """The length of the audio."""


def heard_text(parts: Iterable[SpokenPart], played_ms: float) -> str:
    """Return the text of the first `played_ms` of audio; always a prefix of the whole text.

    A part without audio is read, not heard; it counts if all audio before it was heard.
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
    """Return the words of a part that had ended by a time, from their times or else by spreading them evenly."""
    text = part.text.strip()
    at = _end_of_words(text, part.words, played_ms) if part.words else None
    if at is None:
        at = _end_of_word(text, round(len(text) * played_ms / part.audio_ms))
    return text[:at].rstrip()


def _end_of_words(text: str, words: tuple[Word, ...], played_ms: float) -> int | None:
    """Return where the last ended word ends in the text; `None` if the words are not those of the text."""
    at = 0
    folded = text.lower()  # Not casefold, because it changes lengths.
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
    """Return the last end of a word at or before `at`; in a script without spaces, every character ends one."""
    while 0 < at < len(text) and not _may_cut(text[at - 1], text[at]):
        at -= 1
    return at


def _may_cut(before: str, behind: str) -> bool:
    if unicodedata.category(behind).startswith("M"):
        return False  # A vowel or tone mark belongs to the character before it.
    return before.isspace() or behind.isspace() or bool(re.match(UNSPACED, before) or re.match(UNSPACED, behind))
