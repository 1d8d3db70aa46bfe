"""The answers of the rule brain: numbers, patterns and answers, asides, and measurements of pictures."""

from __future__ import annotations

import datetime
import math
import operator
import random
import re
import zoneinfo
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import PictureError
from ...media.picture import Picture
from ..realtime.conversation_state import ItemState, MessagePart

# --- Numbers as people say them ---------------------------------------------------------------------------------------

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = {
    word: 10 * tens for tens, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
_UNITS = {word: value for value, word in enumerate(_ONES)}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
# A recogniser that writes digits writes "1,045" as people do.
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
_TOKEN = re.compile(rf"(?<![\w-])-?{_DIGITS}|{_DIGITS}|[a-z]+|[,;:.?!]")


def numbers_in(text: str) -> list[float]:
    """Return the numbers in a text, written in digits or in words: "twenty five and 1,003.5" has two."""
    found: list[float] = []
    spoken: list[str] = []
    for token in [*_TOKEN.findall(text.lower()), ""]:
        if token == "and" and spoken and spoken[-1] in _SCALES:
            continue  # "two hundred and six"
        if spoken and not _goes_on(spoken, token):
            found.append(_value(spoken))
            spoken = []
        if token in _UNITS or token in _TENS or token in _SCALES:
            spoken.append(token)
        elif token[-1:].isdigit():
            found.append(float(token.replace(",", "")))
    return found


def in_digits(text: str) -> str:
    """Write the numbers of a text in digits, one by one: "room twenty one" is "room 21"."""
    return _SPOKEN_NUMBER.sub(lambda found: " ".join(f"{number:.0f}" for number in numbers_in(found.group())), text)


def number_text(value: float) -> str:
    """Write a number for a voice: never as a power of ten, and with "about" if digits are left out."""
    if not abs(value) < 1e15:
        return "a number that is too large for me"
    text = f"{value:.{6 if abs(value) >= 1e-3 else 12}f}".rstrip("0").rstrip(".")
    return text if math.isclose(float(text), value, rel_tol=1e-9) else f"about {text}"


def _goes_on(spoken: list[str], token: str) -> bool:
    """Return whether a word belongs to the number before it: "twenty five" is one number, "five twenty" two."""
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


# --- What the rule brain can say: one pattern and one answer a rule, tried in order -----------------------------------
#
# Patterns match what recognisers write (lower case without punctuation and numbers in words, or sentences with digits)
# as well as typed text.

STORY = (
    "Once upon a time there was a small microphone who wanted to be heard. "
    "It lived on the edge of a notebook, between a graph and an empty cell. "
    "Every day it listened to the rain, the keyboard and the coffee machine. "
    "One morning somebody leaned in and said hello. "
    "The microphone was so happy that it turned every little wave of air into numbers. "
    "The numbers travelled through a thin wire, became words, and came back as a voice. "
    "And when nobody interrupted them, they talked until the cell had finished running. "
    "That is the end of the story."
)
JOKES = (
    "Why did the sound wave go to school? To get a little more frequency.",
    "I would tell you a joke about silence, but you would not hear it.",
    "What do you call a robot that takes the long way around? R two detour.",
)
ABILITIES = (
    "I can do sums, count, spell words, tell the time, the date, a joke or a story, repeat after you, remember your "
    "name, and call the tools of your session. I am made of rules: there is no language model here."
)
#: Examples for people to try; the rules answer each.
EXAMPLES = ("What time is it?", "What is 12 times 7?", "Tell me a joke.")
MOST_TO_COUNT = 100
#: How many characters of an utterance are read.
LONGEST = 1_000
_OPERATORS: dict[str, tuple[str, Callable[[float, float], float]]] = {
    "plus": ("plus", operator.add),
    "+": ("plus", operator.add),
    "minus": ("minus", operator.sub),
    "-": ("minus", operator.sub),
    "−": ("minus", operator.sub),
    "times": ("times", operator.mul),
    "multiplied by": ("times", operator.mul),
    "*": ("times", operator.mul),
    "x": ("times", operator.mul),
    "×": ("times", operator.mul),
    "divided by": ("divided by", operator.truediv),
    "over": ("divided by", operator.truediv),
    "/": ("divided by", operator.truediv),
    "÷": ("divided by", operator.truediv),
}
_OPERATOR = rf"(?:(?<![a-z])(?:{'|'.join(map(re.escape, set(_OPERATORS) - {'-'}))})(?![a-z])|(?<=\s)-(?=\s))"
_NUMBER_WORD = (
    r"(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    r"seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million)\b"
)
_SPOKEN = rf"\b{_NUMBER_WORD}(?:(?:\s+|-){_NUMBER_WORD})*"
_SPOKEN_NUMBER = re.compile(_SPOKEN, re.I)
_NUMBER = rf"(?:-?{_DIGITS}|{_SPOKEN})"
_PLEASE = r"^(?:please )?(?:(?:can|could|would|will) you )?(?:please )?"

_MY_NAME = re.compile(r"\b(?:my name is|call me) ([\w'-]+)", re.I)


@dataclass(frozen=True)
class RuleInput:
    """Everything that a rule may look at."""

    text: str
    """The words that were said, unchanged."""
    match: re.Match[str]
    """The match of the rule's pattern in the text, in lower case without end marks."""
    said_before: str = ""
    """The last answer."""
    heard_before: str = ""
    """The person's words before."""
    all_heard: Sequence[str] = ()
    """Everything that the person has said, oldest first, including this."""

    def as_said(self, group: int) -> str:
        """Return a group of the match with the capitals that the person wrote."""
        found = self.match.group(group).strip()
        at = self.text.lower().find(found)
        return self.text[at : at + len(found)] if at >= 0 else found


Answer = str | Callable[[RuleInput], str]


def _sum(heard: RuleInput) -> str:
    pieces = re.split(rf"\s*({_OPERATOR})\s*", heard.match.group("sum"))
    values = [next(iter(numbers_in(piece)), 0.0) for piece in pieces[::2]]
    names, works = zip(*(_OPERATORS[piece] for piece in pieces[1::2]), strict=True)
    asked = number_text(values[0])
    asked += "".join(f" {name} {number_text(value)}" for name, value in zip(names, values[1:], strict=True))
    waiting = list(works)
    # Products before sums, each from left to right.
    for now in ((operator.mul, operator.truediv), (operator.add, operator.sub)):
        at = 0
        while at < len(waiting):
            if waiting[at] not in now:
                at += 1
            elif waiting[at] is operator.truediv and not values[at + 1]:
                return "Nothing can be divided by zero."
            else:
                values[at : at + 2] = [waiting.pop(at)(values[at], values[at + 1])]
    return f"{asked} is {number_text(values[0])}."


def _two(heard: RuleInput) -> tuple[float, float]:
    """Return the two numbers that a rule's groups hold, or 0 for one that is not there."""
    groups = heard.match.groupdict()
    first, second = (numbers_in(groups.get(name) or "") for name in ("first", "second"))
    return next(iter(first), 0.0), next(iter(second), 0.0)


def _addition(heard: RuleInput) -> str:
    first, second = _two(heard)
    return f"{number_text(first)} plus {number_text(second)} is {number_text(first + second)}."


def _subtraction(heard: RuleInput) -> str:
    first, second = _two(heard)
    return f"{number_text(second)} minus {number_text(first)} is {number_text(second - first)}."


def _share(heard: RuleInput) -> str:
    first, second = _two(heard)
    return f"{number_text(first)} percent of {number_text(second)} is {number_text(first * second / 100)}."


_PARTS = {"half": ("Half", 2), "third": ("A third", 3), "quarter": ("A quarter", 4)}
_TIMES = {"twice": 2, "double": 2, "triple": 3}


def _part(heard: RuleInput) -> str:
    number, _ = _two(heard)
    name, divisor = _PARTS[heard.match.group("part")]
    return f"{name} of {number_text(number)} is {number_text(number / divisor)}."


def _multiple(heard: RuleInput) -> str:
    number, _ = _two(heard)
    times = _TIMES[heard.match.group("times")]
    return f"{times} times {number_text(number)} is {number_text(times * number)}."


_UNITS_S = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}


def _units(heard: RuleInput) -> str:
    small, large = heard.match.group("small"), heard.match.group("large")
    given = heard.match.group("first")
    count = 1.0 if given in ("a", "an") else _two(heard)[0]
    found = count * _UNITS_S[large] / _UNITS_S[small]
    return f"{_amount(count, large)} {'is' if count == 1 else 'are'} {_amount(found, small)}."


def _amount(count: float, unit: str) -> str:
    return f"{number_text(count)} {unit}{'' if count == 1 else 's'}"


def _power(heard: RuleInput) -> str:
    base, exponent = _two(heard)
    exponent = {"squared": 2.0, "cubed": 3.0}.get(heard.match.group("kind"), exponent)
    try:
        power = math.pow(base, exponent)
    except (OverflowError, ValueError):
        return "That is not a number that I can say."
    return f"{number_text(base)} to the power of {number_text(exponent)} is {number_text(power)}."


def _root(heard: RuleInput) -> str:
    number, _ = _two(heard)
    if number < 0:
        return "A number below zero has no square root among the numbers that I know."
    return f"The square root of {number_text(number)} is {number_text(math.sqrt(number))}."


def _time(heard: RuleInput) -> str:
    here = f"The clock of this computer says {_clock(datetime.datetime.now())}."
    place = re.search(r"\bin (?!the\b)([a-z ]+)$", heard.match.string)
    if place is None:
        return here
    # "America/New_York"; without such a database, as on Windows, no place is known.
    zones = (zone for zone in zoneinfo.available_timezones() if zone.lower().endswith(place[1].replace(" ", "_")))
    zone = next((zone for zone in sorted(zones) if _city(zone).lower() == place[1]), None)
    if zone is None:
        return f"I do not know what time it is there. {here}"
    return f"In {_city(zone)} it is {_clock(datetime.datetime.now(zoneinfo.ZoneInfo(zone)))}."


def _clock(now: datetime.datetime) -> str:
    return f"{now.hour % 12 or 12}:{now.minute:02} {'AM' if now.hour < 12 else 'PM'}"


def _city(zone: str) -> str:
    return zone.rpartition("/")[2].replace("_", " ")


def _date(heard: RuleInput) -> str:
    said = heard.match.string
    days = 1 if "tomorrow" in said else -1 if "yesterday" in said else 0
    day = datetime.date.today() + datetime.timedelta(days=days)
    verb = {1: "tomorrow is", -1: "yesterday was", 0: "today is"}[days]
    return f"By the clock of this computer, {verb} {day:%A}, {day:%B} {day.day}, {day.year}."


def _count(heard: RuleInput) -> str:
    numbers = [int(number) for number in numbers_in(heard.match.group())]
    first, last = (numbers[0], numbers[1]) if len(numbers) > 1 else (1, numbers[0])
    if not 0 <= first <= last or last - first >= MOST_TO_COUNT or last > 999:
        return f"I count at most {MOST_TO_COUNT} numbers, upwards, below one thousand."
    return _in_fives(range(first, last + 1))


def _count_down(heard: RuleInput) -> str:
    first, last = (int(number) for number in _two(heard))
    last = last if heard.match.group("second") else 1
    if not 0 <= last <= first or first - last >= MOST_TO_COUNT or first > 999:
        return f"I count down at most {MOST_TO_COUNT} numbers, from below one thousand to zero."
    return _in_fives(range(first, last - 1, -1))


def _in_fives(numbers: Sequence[int]) -> str:
    lines = (numbers[start : start + 5] for start in range(0, len(numbers), 5))
    return " ".join(f"{', '.join(map(in_words, line)).capitalize()}." for line in lines)


def _spell(heard: RuleInput) -> str:
    word = heard.as_said(1)
    return f"{word.capitalize()}: {', '.join(letter.upper() for letter in word if letter.isalnum())}."


_NOTHING_SAID = "I have not said anything yet."


def _said_before(heard: RuleInput) -> str:
    if " i " in heard.match.group():
        return (
            f"You said: {_ended(heard.heard_before)}"
            if heard.heard_before
            else "This is the first thing that you said."
        )
    return f"I said: {heard.said_before}" if heard.said_before else _NOTHING_SAID


def _remember(heard: RuleInput) -> str:
    return f"Hello, {_titled(heard.as_said(1))}. I shall remember your name as long as we talk."


def _name_of(heard: RuleInput) -> str:
    """Look for a name in what was said: the rules have no memory but the conversation."""
    for text in reversed(heard.all_heard[:-1]):
        if found := _MY_NAME.search(text[:LONGEST]):
            return f"You said that your name is {_titled(found.group(1))}."
    return "You have not told me your name."


def _titled(name: str) -> str:
    return name[:1].upper() + name[1:]


def _as_sentence(text: str) -> str:
    text = text.strip().strip("\"'“”")
    return text if text[-1:] in ".?!" else f"{text[:1].upper()}{text[1:]}."


def _rules() -> Iterator[tuple[str, Answer]]:
    yield rf"(?P<sum>{_NUMBER}(?:\s*{_OPERATOR}\s*{_NUMBER})+)", _sum
    yield rf"\b(?:add|the sum of) (?P<first>{_NUMBER})\s*(?:and|to) (?P<second>{_NUMBER})", _addition
    yield rf"\b(?:subtract|take) (?P<first>{_NUMBER}) (?:away )?from (?P<second>{_NUMBER})", _subtraction
    yield rf"(?P<first>{_NUMBER})\s*(?:percent|per cent|%) of (?P<second>{_NUMBER})", _share
    yield rf"\b(?P<part>{'|'.join(_PARTS)}) of (?P<first>{_NUMBER})", _part
    yield rf"\b(?P<times>{'|'.join(_TIMES)}) (?P<first>{_NUMBER})", _multiple
    units = "|".join(_UNITS_S)
    yield (
        rf"\bhow many (?P<small>{units})s? (?:are |is |there |in )*(?P<first>{_NUMBER}|an?\b) (?P<large>{units})s?\b",
        _units,
    )
    yield (
        rf"(?P<first>{_NUMBER}) ?(?:(?P<kind>squared|cubed)\b|(?:to the power of|\^|\*\*) ?(?P<second>{_NUMBER}))",
        _power,
    )
    yield rf"\bsquare root of (?P<first>{_NUMBER})", _root
    yield (
        rf"{_PLEASE}(?:repeat after me|say after me)\W*(.+)$",
        lambda heard: _as_sentence(heard.as_said(1)),
    )
    yield r"\bspell (?:the (?:word|name) )?\W*([\w'-]+)", _spell
    yield (
        rf"\bcount (?:down|backwards?) from (?P<first>{_NUMBER})(?: (?:down )?to (?P<second>{_NUMBER}))?",
        _count_down,
    )
    yield rf"\bcount (?:from {_NUMBER}\s*)?(?:up )?to {_NUMBER}", _count
    yield r"\bwhat did (?:i|you) (?:just )?say\b", _said_before
    yield r"\bwhat(?:'s| is) my name\b|\bdo you (?:know|remember) my name\b|\bwho am i\b", _name_of
    yield _MY_NAME.pattern, _remember
    yield (
        rf"{_PLEASE}(?:repeat (?:that|it)|say (?:that |it )?again|come again)\b|^(?:again|pardon|what|sorry)$"
        r"|^(?:sorry,? )?i did(?:n't| not) (?:catch|hear|understand) (?:that|it|you)\b",
        lambda heard: heard.said_before or _NOTHING_SAID,
    )
    yield rf"{_PLEASE}(?:say|repeat)\W+(.+)$", lambda heard: _as_sentence(heard.as_said(1))
    yield r"\b(?:what (?:can|do) you do|what are you able|help|what (?:can|should) i (?:say|ask|do))\b", ABILITIES
    yield (
        r"\b(?:who|what|how old) (?:are|made) you\b|\byour name\b|\bare you (?:an? |the |really )?"
        r"(?:human|robot|real|alive|ai|person|machine|computer|program|(?:large )?language model|chat ?gpt|gpt|siri|"
        r"alexa|assistant)\b|\b(?:what|which) (?:\w+ )?model are you\b|\b(?:tell me about|introduce) yourself\b",
        "I am the local voice of this notebook: a computer program made of rules, with no language model.",
    )
    yield r"\b(?:can|do) you hear me\b", "Yes, I hear you. Ask me what I can do."
    yield (
        r"^where are you\b|\bwhere do you (?:live|run|come from)\b",
        "I run on the computer that runs this notebook, and need no network.",
    )
    yield (
        r"\bdo you (?:speak|understand|know) (?!me\b|what\b)[a-z]+$|\btranslate\b|\bhow do you say\b",
        "I hear and speak English only, and I cannot translate.",
    )
    yield r"\bstor(?:y|ies)\b", STORY
    yield r"\b(?:jokes?|laugh|funny)\b", lambda _: random.choice(JOKES)
    yield r"\bwhat time\b|\bthe time\b|\bwhat's the time\b", _time
    yield (
        r"\b(?:what|which) (?:day|date|month|year)\b|\bwhat(?:'s| is) the (?:day|month|year)\b|"
        r"\b(?:today's|tomorrow's|the) date\b|\bwhat(?:'s| is) (?:today|tomorrow)$",
        _date,
    )
    yield (
        r"\bweather\b|\bforecast\b|\b(?:is it|will it|going to) (?:be )?(?:rain|snow|sunny|cold|warm|hot)(?:ing)?\b",
        "I cannot know the weather: I have no network. A tool of your session could look it up.",
    )
    yield r"\b(?:flip|toss) a coin\b", lambda _: f"It is {random.choice(('heads', 'tails'))}."
    yield r"\b(?:roll|throw) (?:a|the) dic?e\b", lambda _: f"You rolled a {in_words(random.randint(1, 6))}."
    yield r"\balphabet\b", "A, B, C, D, E, F, G. H, I, J, K, L, M, N, O, P. Q, R, S, T, U, V. W, X, Y, and Z."
    yield r"\bhow are you\b|\bhow do you do\b", "I am a program, and I run well. How are you?"
    yield (
        rf"{_PLEASE}(?:(?:turn|switch) (?:on|off|up|down|the)|play|call|dial|order|book|buy|send|open|search|look up|"
        r"google|remind me|wake me|set (?:an?|the|my))\b",
        "I cannot do that by myself. Give the session a tool for it, and I call the tool.",
    )
    yield rf"{_PLEASE}(?:sing|rap)\b", "I cannot sing. I can tell you a story, or a joke."
    yield r"\b(?:your favou?rite|do you (?:like|love|feel|think)|i love you)\b", "I am a program, and have no feelings."
    yield r"\b(?:thanks|thank you)\b", "You are welcome."
    yield r"\b(?:bye|goodbye|good night|see you)\b", "Goodbye. Come back soon."
    yield r"^(?:stop|quiet|be quiet|never mind|cancel|wait|hold on|enough)\b", "All right."
    yield (
        r"^(?:hello|hi|hey|howdy|greetings|good (?:morning|afternoon|evening|day))\b",
        "Hello! I am the local voice. Ask me what I can do.",
    )
    yield r"^(?:yes|yeah|yep|no|nope|ok|okay|sure|right)$", "All right. What next?"


RULES: tuple[tuple[re.Pattern[str], Answer], ...] = tuple((re.compile(pattern), answer) for pattern, answer in _rules())


def answer(text: str, *, said_before: str = "", heard_before: str = "", all_heard: Sequence[str] = ()) -> str | None:
    """Return what the first rule that fits says, or `None` if none does."""
    text = text[:LONGEST]
    plain = re.sub(r"\s+", " ", text.lower().replace("’", "'")).strip().rstrip(".?! ")
    for pattern, says in RULES:
        match = pattern.search(plain)
        if match:
            return says if isinstance(says, str) else says(RuleInput(text, match, said_before, heard_before, all_heard))
    return None


# --- What the rules can say about a conversation: a title, a summary, a label. They only cut and count ----------------

_TITLE_WORDS = 6
_ABOUT = r"\b(?:conversation|dialogue|said|turn|above|user|person|message)\b"
_TITLE = re.compile(r"\btitle\b", re.I)
_SUMMARY = re.compile(r"\bsummar(?:y|i[sz]e)\b", re.I)
_CLASSIFY = re.compile(r"\b(?:classify|which of|label|category|categori[sz]e)\b", re.I)
_QUOTED = re.compile(r"[\"“'‘](\w[\w -]*)[\"”'’]")


def remark_on(instructions: str, entries: Sequence[ItemState]) -> str | None:
    """Return what instructions ask for about a conversation; `None` if they do not ask for anything like that.

    `instructions`: e.g. "Give this conversation a title", "Summarise what was said", ``Classify it as "sales" or
    "support"``.
    """
    if not re.search(_ABOUT, instructions, re.I):
        return None
    messages = [entry for entry in entries if entry.role in ("user", "assistant") and entry.said]
    if _TITLE.search(instructions):
        first = next((entry.said for entry in messages if entry.role == "user"), "Nothing was said")
        return " ".join(first.split()[:_TITLE_WORDS]).rstrip(".,;:?!")
    if _SUMMARY.search(instructions):
        return " ".join(f"{_WHO[entry.role]} said: {_ended(entry.said)}" for entry in messages) or "Nothing was said."
    if _CLASSIFY.search(instructions) and (labels := _QUOTED.findall(instructions)):
        said = " ".join(entry.said for entry in messages).lower()
        counts = [len(re.findall(rf"\b{re.escape(label.lower())}\b", said)) for label in labels]
        return labels[counts.index(max(counts))] if max(counts) else f"None of the words {', '.join(labels)} was said."
    return None


_WHO = {"user": "The person", "assistant": "The voice"}


def _ended(text: str) -> str:
    text = text.strip()
    return text if text[-1:] in ".?!" else f"{text}."


# --- What can be measured in a picture: its size and its colours. Nothing here recognises things ----------------------

#: Hue in degrees up to which a colour has this name.
_HUES = (
    (15, "red"), (40, "orange"), (70, "yellow"), (165, "green"), (200, "turquoise"), (260, "blue"), (290, "purple"),
    (340, "pink"), (361, "red"),
)  # fmt: skip
#: A picture is "mostly" of one colour if that covers at least this share.
_MOSTLY = 0.5
_ALL = 0.98
#: A colour is named if it covers at least this much.
_WORTH_NAMING = 0.15
_CANNOT = "I only measure colours: nothing here sees things or reads text."
_ASKS = re.compile(
    r"\b(?:(?:what|who|which)\b.*\b(?:see|this|that|picture|image|photo|plot|figure|camera|screen|shows?|colou?rs?)\b|"
    r"(?:describe|look at|read|explain|talk about|tell me about)\b.*|"
    r"(?:can|do) you see\b.*)"
)


def asks_about_pictures(said: str) -> bool:
    """Return whether the person seems to ask about something that they showed."""
    return _ASKS.search(said.lower()) is not None


def shown_since_answer(entries: Sequence[ItemState]) -> list[MessagePart]:
    """Return the pictures that were shown since the last answer."""
    shown: list[MessagePart] = []
    for entry in reversed(entries):
        if entry.role == "assistant" or entry.type != "message":
            break
        shown[:0] = [part for part in entry.parts if part.type == "input_image"]
    return shown


def last_shown(entries: Sequence[ItemState]) -> list[MessagePart]:
    """Return the last picture of the conversation, if there is one."""
    shown = [part for entry in entries for part in entry.parts if part.type == "input_image"]
    return shown[-1:]


def describe(parts: Sequence[MessagePart]) -> str:
    """Say what can be known about the pictures: how many there are, and how the last one measures."""
    last = parts[-1]
    if not last.image_url:
        return f"You showed me a picture, but it was let go to save memory. {_CANNOT}"
    try:
        picture = Picture.from_url(last.image_url)
        y = np.asarray(picture.image(max_side=96).convert("RGB").resize((48, 48)), np.float64) / 255
    except PictureError:
        return f"I got your picture, but I cannot open it. {_CANNOT}"
    which = "Your picture is" if len(parts) == 1 else f"You showed me {len(parts)} pictures. The last one is"
    return f"{which} {picture.width} by {picture.height} pixels and {_colours(y)}. {_CANNOT}"


def _colours(y: np.ndarray) -> str:
    """Return the colours of a picture, [shape=(height, width, 3), 0..1], in words."""
    names, counts = np.unique(_names(y.reshape(-1, 3)), return_counts=True)
    ranked = sorted(zip(counts / counts.sum(), names, strict=True), reverse=True)
    share, first = ranked[0]
    if share >= _ALL:
        return f"all {first}"
    others = [str(name) for share, name in ranked[1:3] if share >= _WORTH_NAMING]
    if share >= _MOSTLY:
        return f"mostly {first}" + (f", with {' and '.join(others)}" if others else "")
    if not others:
        return f"of many colours, on average {_names(y.reshape(-1, 3).mean(0, keepdims=True))[0]}"
    return f"mainly {', '.join([first, *others[:-1]])} and {others[-1]}"


def _names(rgb: np.ndarray) -> np.ndarray:
    """Name colours, [shape=(n, 3), 0..1], by hue, saturation and lightness."""
    high, low = rgb.max(1), rgb.min(1)
    lightness, chroma = (high + low) / 2, high - low
    with np.errstate(divide="ignore", invalid="ignore"):
        r, g, b = rgb.T
        sector = np.select([high == r, high == g], [((g - b) / chroma) % 6, (b - r) / chroma + 2], (r - g) / chroma + 4)
    hue = np.nan_to_num(60 * sector)
    limits = np.array([limit for limit, _ in _HUES])
    named = np.array([name for _, name in _HUES], dtype="<U16")[np.searchsorted(limits, hue, side="right")]
    named = np.where((named == "orange") & (lightness < 0.4), "brown", named)
    named = np.where(lightness < np.where(named == "brown", 0.18, 0.3), np.char.add("dark ", named), named)
    named = np.where(lightness > 0.75, np.char.add("light ", named), named)
    grey = np.select([lightness < 0.12, lightness < 0.35, lightness < 0.7, lightness < 0.93],
                     ["black", "dark grey", "grey", "light grey"], "white")  # fmt: skip
    return np.where((chroma < 0.12) | (lightness < 0.08) | (lightness > 0.96), grey, named)
