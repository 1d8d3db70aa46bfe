"""Count the syllables of English words, by `syllapy`'s dictionary and rules for endings."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Adjectives whose -ed is a syllable.
_SPOKEN_ENDINGS = frozenset("beloved crooked dogged jagged naked ragged rugged sacred wicked wretched".split())
_NOT = frozenset("ain't aren't can't don't shan't weren't won't".split())
#: After these, another -s is a separate syllable: "boxes", "changes", "Max's".
_HISSING = re.compile(r"(?:[sxz]|[cs]h|(?:[cgsxz]|[cs]h)e)$")
_ACHES = re.compile(r"(?:back|head|heart|stomach|tooth)?aches")
#: The dictionary lacks these or has them wrong, and no rule gives them.
_IRREGULAR = {"evening": 2, "goodbye": 2, "hundred": 2, "ninety": 2, "rhythm": 2, "violin": 3}
#: Letters of the shortest part of a compound word.
_SHORTEST = 3


def count_syllables(word: str) -> int:
    """Return the number of syllables of an English word, at least 1.

    `word`: letters, with apostrophes and hyphens in between.

    A word with a regular ending (-ed, -s, -es, 's, -ing, -er, -est, -ly) whose stem is in the dictionary has the
    syllables of its stem, plus one if the ending is spoken as one: "walked" 1, "wanted" 2, "likes" 1, "boxes" 2. Other
    words are looked up (`syllapy`). Words that are not found count as the two words that they consist of, or by their
    groups of vowels, without a silent *e* at the end or before -s and -d.
    """
    parts = [part.strip("'") for part in word.lower().replace("’", "'").split("-")]
    return max(1, sum(_syllables(part) for part in parts if part))


def _syllables(word: str) -> int:
    host, mark, ending = word.partition("'")
    if mark and ending == "s":
        return _syllables(host) + bool(_HISSING.search(host))
    if mark and ending == "t" and host.endswith("n"):
        return 1 if word in _NOT else _syllables(host[:-1]) + 1
    if mark and ending in ("d", "ll", "m", "re", "ve"):
        return _syllables(host) + (ending in ("d", "ll", "ve") and host[-1:] not in "aeiouyw")
    if mark:
        return _syllables(host) + _syllables(ending)
    import syllapy

    if word in _IRREGULAR:
        return _IRREGULAR[word]
    known: dict[str, int] = syllapy.WORD_DICT
    for stem, more in _stems(word) if word not in _SPOKEN_ENDINGS else ():
        if len(stem) >= _SHORTEST and (stem in known or stem in _IRREGULAR):
            return _syllables(stem) + more
    if word in known:
        return known[word]
    for end in range(len(word) - _SHORTEST, _SHORTEST - 1, -1):
        if word[:end] in known and word[end:] in known:
            return known[word[:end]] + known[word[end:]]
    if word in _SPOKEN_ENDINGS:
        return int(syllapy.count(word))
    if re.search(r"[aeiou][wy]ed$", word):
        return int(syllapy.count(word[:-2]))
    is_silent = re.search(r"[^aeioutd]ed$", word) or (
        re.search(r"[^aeiou]es$", word) and not _HISSING.search(word[:-1])
    )
    return int(syllapy.count(word[:-1] if is_silent else word))


def _stems(word: str) -> Iterator[tuple[str, int]]:
    """Return the possible stems of a word, each with the number of syllables that its ending adds."""
    if word.endswith("ed") and not word.endswith("eed"):
        yield from _without(word, "ed", int(word[-3:-2] in ("t", "d")))
    elif word.endswith("s") and not re.search(r"[siu]s$", word):
        is_spoken = bool(_HISSING.search(word[:-1])) and not _ACHES.fullmatch(word)
        yield word[:-1], int(is_spoken)
        if word.endswith("ies"):
            yield word[:-3] + "y", 0
        elif re.search(r"(?:[sxz]|[cs]h|o)es$", word):
            yield word[:-2], int(not word.endswith("oes"))
    for ending in ("ing", "est", "er", "ly"):
        if word.endswith(ending) and not word.endswith("eer"):
            yield from _without(word, ending, 1)


def _without(word: str, ending: str, more: int) -> Iterator[tuple[str, int]]:
    stem = word.removesuffix(ending)
    if len(stem) < _SHORTEST:
        return
    if ending != "ly":
        yield stem + "e", more
    yield stem, more
    if stem[-1:] == stem[-2:-1]:
        yield stem[:-1], more
    if stem.endswith("i"):
        yield stem[:-1] + "y", more
