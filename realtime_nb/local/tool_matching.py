"""Which tool an utterance asks for, and with which arguments: by words in common with the tool's schema.

No understanding is involved. A tool is chosen when the utterance shares its name's words (2 points each) or its
description's, enum values' and examples' (1 point each, less if several tools have them); arguments are picked by type
in `tool_slots`. Too few points choose no tool: a wrong call is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .tool_slots import fill

_STOP_WORDS = frozenset(
    """a an and are as at be by can could current currently do does for from get give given has have hello hi how i if
    in into is it its let like make me my need new now of off on one or out please read return returns right say set
    show some tell than thank that the them then there this to tool up us use user uses using value want was what
    when where whether which will with would you your""".split()
)
# Words that people say for words that schemas use.
_SYNONYMS = {
    word: meant
    for meant, words in {
        "weather": "rain raining rainy sunny snow forecast temperature umbrella",
        "light": "lamp lights lamps bulb",
        "order": "buy purchase",
        "email": "mail",
        "alarm": "wake",
        "timer": "countdown",
        "play": "listen",
        "appointment": "meeting",
        "search": "find look lookup",
    }.items()
    for word in words.split()
}
_ENOUGH = 2.0


@dataclass(frozen=True)
class Wish:
    """A tool that is wanted, with the arguments that are known."""

    tool: dict[str, Any]
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def missing(self) -> str | None:
        """The first required parameter that is not known."""
        required = self.tool.get("parameters", {}).get("required", [])
        return next((name for name in required if name not in self.arguments), None)

    @property
    def question(self) -> str:
        """What to ask for the missing parameter."""
        name = self.missing or ""
        schema = self.tool.get("parameters", {}).get("properties", {}).get(name, {})
        spoken = " ".join(split_words(name))
        if "enum" in schema:
            choices = [str(choice) for choice in schema["enum"]]
            listed = choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"
            return f"Which {spoken}: {listed}?"
        if schema.get("type") == "boolean":
            return f"{spoken.capitalize()}: yes or no?"
        counted = schema.get("type") in ("integer", "number")
        return f"{'How many' if counted and spoken.endswith('s') else 'What'} {spoken}, please?"


def split_words(text: str) -> list[str]:
    """Return the words of a text or an identifier: "get_currentWeather" has three."""
    return re.findall(r"[a-z]+|\d+", re.sub(r"([a-z])([A-Z])", r"\1 \2", text).lower())


def stems(text: str) -> set[str]:
    """Return the words that carry meaning, without their endings."""
    found = set()
    for word in split_words(text):
        for said in {word, _SYNONYMS.get(word, word)} - _STOP_WORDS:
            found.add(_stem(said))
    return found


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "es", "ed", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def choose(utterance: str, tools: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the tool that the utterance asks for, if any."""
    said = stems(utterance)
    vocabularies = [_vocabulary(tool) for tool in tools]
    best, most = None, 0.0
    for tool, vocabulary in zip(tools, vocabularies, strict=True):
        name = stems(tool["name"])
        shared = {word: sum(word in other for other in vocabularies) for word in said & vocabulary}
        score = sum((2.0 if word in name else 1.0) / count for word, count in shared.items())
        # "Forecast for Berlin": one word of two is the tool's own.
        if score >= 1 and len(said) <= 2 and len(shared) * 2 >= len(said):
            score = max(score, _ENOUGH)
        if score >= _ENOUGH and score > most:
            best, most = tool, score
    return best


def _vocabulary(tool: dict[str, Any]) -> set[str]:
    words = stems(tool["name"]) | stems(tool.get("description", ""))
    for schema in tool.get("parameters", {}).get("properties", {}).values():
        for value in (*schema.get("enum", ()), *schema.get("examples", ())):
            words |= stems(str(value))
    return words


def wish(utterance: str, tools: Sequence[dict[str, Any]], required: str | None = None) -> Wish | None:
    """Return the tool that an utterance asks for, with the arguments that it gives.

    Parameters
    ----------
    utterance : str
        What was said.
    tools : sequence of dict
        Functions in the API's shape.
    required : str, optional
        The function that has to be called, or ``"*"`` if any has to.
    """
    tool = next((tool for tool in tools if tool["name"] == required), None) or choose(utterance, tools)
    if tool is None and required and tools:
        tool = tools[0]
    return Wish(tool, fill(utterance, tool.get("parameters", {}))) if tool else None


def answered(asked: Wish, utterance: str) -> Wish:
    """Return a wish with what the answer to its question adds."""
    parameters = asked.tool.get("parameters", {})
    given = fill(utterance, parameters, asked=asked.missing)
    return Wish(asked.tool, {**given, **asked.arguments})
