"""The words of a text as they are spoken: "3:30" is "three thirty", "can't" is "can not".

English numbers become their digits, each a separate word, so that "2026", "twenty twenty six" and "two thousand and
twenty-six" are the same. Signs and abbreviations that people read in several ways ("$5.50", "Dr.", "he's") have all of
these readings; `realtime_nb.speech.words` takes the one that the other text has.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from ..media.language import is_english


@dataclass(frozen=True)
class WrittenWord:
    """A word as it is spoken, and its place in the text."""

    text: str
    start: int = 0
    end: int = 0
    others: tuple[str, ...] = ()
    """Other readings of the same text; ``""`` if it may be left out."""
    or_all: str = ""
    """Other readings of all words from the same place in the text, as a pattern: "half past 3" for "3:30"."""
    is_number: bool = False
    """True if `text` is a number in digits, perhaps with a decimal point."""
    suffix: str = ""
    """``"th"`` for an ordinal number, ``"s"`` for a decade."""
    is_tied: bool = False
    """True if a hyphen ties it to the word before."""
    is_unspaced: bool = False
    """True if it is a letter of a script without spaces between words."""


# Number words.
_ONES = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL = {name: value for value, name in enumerate(f"{_ONES} eighteen nineteen".split(), 1)} | {
    name: 10 * value for value, name in enumerate(_TENS.split(), 2)
}
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"} | {
    "twelve": "twelfth"
}
_ENDED = {
    **{_ORDINALS.get(name, re.sub("y$", "ie", name) + "th"): (value, "th") for name, value in _SMALL.items()},
    **{re.sub("y$", "ie", re.sub("x$", "xe", name)) + "s": (value, "s") for name, value in _SMALL.items()},
}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_ZEROS, _LETTER_ZEROS = {"zero", "nought", "naught"}, {"o", "oh"}
_REPEATS = {"double": 2, "triple": 3}
#: Longer runs of digits are read digit by digit, and not multiplied.
_LONGEST_NUMBER = 15
#: How many "oh" may stand beside a digit.
_MOST_ZEROS = 9
_PARTS = dict(enumerate("half third quarter fifth sixth seventh eighth ninth tenth".split(), 2))

# The words for signs and abbreviations: the usual one first, then others.
_CURRENCIES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "$": (("dollars", "dollar", "bucks", "buck"), ("cents", "cent")),
    "£": (("pounds", "pound", "quid"), ("pence", "penny", "p")),
    "€": (("euros", "euro"), ("cents", "cent")),
    "¥": (("yen",), ("sen",)),
    "₹": (("rupees", "rupee"), ("paise", "paisa")),
}
#: The sign that each stands for, and the country that is said before it; ``""`` if it may be left out.
_CODES = {
    **dict.fromkeys(("usd", "us$"), ("$", ("us", ""))),
    **dict.fromkeys(("aud", "au$", "a$"), ("$", ("australian",))),
    **dict.fromkeys(("cad", "ca$", "c$"), ("$", ("canadian",))),
    **{"gbp": ("£", ("british", "")), "eur": ("€", ()), "jpy": ("¥", ("japanese", "")), "inr": ("₹", ("indian", ""))},
}
_AMOUNTS = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion", "tn": "trillion"}
_SIGNS: dict[str, tuple[str, ...]] = {
    **{"&": ("and",), "+": ("plus", "and"), "=": ("equals", "is", "are", "equal", "makes"), "@": ("at",)},
    **{"×": ("times", "multipliedby", "by", "x"), "*": ("times", "multipliedby"), "÷": ("dividedby", "over")},
    **{"%": ("percent",), "°": ("degrees", "degree"), "#": ("number", "hashtag", "hash", "pound", "")},
    **{"±": ("plus",), "²": ("squared",), "³": ("cubed",)},
}
_UNITS: dict[str, tuple[str, ...]] = {
    **{"km": ("kilometers", "kilometer"), "m": ("meters", "meter"), "cm": ("centimeters", "centimeter")},
    **{"mm": ("millimeters", "millimeter"), "mi": ("miles", "mile"), "ft": ("feet", "foot"), "yd": ("yards", "yard")},
    **{"kg": ("kilograms", "kilogram", "kilos", "kilo"), "g": ("grams", "gram"), "mg": ("milligrams", "milligram")},
    **{"lb": ("pounds", "pound"), "lbs": ("pounds", "pound"), "oz": ("ounces", "ounce"), "l": ("liters", "liter")},
    **{"ml": ("milliliters", "milliliter"), "h": ("hours", "hour"), "hr": ("hours", "hour"), "hrs": ("hours", "hour")},
    **{"min": ("minutes", "minute"), "mins": ("minutes", "minute"), "sec": ("seconds", "2th"), "secs": ("seconds",)},
    "s": ("seconds", "2th"),
    **{"ms": ("milliseconds", "millisecond"), "hz": ("hertz",), "khz": ("kilohertz",), "mhz": ("megahertz",)},
    **{"ghz": ("gigahertz",), "kb": ("kilobytes", "kilobyte"), "mb": ("megabytes", "megabyte")},
    **{"gb": ("gigabytes", "gigabyte"), "tb": ("terabytes", "terabyte"), "kw": ("kilowatts", "kilowatt")},
    **{"w": ("watts", "watt"), "v": ("volts", "volt"), "c": ("celsius", "centigrade"), "f": ("fahrenheit",)},
}
_RATES = {"mph": "miles per hour", "m/s": "meters per second"} | dict.fromkeys(
    ("km/h", "kmh", "kph"), "kilometers per hour"
)
_MONTHS = "january february march april may june july august september october november december".split()
#: In addition to Whisper's own.
_SHORT = {
    **{"cannot": "can not", "shan't": "shall not", "let's": "let us", "gimme": "give me", "lemme": "let me"},
    **{"'em": "them", "'cause": "because", "'tis": "it is", "'twas": "it was", "'til": "until"},
    **{"ok": "okay", "alright": "all right", "c'mon": "come on", "outta": "out of"},
    **{f"{verb}nt": f"{verb} not" for verb in "do does did is are was were have has had could should would".split()},
    **{"etcetera": "et cetera", "approx": "approximately", "sgt": "sergeant", "dept": "department", "ltd": "limited"},
    **{"inc": "incorporated", "corp": "corporation"},
    **{"vs": "versus", "etc": "et cetera", "ave": "avenue", "blvd": "boulevard", "hwy": "highway", "mt": "mount"},
    **{name[:3]: name for name in _MONTHS if name[:3] not in ("mar", "may")},
    **{"sept": "september"},
    **_RATES,
}
#: These stand for one of several words; the other text decides which.
_SEVERAL: dict[str, tuple[str, ...]] = {
    **{"st": ("saint", "street"), "dr": ("doctor", "drive"), "rd": ("road",), "ft": ("fort", "feet", "featuring")},
    **{"ms": ("ms", "miss", "missus"), "per": ("per", "a", "an"), "'s": ("is", "has"), "'d": ("would", "had", "did")},
}
#: Spoken in English or letter by letter.
_LATIN = {"eg": (("for", "e"), ("example", "g")), "ie": (("that", "i"), ("is", "e"))}
#: In addition to Whisper's own: British and drawn-out forms.
_FILLERS = re.compile("e+rm*|u+h*m+|u+h+|h+m+")
#: Numerals of one letter are left out, because they are more often letters.
_ROMAN = {
    numeral: number
    for number, numeral in enumerate("II III IV V VI VII VIII IX X XI XII XIII XIV XV XVI XVII XVIII XIX XX".split(), 2)
    if len(numeral) > 1
}
#: The contractions of Whisper that `_SEVERAL` replaces, and those that look at the next word.
_NOT_WHISPERS = re.compile(r"\\b(st|dr)\\b|'[sd]( \w+)?\\b")
_HUNDREDS = {"hundred": "", "hundredth": "th", "hundreds": "s"}

_AMOUNT = r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?:\ 000)+(?!\d)|\d+)(?:\.\d+)?|\.\d+)"
_CURRENCY = rf"(?:[{''.join(_CURRENCIES)}]|\b(?:{'|'.join(map(re.escape, _CODES))}))"
_SCALE = "thousand|million|billion|trillion|mn|bn|tn|[kmb]"
_NAME = r"[^\W\d_][^\W\d_\u0300-\u036f]*"
#: Everything that can be read in a text; if several match, the first counts.
_READABLE = re.compile(
    rf"""
    (?P<aside>\[[^\[\]]*\]|<[/a-z][^<>]*>|\([^()\d]*\))
    |(?P<money>(?P<currency>{_CURRENCY})\s?(?:(?P<least>{_AMOUNT})[-–]{_CURRENCY}?)?(?P<sum>{_AMOUNT})
        (?:\s?(?P<amount>{_SCALE})\b)?
        |(?<![\d.,])(?:(?<![\w-])(?P<least_before>{_AMOUNT})[-–])?(?P<sum_before>{_AMOUNT})
        (?:\s?(?P<amount_before>{_SCALE})\b)?\s?(?P<currency_behind>{_CURRENCY})(?!\w))
    |(?P<cents>(?<![\d.,])\d+\s?¢)
    |(?P<time>(?<![\d:.])\d{{1,2}}(?::\d\d){{1,2}}(?![\d:])|(?<![\d:.])\d{{1,2}}\.[0-5]\d(?=\s?[ap]\.?m\b))
    |(?P<height>(?<![\w.])\d{{1,2}}'\s?\d{{1,2}}(?:"|'')?(?![\w']))
    |(?P<ratio>(?<![\d:.])\d+:\d+(?![\d:]))
    |(?P<grouped>(?<![\w-])(?:\d{{3}}-\d{{4}}|\d+(?:-\d+){{2,}})(?![\w-]))
    |(?P<range>(?<![\w.-])(?P<low>{_AMOUNT})[-–](?P<high>{_AMOUNT})(?![\w-]))
    |(?P<fraction>(?<![\w/.])(?:(?P<whole>\d+)\s)?(?P<over>\d+)/(?P<under>\d+)(?![\w/])
        |(?P<vulgar_whole>\d+\s?)?(?P<vulgar>[¼-¾⅐-⅞]))
    |(?P<ordinal>(?<![\w.,])(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:st|nd|rd|th)\b)
    |(?P<decade>(?:(?<!\w)')?(?<![\d.,])\d+'?s\b)
    |(?P<dotted>(?<![\w.])\d+(?:\.\d+){{2,}}(?!\w))
    |(?P<rate>(?<=\d)\s?(?:{"|".join(map(re.escape, _RATES))})\b)
    |(?P<number>(?P<digits>{_AMOUNT})
        (?:\s?(?P<scaled>bn|tn|mn|k)\b|\s?(?P<degrees>°)\s?(?:(?P<scale>[cf])\b)?|\s?(?P<unit>{"|".join(_UNITS)})\b(?!['/])\.?)?)
    |(?P<roman>(?-i:\b(?:{"|".join(_ROMAN)})\b)(?!'))
    |(?P<to>(?:(?<=[%°¢\d])|(?<=\b[ap]m)|(?<=\d[ap]m)|(?<=[ap]\.m\.))[-–](?=[\d{"".join(_CURRENCIES)}])
        |(?<=[^\W\d_])–(?=[^\W\d_]))
    |(?P<clock>\bo['\ ]\s?clock\b)
    |(?P<phrase>\b(?:per\s+cent|divided\s+by|multiplied\s+by)\b)
    |(?P<numbered>\b(?:no\.|nos\.|№)\s?(?=\d))
    |(?P<initials>\b(?:ph|[a-z])(?:\.[a-z])+\b\.?)
    |(?P<one_letter>\b[etxu]-(?=[a-z]{{3}}){_NAME}|\be\ mail(?:s|ed)?\b|\b[tx]\ (?:shirt|ray)s?\b)
    |(?P<by>(?<=\d)\s?x\s?(?=\d))
    |(?P<sign>[{re.escape("".join(_SIGNS))}])
    |(?P<word>'(?:em|cause|tis|twas|til)\b|{_NAME}(?:'{_NAME})*)
    |(?P<dot>(?<=[^\W_])\.(?=[^\W_]))
    |(?P<slash>(?<=\w)\s?/\s?(?=\w))
    |(?P<minus>(?<![\w.,)])[-−–]\s?(?=[\d.{"".join(_CURRENCIES)}])|(?<=\d)\s[-–]\s(?=\d)|−)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_QUOTES = str.maketrans(dict.fromkeys("‘’‛`´ʼ", "'") | dict.fromkeys("‐‑", "-"))
#: In other languages: letters with their marks, and digits. Marks that join or split letters belong to them.
_WORD_CHARACTERS = ("L", "M", "N", "Cf")
_ASIDE = re.compile(r"\[[^\[\]]*\]|<[^\W\d_/][^<>]*>|\([^()\d]*\)")
#: Vowel points of Arabic and Hebrew, which most people do not write, and the stroke that lengthens a word.
_POINTS = re.compile("[\u064b-\u0652\u0670\u0591-\u05bd\u05bf-\u05c7]")
_STROKE = "\u0640"


def words_of(text: str, language: str | None = "en") -> list[WrittenWord]:
    """Return the words of a text as they are spoken.

    `language`: an ISO 639 or BCP 47 code, or "English". `None` is English in which accents, text in brackets and
    fillers count.
    """
    text = unicodedata.normalize("NFC", text)
    if language is not None and not is_english(language):
        found: Iterable[WrittenWord] = _other_words(text)
    else:
        found = _numbers(list(_pieces(_even(text), is_exact=language is None)))
    return [letter for word in found for letter in split_letters(word)]


#: Letters of scripts without spaces between words, with their marks: Thai, Lao, Burmese, Khmer, kana and Han. Whisper's
#: evaluation splits the same (Radford et al. 2022, appendix C), except for Khmer.
_UNSPACED = re.compile(
    "[\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u0edc-\u0edf\u1000-\u102a\u103f\u1780-\u17b3"
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003134f]"
)


def split_letters(word: WrittenWord) -> Iterator[WrittenWord]:
    """Yield a word; or, if it has letters of scripts without spaces, these one by one, and what is between them."""
    if not _UNSPACED.search(word.text):
        yield word
        return
    place = 0
    is_as_written = len(word.text) == word.end - word.start
    while place < len(word.text):
        end, is_unspaced = place + 1, bool(_UNSPACED.match(word.text, place))
        while end < len(word.text) and (
            unicodedata.category(word.text[end])[0] == "M" or not (is_unspaced or _UNSPACED.match(word.text, end))
        ):
            end += 1
        # If the text was folded to another length, each letter has the place of the whole.
        span = (word.start + place, word.start + end) if is_as_written else (word.start, word.end)
        yield WrittenWord(word.text[place:end], *span, is_unspaced=is_unspaced)
        place = end


# Languages other than English.


def _other_words(text: str) -> Iterator[WrittenWord]:
    text = _ASIDE.sub(lambda aside: " " * len(aside[0]), text)
    start = 0
    for of_word, found in itertools.groupby(text, _is_of_word):
        written = "".join(found)
        end = start + len(written)
        if of_word and (folded := _folded(written)):
            plain = _POINTS.sub("", folded)
            yield WrittenWord(folded, start, end, (plain,) if plain not in ("", folded) else ())
        start = end


def _is_of_word(character: str) -> bool:
    return unicodedata.category(character).startswith(_WORD_CHARACTERS)


def _folded(word: str) -> str:
    """Return a word without variants of writing: case, composed letters, shapes of digits."""
    word = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold()).replace("i\u0307", "i")
    return "".join(
        str(unicodedata.decimal(character, character))
        for character in word
        if character != _STROKE and unicodedata.category(character) != "Cf"
    )


# English: a text becomes pieces, each a word or a number.


def _even(text: str) -> str:
    """Return a text of the same length with plain quotes, spaces and digits."""
    return "".join(map(_even_character, text.translate(_QUOTES)))


def _even_character(character: str) -> str:
    if character.isspace():
        return " "
    if character in _SIGNS:
        return character
    plain = unicodedata.normalize("NFKC", character)
    return plain if len(plain) == 1 else character


def _pieces(text: str, *, is_exact: bool) -> Iterator[WrittenWord]:
    for match in _READABLE.finditer(text):
        kind = match.lastgroup or ""
        if kind == "aside":
            if is_exact:
                for piece in _pieces(f" {match[0][1:-1]} ", is_exact=True):
                    yield replace(piece, start=match.start() + piece.start, end=match.start() + piece.end)
            continue
        said = _word_said(match[0].lower(), is_exact) if kind in _WORDS else _sign_said(kind, match)
        is_tied = text[match.start() - 1 : match.start()] == "-"
        for piece in said:
            yield replace(piece, start=match.start(), end=match.end(), is_tied=is_tied)


#: Groups of `_READABLE` that are words once their blanks, points and hyphens are gone.
_WORDS = ("word", "clock", "phrase", "initials", "one_letter", "rate")


def _sign_said(kind: str, match: re.Match[str]) -> Iterable[WrittenWord]:
    whole = match[0]
    match kind:
        case "money":
            return _money(match)
        case "cents":
            return [_number(whole[:-1].strip()), _word("cents", "cent")]
        case "time":
            return _time(whole)
        case "height":
            feet, inches = re.findall(r"\d+", whole)
            return [_number(feet), _word("foot", "feet", ""), _number(inches), _word("inches", "inch", "")]
        case "ratio":
            one, other = whole.split(":")
            return [_number(one), _word("to", ""), _number(other)]
        case "grouped":
            return map(_number, whole.split("-"))
        case "range":
            return [_number(match["low"]), _word("to", "minus", ""), _number(match["high"])]
        case "fraction":
            return _fraction(match)
        case "ordinal":
            return [_number(whole[:-2], "th")]
        case "decade":
            return [_number(re.sub(r"\D", "", whole), "s")]
        case "dotted":
            return [piece for number in whole.split(".") for piece in (_word("point", "dot", ""), _number(number))][1:]
        case "number":
            return _quantity(match)
        case "roman":
            number = f"{_ROMAN[whole]}"
            return [_word("the", ""), replace(_number(number), others=(f"{number[-1]}th", whole.lower()))]
        case "to":
            return [_word("to", "minus", "")]
        case "numbered":
            return [_word("number", "no", "numbers")]
        case "by":
            return [_word("times", "by", "x", "multipliedby")]
        case "dot":
            return [_word("dot", "point", "")]
        case "slash":
            return [_word("slash", "per", "or", "and", "a", "an", "over", "dividedby", "")]
        case "minus":
            return [_word("minus", "negative", *(("to",) if " " in whole else ()))]
        case "sign" if whole == "±":
            return [_word("plus"), _word("or"), _word("minus")]
        case "sign":
            is_before_number = match.string[match.end() :].lstrip()[:1].isdigit()
            return [_word(*_SIGNS[whole])] if whole not in "*#" or is_before_number else []
        case _:
            return []


def _word(text: str, *others: str) -> WrittenWord:
    return WrittenWord(text, others=others)


def _number(digits: str, suffix: str = "", one: str = "") -> WrittenWord:
    """Return a number; `one` is another word for 1."""
    others = (one,) if one and digits == "1" else ()
    return WrittenWord(re.sub("[, ]", "", digits), others=others, is_number=True, suffix=suffix)


def _time(written: str) -> list[WrittenWord]:
    hour, minutes, *seconds = re.split("[:.]", written)
    if seconds:
        return [_number(each) for each in (hour, minutes, *seconds)]
    if minutes != "00":
        return [replace(_number(hour), or_all=_clock(int(hour), int(minutes))), _number(minutes)]
    hundred = replace(_number("0"), others=("",))
    return [_number(hour), *([_word("oclock", "")] if 0 < int(hour) < 13 else [hundred, hundred])]


def _clock(hour: int, minutes: int) -> str:
    """Return a pattern of a time told by what has passed, or is missing, of an hour: "half past 3"."""
    preposition = "(?:past|after)"
    if minutes > 30:
        minutes, hour, preposition = 60 - minutes, hour + 1, "(?:to|till|until|of|before)"
    number = {15: "(?:a )?quarter", 30: "half"}.get(minutes, " ".join(str(minutes)) + "(?: minutes?)?")
    return f"{number} {preposition} {' '.join(str((hour - 1) % 12 + 1))}"


def _quantity(match: re.Match[str]) -> list[WrittenWord]:
    """Return a number with its scale or unit, if it has one."""
    number = _number(match["digits"])
    if match["unit"] == "M" and match[0][-2].isdigit():
        return [number, _word("million")]
    if scaled := (match["scaled"] or "").lower():
        return [number, _word(_AMOUNTS[scaled], *(("k",) if scaled == "k" else ()))]
    degrees = [_word("degrees", "degree")] if match["degrees"] else []
    unit = (match["unit"] or match["scale"] or "").lower()
    more = ("",) if match["scale"] else ()
    called = [_word(*_UNITS[unit], unit, *more)] if unit else []
    return [number, *degrees, *called]


def _money(match: re.Match[str]) -> list[WrittenWord]:
    """Return a sum, or from one to another, as it is spoken, with the currency after it."""
    written = (match["currency"] or match["currency_behind"]).lower()
    sign, countries = _CODES.get(written, (written, ()))
    units, hundredths = _CURRENCIES[sign]
    units = (*units, written) if written.isalpha() else units
    amount = (match["amount"] or match["amount_before"] or "").lower()
    scale = [_word(_AMOUNTS.get(amount, amount))] if amount else []
    least, most = match["least"] or match["least_before"], match["sum"] or match["sum_before"]
    said = _sum(most, scale, [*([_word(*countries)] if countries else []), _word(*units)], hundredths)
    if least:
        return [*_sum(least, [], [_word(*units, "")], hundredths), _word("to", "minus", ""), *said]
    if match["currency"] and written.isalpha():
        # Or in the order of writing.
        number = " ".join(re.sub("[, ]", "", most)).replace(".", "point")
        said[0] = replace(said[0], or_all=f"{written} {number}" + "".join(f" {word.text}" for word in scale))
    return said


def _sum(
    digits: str, scale: list[WrittenWord], units: list[WrittenWord], hundredths: tuple[str, ...]
) -> list[WrittenWord]:
    whole, point, part = digits.partition(".")
    if scale or not point or len(part) != 2:
        return [_number(whole + point + part, one="a"), *scale, *units]
    cents = [_number(part.lstrip("0") if part[0] == "0" and part != "00" else part)]
    cents = [replace(_number("0"), others=("",)), *cents] if part[0] == "0" else cents
    if part == "00":
        return [_number(whole, one="a"), *units]
    if not whole.strip("0"):
        return [*cents, _word(*hundredths)]
    units = [replace(unit, others=(*unit.others, "")) for unit in units]
    return [_number(whole, one="a"), *units, _word("and", ""), *cents, _word(*hundredths, "")]


def _fraction(match: re.Match[str]) -> list[WrittenWord]:
    if match["vulgar"]:
        whole = match["vulgar_whole"]
        over, _, under = unicodedata.normalize("NFKC", match["vulgar"]).partition("⁄")
    else:
        whole, over, under = match.group("whole", "over", "under")
    if whole and (over, under) == ("1", "2"):
        return [_number(whole.strip() + ".5")]
    before = [_number(whole.strip()), _word("and", "")] if whole else []
    part = _PARTS.get(int(under)) if len(under) < 3 else None
    if part is None or int(over) >= int(under):
        return [*before, _number(over), _word("over", "slash", "dividedby", "of", ""), _number(under)]
    if over == "1":
        fourth = ("4th",) if under == "4" else ()
        ordinal = part if under in "24" else f"{under}th"
        return [*before, replace(_word("1", "a", ""), is_number=False), _word(ordinal, *fourth)]
    return [*before, _number(over), _word(f"{part}s", *(("fourths",) if under == "4" else ()))]


@functools.cache
def english_normaliser() -> Any:
    """Return Whisper's normaliser for English; it reads a table of 1,700 spellings, so there is one."""
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


@functools.lru_cache(maxsize=4096)
def _word_said(written: str, is_exact: bool) -> tuple[WrittenWord, ...]:
    """Return the words for a written one, by Whisper's rules and those above."""
    from whisper_normalizer.basic import remove_symbols_and_diacritics

    written = written.strip()
    joined = re.sub(r"[^a-z]", "", written)
    if joined in _LATIN and "'" not in written:
        return tuple(_word(*said) for said in _LATIN[joined])
    if not is_exact and _FILLERS.fullmatch(written):
        return ()
    if re.fullmatch(r"(?:(?:ph|[a-z])\.)+[a-z]?", written) or set(" -") & set(written) or written == "o'clock":
        return (WrittenWord(_SHORT.get(joined, joined)),)
    if written in _SEVERAL:
        return (_word(*_SEVERAL[written]),)
    normaliser = english_normaliser()
    spelled = _SHORT.get(written, written)
    for pattern, replacement in normaliser.replacers.items():
        if not _NOT_WHISPERS.search(pattern):
            spelled = re.sub(pattern, replacement, spelled)
    if is_exact:
        spelled = spelled.casefold()
    else:
        spelled = remove_symbols_and_diacritics(re.sub(normaliser.ignore_patterns, "", spelled), keep="'")
    words = normaliser.standardize_spellings(re.sub("(?<=.)('[sd])(?= |$)", r" \1", spelled)).split()
    return tuple(_word(*_SEVERAL.get(word, (word.replace("'", ""),))) for word in words if word.strip("'"))


# Numbers: several pieces become digits.


def _numbers(pieces: Sequence[WrittenWord]) -> Iterator[WrittenWord]:
    at, before = 0, ""
    while at < len(pieces):
        found = _number_at(pieces, at)
        if found is None:
            before = pieces[at].text
            if before:
                yield replace(pieces[at], others=("",)) if _is_of_date(pieces, at) else pieces[at]
            at += 1
            continue
        digits, suffix, end = found
        is_day = before in _MONTHS or _text(pieces, end) in _MONTHS
        yield from _spelled(digits, suffix, pieces[at:end], pieces[end : end + 1], is_day=is_day)
        at, before = end, ""


def _is_of_date(pieces: Sequence[WrittenWord], at: int) -> bool:
    """Return whether a word is spoken but not written in a date: "the" third "of" March, March "the" third."""
    if pieces[at].text == "of":
        return at > 0 and _text(pieces, at + 1) in _MONTHS and _is_ordinal(pieces[at - 1])
    if pieces[at].text != "the":
        return False
    found = _number_at(pieces, at + 1)
    if found is None or found[1] != "th":
        return False
    return _text(pieces, at - 1) in _MONTHS or (
        _text(pieces, found[2]) == "of" and _text(pieces, found[2] + 1) in _MONTHS
    )


def _is_ordinal(piece: WrittenWord) -> bool:
    return (piece.suffix or _ENDED.get(piece.text, (0, ""))[1]) == "th"


def _spelled(
    digits: str, suffix: str, read: Sequence[WrittenWord], behind: Sequence[WrittenWord], *, is_day: bool
) -> Iterator[WrittenWord]:
    """Return the digits of a number, each a word, with its point."""
    digits = re.sub(r"^0+(?=\.)", "", digits)
    optional = 0
    if len(read) == 1 and read[0].is_number and behind and behind[0].is_number and not behind[0].text.startswith("0"):
        # "20, 6" may be heard as "twenty six".
        zeros, length = len(digits) - len(digits.rstrip("0")), len(behind[0].text)
        optional = length if digits.isdigit() and length <= zeros < len(digits) else 0
    digits, scale = _in_millions(digits)
    for place, digit in enumerate([*digits, *scale], 1):
        others = read[0].others
        if digit == ".":
            digit, others = "point", ("dot",)
        elif read[-1].others == ("k",) and place > len(digits) - 3:
            others = ("k",) if place == len(digits) - 2 else ("",)
        elif len(digits) - optional < place <= len(digits):
            others = ("",)
        elif place == len(digits) + len(scale):
            if is_day and not suffix and len(digits) < 3:
                others = (f"{digit}th",)
            digit += suffix
        yield WrittenWord(digit, read[0].start, read[-1].end, others, read[0].or_all)


def _in_millions(digits: str) -> tuple[str, list[str]]:
    """Return a round number of millions, or more, as it is spoken: "1.5", "million"."""
    if not digits.isdigit() or len(digits.lstrip("0")) < 7 or not digits.endswith("0000"):
        return digits, []
    name, scale = max(
        ((name, scale) for name, scale in _SCALES.items() if scale <= int(digits)), key=lambda each: each[1]
    )
    exponent = len(str(scale)) - 1
    part = digits[-exponent:].rstrip("0")
    return digits[:-exponent] + (f".{part}" if part else ""), [name]


def _number_at(pieces: Sequence[WrittenWord], at: int) -> tuple[str, str, int] | None:
    """Return the digits of the number that begins at a place, its suffix, and where it ends."""
    total, least, end, suffix = Decimal(0), 10**18, at, ""
    while True:
        begin = end + 1 if end > at and _text(pieces, end) == "and" else end
        part = _below_thousand(pieces, begin)
        if part is None or (end > at and part[2] == begin):
            break
        value, part_suffix, behind = part
        scale, scale_suffix = _scale(_text(pieces, behind)) if not part_suffix and _is_value(value) else (0, "")
        if end == at and not scale:
            return part
        if scale and scale < least:
            total, least, end, suffix = total + Decimal(value) * scale, scale, behind + 1, scale_suffix
            if not suffix:
                continue
        elif not scale and value.isdigit() and value[0] != "0" and int(value) < min(1_000, least):
            total, end, suffix = total + int(value), behind, part_suffix
        break
    return (f"{total.normalize():f}", suffix, end) if end > at else None


def _below_thousand(pieces: Sequence[WrittenWord], at: int) -> tuple[str, str, int] | None:
    part = _below_hundred(pieces, at)
    if part is None:
        return None
    value, suffix, end = part
    if suffix:
        return part
    if _text(pieces, end) in _HUNDREDS and _is_value(value) and Decimal(value) < 1_000:
        value, suffix, end = f"{Decimal(value) * 100:f}", _HUNDREDS[_text(pieces, end)], end + 1
        begin = end + 1 if _text(pieces, end) == "and" else end
        rest = _below_hundred(pieces, begin) if not suffix else None
        if rest and rest[2] > begin and rest[0].isdigit() and 0 < int(rest[0]) < 100 and rest[0][0] != "0":
            is_digit_of_many = int(rest[0]) < 10 and (
                _SMALL.get(_text(pieces, rest[2]), 10) < 10 or _is_zero(pieces, rest[2])
            )
            if _text(pieces, rest[2]) not in _HUNDREDS and value.isdigit() and not is_digit_of_many:
                value, suffix, end = str(int(value) + int(rest[0])), rest[1], rest[2]
    if suffix or "." in value:
        return value, suffix, end
    if _text(pieces, end) == "point" and (decimals := _decimals(pieces, end + 1, is_behind=True)):
        return f"{value}.{decimals[0]}", "", decimals[1]
    if [_text(pieces, end + place) for place in range(3)] == ["and", "a", "half"]:
        return f"{value}.5", "", end + 3
    return value, "", end


def _below_hundred(pieces: Sequence[WrittenWord], at: int) -> tuple[str, str, int] | None:
    text, behind = _text(pieces, at), _text(pieces, at + 1)
    if text in _ENDED:
        return str(_ENDED[text][0]), _ENDED[text][1], at + 1
    if text in _SMALL:
        value = _SMALL[text]
        if value >= 20 and _SMALL.get(behind, 10) < 10:
            return str(value + _SMALL[behind]), "", at + 2
        if value >= 20 and _ENDED.get(behind, (10, ""))[0] < 10:
            return str(value + _ENDED[behind][0]), _ENDED[behind][1], at + 2
        return str(value), "", at + 1
    if at < len(pieces) and pieces[at].is_number:
        return pieces[at].text, pieces[at].suffix, at + 1
    if _is_zero(pieces, at):
        return "0", "", at + 1
    if text in _REPEATS and (_SMALL.get(behind, 10) < 10 or behind in _ZEROS | _LETTER_ZEROS):
        return str(_SMALL.get(behind, 0)) * _REPEATS[text], "", at + 2
    if text == "point" and (decimals := _decimals(pieces, at + 1)):
        return f".{decimals[0]}", "", decimals[1]
    if text == "a" and (behind == "hundred" or behind in _SCALES):
        return "1", "", at + 1
    if text == "hundred" or text in _SCALES:
        return "1", "", at
    return None


def _decimals(pieces: Sequence[WrittenWord], at: int, *, is_behind: bool = False) -> tuple[str, int] | None:
    """Return the digits after a point, and where they end; if it `is_behind` a number, "oh" is a digit."""
    digits = ""
    while at < len(pieces) and _text(pieces, at) not in ("a", "hundred", "point", *_SCALES):
        found = _below_hundred(pieces, at)
        if is_behind and _text(pieces, at) in _LETTER_ZEROS:
            found = "0", "", at + 1
        if found is None or found[1] or not found[0].isdigit():
            break
        digits, at = digits + found[0], found[2]
    return (digits, at) if digits else None


def _is_zero(pieces: Sequence[WrittenWord], at: int) -> bool:
    """Return whether a word is a zero; "oh" is a zero beside other digits."""
    if _text(pieces, at) in _ZEROS:
        return True
    if _text(pieces, at) not in _LETTER_ZEROS:
        return False
    nearby = range(1, _MOST_ZEROS)
    before = next((at - far for far in nearby if _text(pieces, at - far) not in _LETTER_ZEROS), -1)
    behind = next((at + far for far in nearby if _text(pieces, at + far) not in _LETTER_ZEROS), -1)
    if _text(pieces, behind) == "point" and _decimals(pieces, behind + 1):
        return True
    return any(
        _text(pieces, place) in _SMALL.keys() | _ZEROS or (0 <= place < len(pieces) and pieces[place].is_number)
        for place in (before, behind)
    )


def _scale(text: str) -> tuple[int, str]:
    for ending in ("", "th", "s"):
        if text.endswith(ending) and (scale := _SCALES.get(text.removesuffix(ending))):
            return scale, ending
    return 0, ""


def _is_value(digits: str) -> bool:
    return len(digits) <= _LONGEST_NUMBER and digits not in ("", ".")


def _text(pieces: Sequence[WrittenWord], at: int) -> str:
    """Return the word at a place; empty if there is none, or digits."""
    return pieces[at].text if 0 <= at < len(pieces) and not pieces[at].is_number else ""
