"""Write numbers, dollars, times and years as people read them aloud, where espeak-ng reads them differently.

By itself it says "nineteen hundred eighty four", "dollar five point five zero" and "ten zero five". Numbers that it
says like people (percent, decimals, ordinals, "1,000") stay digits.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """A text as it is read aloud, and where each part of it is in the written text."""

    text: str
    starts: tuple[int, ...]
    """Where the parts begin in `text`; every second part is written differently."""
    written: tuple[int, ...]
    """Where they begin in the written text."""

    def written_at(self, index: int) -> int:
        """Return the place of the character at `index` in the written text; the part's start if it differs."""
        part = bisect_right(self.starts, index) - 1
        return self.written[part] + (0 if part % 2 else index - self.starts[part])


def read_aloud(text: str) -> Reading:
    """Return how to read an English text."""
    said, starts, written, end, size = [], [0], [0], 0, 0
    for found in _WRITTEN.finditer(text):
        words = _RULES[str(found.lastgroup)](found)
        if words is None:
            continue
        size += found.start() - end
        said += [text[end : found.start()], words]
        starts += [size, size := size + len(words)]
        written += [found.start(), end := found.end()]
    return Reading("".join([*said, text[end:]]), tuple(starts), tuple(written))


# Sign → one of it, several; one hundredth, several.
_MONEY = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "", ""),
}
_SCALES = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion", "tn": "trillion"}
_MONTHS = "January February March April May June July August September October November December".split()
_FRACTIONS = {
    "1/2": "one half",
    "1/3": "one third",
    "2/3": "two thirds",
    "1/4": "one quarter",
    "3/4": "three quarters",
}
# Small words that end in "s" but are not plural nouns.
_NO_THINGS = frozenset(("is", "was", "has", "does", "as", "its", "this", "his", "always", "thus", "across"))


_BEFORE_YEAR = re.compile(r"\b(?:in|since|until|till|year|before|after|during|of|by|from)\s+\Z", re.I)


def _money(found: re.Match[str]) -> str:
    one, several, hundredth, hundredths = _MONEY[found["sign"]]
    whole, part = found["whole"], found["part"]
    scale = found["scale"] or _SCALES.get((found["short"] or "").lower(), "")
    if scale or (part and (len(part) != 2 or not hundredth)):
        return f"{whole}{'.' + part if part else ''}{' ' + scale if scale else ''} {several}"
    words = f"{whole} {one if whole == '1' else several}"
    if not part or part == "00":
        return words
    small = f"{int(part)} {hundredth if part == '01' else hundredths}"
    return small if whole == "0" else f"{words} and {small}"


def _time(found: re.Match[str]) -> str:
    hour, minutes, half = int(found["hour"]), found["minutes"], found["half"]
    after = f" {half}" if half else ""
    if minutes != "00":
        return f"{hour} {'oh ' if minutes[0] == '0' else ''}{int(minutes)}{after}"
    if 0 < hour <= 12:
        return f"{hour}{after or ' o’clock'}"
    return f"{hour or 'zero'} hundred{after}"


def _year_words(year: str) -> str:
    """Return a year as two numbers, unless it is read as one ("two thousand five", "nineteen hundred")."""
    if year[2:] == "00" or year.startswith("200"):
        return year
    return f"{year[:2]} {'oh ' if year[2] == '0' else ''}{int(year[2:])}"


def _year(found: re.Match[str]) -> str | None:
    counts = found["noun"] and found["noun"] not in _NO_THINGS  # "1984 items"
    if counts and not _BEFORE_YEAR.search(found.string, 0, found.start()):
        return None
    return _year_words(found["year"])


def _range(found: re.Match[str]) -> str | None:
    low, high = found["low"], found["high"]
    if int(low) >= int(high):
        return None
    are_years = len(low) == len(high) == 4 and _is_year(low) and _is_year(high)
    return " to ".join(map(_year_words, (low, high)) if are_years else (low, high))


def _is_year(number: str) -> bool:
    return "1100" <= number < "2100"


def _date(found: re.Match[str]) -> str:
    return f"{_MONTHS[int(found['m']) - 1]} {int(found['d'])}, {_year_words(found['y'])}"


def _phone(found: re.Match[str]) -> str:
    return ", ".join(" ".join(digits) for digits in re.findall(r"\d+", found[0]))


_RULES: dict[str, Callable[[re.Match[str]], str | None]] = {
    "money": _money,
    "cents": lambda found: f"{found['few']} cent{'' if found['few'] == '1' else 's'}",
    "till": lambda found: " to ",
    "time": _time,
    "date": _date,
    "phone": _phone,
    "fraction": lambda found: _FRACTIONS[found[0]],
    "range": _range,
    "degrees": lambda found: f" degrees {'Celsius' if found[0][-1] == 'C' else 'Fahrenheit'}",
    "number": lambda found: "number ",
    "years": _year,
}
# What may come before and after a complete number.
_ALONE, _END = r"(?<![\w.,:/$€£¥#–-])", r"(?![\w:/–-]|[.,]\d)"
_WRITTEN = re.compile(
    rf"""
    (?P<money>(?P<sign>[$€£¥])\ ?(?P<whole>\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.(?P<part>\d+))?
        (?:\ (?P<scale>thousand|million|billion|trillion)\b|(?P<short>[kKmMbB]|mn|bn|tn)\b)?(?![\w]|[.,]\d))
    |(?P<cents>(?<![\w.,])(?P<few>\d+)\ ?¢)
    |(?P<till>(?<=\d)\ ?[–-]\ ?(?=[$€£¥]\d|\d\d?:\d\d))
    |(?P<time>(?<![\w.,:/$€£¥#])(?P<hour>[01]?\d|2[0-3]):(?P<minutes>[0-5]\d)
        (?:\ ?(?P<half>[aApP]\.?[mM]\b\.?))?(?![\w:/]|[.,]\d))
    |(?P<date>{_ALONE}(?P<y>1[1-9]\d\d|20\d\d)-(?P<m>0[1-9]|1[0-2])-(?P<d>0[1-9]|[12]\d|3[01]){_END})
    |(?P<phone>{_ALONE}(?:\(\d{{3}}\)\ ?|\d{{3}}[-\ ])?\d{{3}}-\d{{4}}{_END})
    |(?P<fraction>{_ALONE}(?:1/2|1/3|2/3|1/4|3/4){_END})
    |(?P<range>{_ALONE}(?P<low>\d{{1,4}})\ ?[–-]\ ?(?P<high>\d{{1,4}}){_END})
    |(?P<degrees>(?<=\d)\ ?°\ ?[CF]\b)
    |(?P<number>(?<!\w)\#(?=\d))
    |(?P<years>{_ALONE}(?P<year>1[1-9]\d\d|20[1-9]\d)(?=s\b|(?![\w:/–-]|[.,]\d))(?=(?:\ (?P<noun>[a-z]+s)\b)?))
    """,
    re.VERBOSE,
)
