"""What the rule brain knows to say: one pattern and one answer a rule, tried in order.

Patterns match what a recogniser writes (lower case, no punctuation, numbers in words) as well as typed text.
"""

from __future__ import annotations

import datetime
import operator
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .numbers import in_words, numbers_in

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
    "I can do sums, count, spell words, tell the time, tell a story, repeat after you, remember your name, and "
    "call the tools of your session. I am made of rules: there is no language model here."
)
MOST_TO_COUNT = 100
#: Characters of an utterance that are looked at.
LONGEST = 1_000
_OPERATORS: dict[str, tuple[str, Callable[[float, float], float]]] = {
    "plus": ("plus", operator.add),
    "+": ("plus", operator.add),
    "minus": ("minus", operator.sub),
    "-": ("minus", operator.sub),
    "times": ("times", operator.mul),
    "multiplied by": ("times", operator.mul),
    "*": ("times", operator.mul),
    "x": ("times", operator.mul),
    "divided by": ("divided by", operator.truediv),
    "over": ("divided by", operator.truediv),
    "/": ("divided by", operator.truediv),
}
_OPERATOR = rf"(?:(?<![a-z])(?:{'|'.join(map(re.escape, set(_OPERATORS) - {'-'}))})(?![a-z])|(?<=\s)-(?=\s))"
_NUMBER_WORD = (
    r"(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    r"seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million)\b"
)
_NUMBER = rf"(?:-?\d+(?:\.\d+)?|\b{_NUMBER_WORD}(?:(?:\s+|-){_NUMBER_WORD})*)"


_MY_NAME = re.compile(r"\bmy name is ([\w'-]+)", re.I)


@dataclass(frozen=True)
class Heard:
    """What a rule may look at."""

    text: str
    """What was said, as it was said."""
    match: re.Match[str]
    """Of the rule's pattern in the text in lower case without end marks."""
    said_before: str = ""
    """The last answer."""
    heard_before: str = ""
    """What the person said before."""
    all_heard: Sequence[str] = ()
    """All that the person has said, oldest first, this included."""

    def as_said(self, group: int) -> str:
        """Return a group of the match with the capitals that the person wrote."""
        found = self.match.group(group).strip()
        at = self.text.lower().find(found)
        return self.text[at : at + len(found)] if at >= 0 else found


Answer = str | Callable[[Heard], str]


def _sum(heard: Heard) -> str:
    pieces = re.split(rf"\s*({_OPERATOR})\s*", heard.match.group("sum"))
    values = [next(iter(numbers_in(piece)), 0.0) for piece in pieces[::2]]
    names, works = zip(*(_OPERATORS[piece] for piece in pieces[1::2]), strict=True)
    asked = f"{values[0]:g}" + "".join(f" {name} {value:g}" for name, value in zip(names, values[1:], strict=True))
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
    return f"{asked} is {round(values[0], 6):g}."


def _addition(heard: Heard) -> str:
    numbers = numbers_in(heard.match.group("sum"))
    return f"{' plus '.join(f'{number:g}' for number in numbers)} is {round(sum(numbers), 6):g}."


def _time(_: Heard) -> str:
    now = datetime.datetime.now()
    return f"The clock of this computer says {now.hour % 12 or 12}:{now.minute:02} {'AM' if now.hour < 12 else 'PM'}."


def _date(_: Heard) -> str:
    today = datetime.date.today()
    return f"By the clock of this computer, today is {today:%A}, {today:%B} {today.day}, {today.year}."


def _count(heard: Heard) -> str:
    numbers = [int(number) for number in numbers_in(heard.match.group())]
    first, last = (numbers[0], numbers[1]) if len(numbers) > 1 else (1, numbers[0])
    if not 0 <= first <= last or last - first >= MOST_TO_COUNT or last > 999:
        return f"I count at most {MOST_TO_COUNT} numbers, upwards, below one thousand."
    lines = [range(start, min(start + 5, last + 1)) for start in range(first, last + 1, 5)]
    return " ".join(f"{', '.join(map(in_words, line)).capitalize()}." for line in lines)


def _spell(heard: Heard) -> str:
    word = heard.as_said(1)
    return f"{word.capitalize()}: {', '.join(letter.upper() for letter in word if letter.isalnum())}."


def _remember(heard: Heard) -> str:
    return f"Hello, {_titled(heard.as_said(1))}. I shall remember your name as long as we talk."


def _name_of(heard: Heard) -> str:
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
    yield rf"\b(?:add|the sum of) (?P<sum>{_NUMBER}\s*(?:and|to) {_NUMBER})", _addition
    yield (
        r"^(?:please )?(?:can you |could you )?(?:repeat after me|say after me)\W*(.+)$",
        lambda heard: _as_sentence(heard.as_said(1)),
    )
    yield r"^(?:please )?(?:can you |could you )?spell (?:the word )?([\w']+)", _spell
    yield rf"\bcount (?:from {_NUMBER}\s*)?(?:up )?to {_NUMBER}", _count
    yield (
        r"\bwhat did (?:i|you) (?:just )?say\b",
        lambda heard: (
            (f"You said: {heard.heard_before}." if heard.heard_before else "This is the first thing that you said.")
            if " i " in heard.match.group()
            else (f"I said: {heard.said_before}" if heard.said_before else "I have not said anything yet.")
        ),
    )
    yield r"\bwhat(?:'s| is) my name\b|\bdo you (?:know|remember) my name\b|\bwho am i\b", _name_of
    yield _MY_NAME.pattern, _remember
    yield (
        r"^(?:(?:can you |please )?(?:repeat that|say (?:that |it )?again)|again|pardon)\b",
        lambda heard: heard.said_before or "I have not said anything yet.",
    )
    yield r"^(?:please )?(?:can you |could you )?(?:say|repeat)\W+(.+)$", lambda heard: _as_sentence(heard.as_said(1))
    yield r"\b(?:what (?:can|do) you do|what are you able|help|what can i (?:say|ask))\b", ABILITIES
    yield (
        r"\b(?:who|what) are you\b|\byour name\b|\bare you (?:an? )?(?:human|robot|real|ai|person|machine|computer)\b",
        "I am the local voice of this notebook: a computer program made of rules, with no language model.",
    )
    yield r"\bstor(?:y|ies)\b", STORY
    yield r"\b(?:joke|laugh|funny)\b", lambda _: random.choice(JOKES)
    yield r"\bwhat time\b|\bthe time\b|\bwhat's the time\b", _time
    yield r"\b(?:what|which) (?:day|date)\b|\b(?:today's|the) date\b|\bwhat is today\b", _date
    yield r"\b(?:flip|toss) a coin\b", lambda _: f"It is {random.choice(('heads', 'tails'))}."
    yield r"\b(?:roll|throw) (?:a|the) dic?e\b", lambda _: f"You rolled a {in_words(random.randint(1, 6))}."
    yield r"\balphabet\b", "A, B, C, D, E, F, G. H, I, J, K, L, M, N, O, P. Q, R, S, T, U, V. W, X, Y, and Z."
    yield r"\bhow are you\b|\bhow do you do\b", "I am a program, and I run well. How are you?"
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
    """Return what the first rule that fits says, or `None` if none does.

    Parameters
    ----------
    text : str
        What was said.
    said_before, heard_before : str
        The last answer, and what the person said before.
    all_heard : sequence of str
        All that the person has said, oldest first, `text` included.
    """
    text = text[:LONGEST]
    plain = re.sub(r"\s+", " ", text.lower()).strip().rstrip(".?!")
    for pattern, says in RULES:
        match = pattern.search(plain)
        if match:
            return says if isinstance(says, str) else says(Heard(text, match, said_before, heard_before, all_heard))
    return None
