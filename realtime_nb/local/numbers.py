"""Numbers as people say them."""

from __future__ import annotations

import re

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = {
    word: 10 * tens for tens, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
_UNITS = {word: value for value, word in enumerate(_ONES)}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
_TOKEN = re.compile(r"(?<![\w-])-?\d+(?:\.\d+)?|\d+(?:\.\d+)?|[a-z]+|[,;:.?!]")


def numbers_in(text: str) -> list[float]:
    """Return the numbers in a text, in digits or in words: "twenty five and 3.5" has two."""
    found: list[float] = []
    spoken: list[str] = []
    for token in [*_TOKEN.findall(text.lower()), ""]:
        if token == "and" and spoken and spoken[-1] in _SCALES:
            continue  # "two hundred and six"
        if spoken and not _goes_on(spoken, token):
            found.append(_value(spoken))
            spoken = []
        if token in _UNITS or token in _TENS or (spoken and token in _SCALES):
            spoken.append(token)
        elif token[-1:].isdigit():
            found.append(float(token))
    return found


def _goes_on(spoken: list[str], token: str) -> bool:
    """Whether a word belongs to the number before it: "twenty five" is one number, "five twenty" two."""
    if token in _SCALES:
        return True
    if spoken[-1] in _SCALES:
        return token in _UNITS or token in _TENS
    return spoken[-1] in _TENS and 0 < _UNITS.get(token, 0) < 10


def _value(spoken: list[str]) -> float:
    total, current = 0, 0
    for word in spoken:
        if word == "hundred":
            current = max(1, current) * 100
        elif word in _SCALES:
            total, current = total + max(1, current) * _SCALES[word], 0
        else:
            current += _UNITS.get(word, _TENS.get(word, 0))
    return float(total + current)


def in_words(number: int) -> str:
    """Return a number from 0 to 999 in words."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens = next(word for word, value in _TENS.items() if value == number // 10 * 10)
        return f"{tens} {_ONES[number % 10]}" if number % 10 else tens
    rest = f" {in_words(number % 100)}" if number % 100 else ""
    return f"{_ONES[number // 100]} hundred{rest}"
