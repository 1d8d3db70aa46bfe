"""Which words were heard, against those that were wanted: word for word, and as an error rate."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["right", "other", "missing", "extra"]


@dataclass(frozen=True)
class WordMatch:
    """A word that was wanted beside the one that was heard."""

    wanted: str
    """As it is written; empty for an extra word."""
    heard: str
    """As the recogniser wrote it; empty for a missing word."""
    verdict: Verdict
    """``"right"``, ``"other"`` (another word), ``"missing"`` or ``"extra"``."""


def align(wanted: str, heard: str) -> list[WordMatch]:
    """Lay the words that were heard beside those that were wanted, with the fewest differences.

    Case and punctuation do not count. By `jiwer` (Levenshtein distance over words).

    Parameters
    ----------
    wanted, heard : str
        Texts; either may be without words.

    Returns
    -------
    matches : list of WordMatch
        In the order of speech.
    """
    wanted_words, heard_words = _words(wanted), _words(heard)
    if not wanted_words or not heard_words:
        missing = [WordMatch(word, "", "missing") for word in wanted_words]
        return missing or [WordMatch("", word, "extra") for word in heard_words]
    import jiwer

    matches: list[WordMatch] = []
    for chunk in jiwer.process_words(_plain(wanted), _plain(heard)).alignments[0]:
        ours = wanted_words[chunk.ref_start_idx : chunk.ref_end_idx]
        theirs = heard_words[chunk.hyp_start_idx : chunk.hyp_end_idx]
        match chunk.type:
            case "delete":
                matches += [WordMatch(word, "", "missing") for word in ours]
            case "insert":
                matches += [WordMatch("", word, "extra") for word in theirs]
            case _:
                verdict: Verdict = "right" if chunk.type == "equal" else "other"
                matches += [WordMatch(word, other, verdict) for word, other in zip(ours, theirs, strict=True)]
    return matches


def word_error_rate(reference: str, heard: str) -> float:
    """Return the word error rate: substitutions, deletions and insertions over the words of the reference.

    Case and punctuation do not count. By `jiwer`.
    """
    import jiwer

    return float(jiwer.wer(_plain(reference), _plain(heard)))


def character_error_rate(reference: str, heard: str) -> float:
    """Return the character error rate: the same over the characters of the reference, spaces between words included.

    Case and punctuation do not count. By `jiwer`.
    """
    import jiwer

    return float(jiwer.cer(_plain(reference), _plain(heard)))


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.replace("’", "'"))


def _plain(text: str) -> str:
    return " ".join(_words(text)).lower()
