"""Compare the words that were heard with those that were wanted: word by word, and as an error rate."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

from ..errors import SettingsError
from ..media.language import is_english
from .written_forms import WrittenWord, english_normaliser, split_letters, words_of

Verdict = Literal["right", "other", "missing", "extra"]


@dataclass(frozen=True)
class WordMatch:
    """A wanted word and the heard one; or several words, if one text writes them as one."""

    wanted: str
    """The wanted word as written; empty for an extra word."""
    heard: str
    """The word as the recogniser wrote it; empty for a missing word."""
    verdict: Verdict
    """``"right"``, ``"other"`` (another word), ``"missing"`` or ``"extra"``."""


def align(wanted: str, heard: str, language: str | None = None) -> list[WordMatch]:
    """Match the words that were heard with those that were wanted, with the fewest differences.

    Another written form of the same words is not a difference; see `count_errors`. Uses `jiwer` (Levenshtein distance
    over words).

    `language`: as for `count_errors`. By default the rules for English apply, except that fillers ("um"), accents and
    text in brackets count.

    The matches are in the order of speech. Words that the other text writes as one stay together: "three thirty" and
    "3:30".
    """
    import jiwer

    ours, theirs = _agreed(words_of(wanted, language), words_of(heard, language))
    if not ours or not theirs:
        pairs = [_Pair(word, None) for word in ours] + [_Pair(None, word) for word in theirs]
    else:
        pairs = [
            _Pair(*pair)
            for chunk in jiwer.process_words(_joined(ours), _joined(theirs)).alignments[0]
            for pair in itertools.zip_longest(
                ours[chunk.ref_start_idx : chunk.ref_end_idx], theirs[chunk.hyp_start_idx : chunk.hyp_end_idx]
            )
        ]
    texts = [unicodedata.normalize("NFC", text) for text in (wanted, heard)]
    return [_match(together, texts) for together in _together(pairs)]


def word_error_rate(reference: str, heard: str, language: str = "en") -> float:
    """Return the word error rate, ``(S + D + I) / N``; see `count_errors`."""
    return error_rates([(reference, heard, language)])[0]


def character_error_rate(reference: str, heard: str, language: str = "en") -> float:
    """Return the character error rate, ``(S + D + I) / N``; see `count_errors`."""
    return error_rates([(reference, heard, language)])[1]


class ErrorCounts(NamedTuple):
    """The errors in what was heard, against references."""

    substitutions: int
    deletions: int
    insertions: int
    words: int
    """Words, or characters, in the references."""

    @property
    def rate(self) -> float:
        """``(S + D + I) / N``; N is 1 if the references have no words."""
        return (self.substitutions + self.deletions + self.insertions) / max(self.words, 1)


#: By whose rules written forms of the same words are equal; see `count_errors`.
Normaliser = Literal["realtime_nb", "whisper", "open_asr_leaderboard"]


def error_rates(pairs: Sequence[tuple[str, str, str]]) -> tuple[float, float]:
    """Return the word error rate and the character error rate of what was heard; see `count_errors`."""
    words, characters = count_errors(pairs)
    return words.rate, characters.rate


def count_errors(
    pairs: Sequence[tuple[str, str, str]], normaliser: Normaliser = "realtime_nb"
) -> tuple[ErrorCounts, ErrorCounts]:
    """Count the errors in what was heard: in words, and in characters.

    Parameters
    ----------
    pairs : sequence of (str, str, str)
        Each a reference, the words heard, and the language: ISO 639 or BCP 47 (``en``, ``eng``, ``en-GB``, ``en_US``),
        or "English". All other languages share the same rules.
    normaliser : {"realtime_nb", "whisper", "open_asr_leaderboard"}, default "realtime_nb"
        Whose rules say which written forms are the same words: ours, which the notes explain; Whisper's normaliser
        (`whisper_normalizer`; letters apart in scripts without spaces, as in its paper); or the Open ASR Leaderboard's,
        which are Whisper's except for dots in abbreviations, "U.S." is "us", and before other words.

    Returns
    -------
    words, characters : ErrorCounts
        Substitutions, deletions and insertions of all pairs, and the words of all references; the same for characters,
        which include single spaces between words. The ``rate`` is ``(S + D + I) / N``. It may be above 1; it is 1 if
        nothing was heard. If the references have no words at all, N is 1: each word heard is one error, and silence is
        0.

    Raises
    ------
    SettingsError
        If there is no such normaliser.

    Notes
    -----
    Uses `jiwer`, on the words as they are spoken, not as they are written (`realtime_nb.speech.written_forms`).

    In English, following Whisper's normaliser (`whisper_normalizer`; Radford et al. 2022, appendix C), case,
    punctuation, accents, fillers ("um"), text in brackets, contractions, titles and British spelling do not count. Nor
    does it matter how numbers, times, sums of money, percentages, units and arithmetic are written. Each digit of a
    number counts as a word: "2026", "twenty twenty-six" and "two thousand and twenty six" are four, "2 0 2 6"; round
    millions are a number and "million". If a text has several readings ("$5.50": "five fifty", "five dollars and fifty
    cents"; "3:30": "three thirty", "half past three"), the one that the other text has counts.

    In other languages words are letters with their marks, and digits: a wrong vowel sign is a wrong word. Case,
    punctuation, composed or decomposed letters and the script of digits do not count; vowel points of Arabic and Hebrew
    do if both texts have them.

    In all languages, letters of scripts without spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) are
    compared one by one, as if each were a word, and spaces between them do not count.
    """
    import jiwer

    if normaliser not in get_args(Normaliser):
        raise SettingsError(f"normaliser={normaliser!r} is not one of {', '.join(get_args(Normaliser))}")
    totals = [ErrorCounts(0, 0, 0, 0)] * 2
    for reference, heard, language in pairs:
        if normaliser == "realtime_nb":
            ours, theirs = _agreed(words_of(reference, language), words_of(heard, language))
        else:
            ours, theirs = (_normalised(text, language, normaliser) for text in (reference, heard))
        joined = [(_joined(ours), _joined(theirs)), (_written(ours), _written(theirs))]
        for place, (one, other) in enumerate(joined):
            count = len(one) if place else len(ours)
            if not one or not other:
                found = ErrorCounts(0, count, 0 if one else len(other) if place else len(theirs), count)
            else:
                told: Any = (jiwer.process_characters if place else jiwer.process_words)(one, other)
                found = ErrorCounts(told.substitutions, told.deletions, told.insertions, count)
            totals[place] = ErrorCounts(*map(sum, zip(totals[place], found, strict=True)))
    return totals[0], totals[1]


def _normalised(text: str, language: str, normaliser: Normaliser) -> list[WrittenWord]:
    """Return the words of a text by Whisper's rules, or those of the Open ASR Leaderboard."""
    from whisper_normalizer.basic import BasicTextNormalizer

    if normaliser == "open_asr_leaderboard" and is_english(language):
        text = re.sub(r"(?<![^\W_])([a-z])\.(?=[a-z](?:\.|\b))", r"\1", text.lower())
    plain: str = (english_normaliser() if is_english(language) else BasicTextNormalizer())(text)
    return [letter for word in plain.split() for letter in split_letters(WrittenWord(word))]


class _Pair(NamedTuple):
    wanted: WrittenWord | None
    heard: WrittenWord | None


def _together(pairs: Sequence[_Pair]) -> list[list[_Pair]]:
    """Group pairs that share a written word."""
    last: dict[tuple[int, int, int], int] = {}
    for place, pair in enumerate(pairs):
        last |= {(side, word.start, word.end): place for side, word in enumerate(pair) if word}
    groups: list[list[_Pair]] = []
    until = -1
    for place, pair in enumerate(pairs):
        if place > until:
            groups.append([])
        groups[-1].append(pair)
        until = max(until, *(last[side, word.start, word.end] for side, word in enumerate(pair) if word))
    return groups


def _match(pairs: Sequence[_Pair], texts: Sequence[str]) -> WordMatch:
    written = []
    for text, words in zip(texts, zip(*pairs, strict=True), strict=True):
        found = [word for word in words if word]
        written.append(text[found[0].start : found[-1].end] if found else "")
    wanted, heard = written
    if not wanted or not heard:
        return WordMatch(wanted, heard, "missing" if wanted else "extra")
    is_right = all(one and other and one.text == other.text for one, other in pairs)
    return WordMatch(wanted, heard, "right" if is_right else "other")


def _agreed(words: Sequence[WrittenWord], others: Sequence[WrittenWord]) -> tuple[list[WrittenWord], list[WrittenWord]]:
    """Read ambiguous words in either of two texts as the other one has them."""
    import jiwer

    words, others = _told_otherwise(words, others), _told_otherwise(others, words)
    first = _joined_parts(words, _readings(others))
    second = _joined_parts(others, _readings(words))
    while first and second and any(word.others for word in [*first, *second]):
        read: tuple[list[WrittenWord], list[WrittenWord]] = ([], [])
        chunks = jiwer.process_words(_joined(first), _joined(second)).alignments[0]
        for is_equal, found in itertools.groupby(chunks, lambda chunk: chunk.type == "equal"):
            passage = list(found)
            ours = first[passage[0].ref_start_idx : passage[-1].ref_end_idx]
            theirs = second[passage[0].hyp_start_idx : passage[-1].hyp_end_idx]
            pair = (ours, theirs) if is_equal else _best_readings(ours, theirs)
            for side, words in zip(read, pair, strict=True):
                side.extend(words)
        if read == (first, second):
            break
        first, second = read
    return first, second


#: Longer differences keep their usual reading; trying the others would take too long.
_LONGEST_DIFFERENCE = 1_000_000


def _best_readings(
    ours: Sequence[WrittenWord], theirs: Sequence[WrittenWord]
) -> tuple[Sequence[WrittenWord], Sequence[WrittenWord]]:
    """Return the readings of two differing passages with the smallest Levenshtein distance."""
    if not any(word.others for word in [*ours, *theirs]) or len(ours) * len(theirs) > _LONGEST_DIFFERENCE:
        return ours, theirs
    alone = [[0 if "" in word.others else 1 for word in side] for side in (ours, theirs)]
    costs = [[0, *itertools.accumulate(alone[1])]]
    for one, dropped in zip(ours, alone[0], strict=True):
        row = [costs[-1][0] + dropped]
        for place, other in enumerate(theirs):
            together = costs[-1][place] + (_same_reading(one, other) is None)
            row.append(min(together, costs[-1][place + 1] + dropped, row[-1] + alone[1][place]))
        costs.append(row)
    read: tuple[list[WrittenWord], list[WrittenWord]] = ([], [])
    i, j = len(ours), len(theirs)
    while i or j:
        if (
            i
            and j
            and costs[i][j] == costs[i - 1][j - 1] + ((text := _same_reading(ours[i - 1], theirs[j - 1])) is None)
        ):
            i, j = i - 1, j - 1
            for side, word in zip(read, (ours[i], theirs[j]), strict=True):
                side.append(word if text is None else replace(word, text=text, others=()))
        elif i and costs[i][j] == costs[i - 1][j] + alone[0][i - 1]:
            i -= 1
            read[0].extend([ours[i]] * alone[0][i])
        else:
            j -= 1
            read[1].extend([theirs[j]] * alone[1][j])
    return read[0][::-1], read[1][::-1]


def _readings(words: Sequence[WrittenWord]) -> set[str]:
    return {text for word in words for text in (word.text, *word.others)}


def _told_otherwise(words: Sequence[WrittenWord], others: Sequence[WrittenWord]) -> list[WrittenWord]:
    """Read "3:30" as "half past three" if the other text has that."""
    said, told = _joined(others), list[WrittenWord]()
    for (start, end), together in itertools.groupby(words, lambda word: (word.start, word.end)):
        read = list(together)
        found = re.search(rf"\b(?:{read[0].or_all})\b", said) if read[0].or_all else None
        told += [WrittenWord(text, start, end) for text in found[0].split()] if found else read
    return told


def _joined_parts(words: Sequence[WrittenWord], said: Container[str]) -> list[WrittenWord]:
    """Join letters and parts of words that the other text has as one: "f b i" for "FBI", "wi-fi" for "wifi"."""
    joined: list[WrittenWord] = []
    runs: list[list[WrittenWord]] = []
    for word in words:
        before = runs[-1][-1] if runs else None
        if before and (word.is_tied or (_is_letter(before) and _is_letter(word))):
            runs[-1].append(word)
        else:
            runs.append([word])
    for run in runs:
        text = "".join(word.text for word in run)
        joined += [WrittenWord(text, run[0].start, run[-1].end)] if len(run) > 1 and text in said else run
    return joined


def _is_letter(word: WrittenWord) -> bool:
    return len(word.text) == 1 and word.text.isalpha() and not word.is_unspaced


def _same_reading(one: WrittenWord, other: WrittenWord) -> str | None:
    if one.text == other.text or one.text in other.others:
        return one.text
    return other.text if other.text in one.others else None


def _joined(words: Sequence[WrittenWord]) -> str:
    return " ".join(word.text for word in words)


def _written(words: Sequence[WrittenWord]) -> str:
    """Return words with spaces between them, except between letters of scripts that have none."""
    text, before = "", None
    for word in words:
        text += f"{' ' if before and not (before.is_unspaced and word.is_unspaced) else ''}{word.text}"
        before = word
    return text
