"""Which words were heard, against those that were wanted: word for word, and as an error rate."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
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
    """Return the word error rate of English words; see `error_rates`."""
    return error_rates([(reference, heard, "en")])[0]


def character_error_rate(reference: str, heard: str) -> float:
    """Return the character error rate of English words; see `error_rates`."""
    return error_rates([(reference, heard, "en")])[1]


def error_rates(pairs: Sequence[tuple[str, str, str]]) -> tuple[float, float]:
    """Return the word error rate and the character error rate of what was heard.

    Parameters
    ----------
    pairs : sequence of (str, str, str)
        References, what was heard of each, and their languages, as ISO 639 has them.

    Returns
    -------
    word_error_rate, character_error_rate : float
        ``(S + D + I) / N``: substitutions, deletions and insertions over the words of all references, or over their
        characters, spaces between words included. May be above 1; 1 where nothing was heard.

    Notes
    -----
    By `jiwer`, after Whisper's normaliser (`whisper_normalizer`; Radford et al. 2022, appendix C): case, punctuation
    and fillers ("um") do not count; in English, neither do contractions, British spelling, and whether numbers are
    words or digits. Where nothing is left of the references, every word that was heard is one too many for one.
    """
    import jiwer

    plain = [(_normal(reference, language), _normal(heard, language)) for reference, heard, language in pairs]
    counted = [pair for pair in plain if pair[0]]
    extra = [heard for reference, heard in plain if not reference and heard]
    if not counted:
        return float(sum(len(heard.split()) for heard in extra)), float(sum(map(len, extra)))
    references, heard = zip(*counted, strict=True)
    words, characters = (
        jiwer.process_words(list(references), list(heard)),
        jiwer.process_characters(list(references), list(heard)),
    )
    return float(words.wer), float(characters.cer)


@functools.cache
def _normaliser(is_english: bool) -> Callable[[str], str]:
    from whisper_normalizer.basic import BasicTextNormalizer
    from whisper_normalizer.english import EnglishTextNormalizer

    normaliser: Callable[[str], str] = EnglishTextNormalizer() if is_english else BasicTextNormalizer()
    return normaliser


def _normal(text: str, language: str) -> str:
    return " ".join(_normaliser(language.lower().partition("-")[0] == "en")(text).split())


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.replace("’", "'"))


def _plain(text: str) -> str:
    return " ".join(_words(text)).lower()
