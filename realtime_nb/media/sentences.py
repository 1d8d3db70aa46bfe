"""Text cut into sentences, the unit in which speech is synthesised.

``split_sentences(text)`` returns pieces that join to the same text, so character positions add up.
"""

from __future__ import annotations

import re

LONGEST = 180
"""Characters in one piece, about 11 s of speech, which take the synthesiser at most 15 ms."""

_TITLES = ("Dr", "Mr", "Mrs", "Ms", "Prof", "St", "Sgt", "Capt", "Lt", "Gen", "Rev", "Hon", "Jr", "Sr", "Mt", "Ft")
_ABBREVIATIONS = frozenset(
    f"{word}." for word in (*_TITLES, "e.g", "i.e", "vs", "etc", "approx", "No", "Fig", "Vol", "pp", "cf", "Inc", "Ltd")
)
_ALWAYS_GO_ON = _ABBREVIATIONS - {"etc.", "No.", "Inc.", "Ltd.", "Jr.", "Sr."}

# An end mark with closing marks after it, then white space; or a line break; or an end mark of a script without spaces.
# Compiled at first use.
_BREAK = r"[.!?…]+[\"'”’»)\]]*\s+|\s*\n\s*|[。！？]+\s*"
_TITLE = re.compile(rf"\b({'|'.join(_TITLES)})\.(?=\s)")
_CLAUSE = re.compile(r"[,;:)–—]\s+")
_SPACE = re.compile(r"\s+")


def split_sentences(text: str) -> list[str]:
    """Cut `text` after each sentence.

    `text`: anything; abbreviations ("Dr. Smith", "e.g. this"), initials, decimals and list numbers do not end a
    sentence.

    Each piece includes the white space after it, and none is longer than `LONGEST`; joined they are `text`.
    """
    sentences = []
    start = 0
    for found in re.finditer(_BREAK, text):
        if found.end() < len(text) and _ends_sentence(text, start, found):
            sentences += _shorten(text[start : found.end()])
            start = found.end()
    return sentences + _shorten(text[start:])


def spoken(sentence: str) -> str:
    """Return a sentence for the synthesiser, equally long but without the dots that would make it pause."""
    return _TITLE.sub(r"\1 ", sentence)


def _ends_sentence(text: str, start: int, found: re.Match[str]) -> bool:
    if "\n" in found.group() or found.group().rstrip() != ".":
        return True
    words = text[start : found.start()].split()
    word = f"{words[-1].lstrip('([“‘')}." if words else "."
    follower = text[found.end()]
    if word in _ALWAYS_GO_ON or follower.islower():
        return False
    if word == "No." and follower.isdigit():
        return False
    is_initial = len(word) == 2 and word[0].isupper() and word != "I."
    is_list_number = len(words) == 1 and word[:-1].isdigit() and len(word) <= 3
    return not (is_initial or is_list_number)


def _shorten(piece: str) -> list[str]:
    """Cut a sentence that is too long: at a clause, or else between words, or else anywhere."""
    pieces = []
    while len(piece) > LONGEST:
        window = piece[:LONGEST]
        ends = [found.end() for pattern in (_CLAUSE, _SPACE) for found in list(pattern.finditer(window))[-1:]]
        cut = next((end for end in ends if end >= LONGEST // 3), LONGEST)
        pieces.append(piece[:cut])
        piece = piece[cut:]
    return [*pieces, piece] if piece else pieces
