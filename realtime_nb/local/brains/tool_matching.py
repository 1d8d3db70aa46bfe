"""Which tool an utterance asks for, and with which arguments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .rules import in_digits, numbers_in

# --- A tool's arguments, picked from the words of an utterance by the types in the tool's schema ----------------------

_ON = re.compile(r"\b(on|true|yes|yeah|yep|enable|enabled|open|sure|ok|okay|right)\b")
_OFF = re.compile(r"\b(off|false|no|nope|not|disable|disabled|close|closed|never|without)\b|n't\b")
_FILLERS = re.compile(
    r"^(?:(?:it is|it's|its|i'd like|i would like|i want|make it|that would be|let's say|the|a|an|um|uh|well|yes|in|"
    r"for|to|at|called|named)\s+)+|[\s,]*\bplease\b[\s,]*|[.?!,]+$",
    re.I,
)
# A phrase ends where another begins.
_PHRASE_END = r"(?=$|[.?!,;]|\s+(?:please|and|in|for|to|at|on|from|with|by|called|named|today|tomorrow|tonight|now)\b)"
_AFTER = {
    "place": r"(?:in|for|at|near|to|from)",
    "name": r"(?:called|named|to|for|with|of)",
    "content": r"(?:for|about|saying|that says|that|called|say|search|play|find|to)",
}
_PLACES = (
    "city",
    "location",
    "place",
    "town",
    "country",
    "destination",
    "origin",
    "address",
    "where",
    "room",
    "region",
)
_CONTENTS = ("query", "text", "message", "question", "content", "topic", "title", "song", "body", "subject", "term")
_NUMBERED = ("id", "number", "code", "zip", "phone", "order")
_TIMES = ("time", "when", "start", "end", "begin", "until", "hour")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DIGIT = r"(?:\d|zero|oh|one|two|three|four|five|six|seven|eight|nine)"
_SPELLED_CODE = re.compile(rf"\b{_DIGIT}(?:[\s-]+{_DIGIT})+\b", re.I)
_CLOCK = re.compile(r"\b(\d{1,2})(?::(\d{2})|\s+(\d{2})\b|\s*(?=[ap]\.?m\b|o'clock))\s*(?:([ap])\.?m\b)?", re.I)
_PAST = re.compile(r"\b(half|quarter|a quarter) (past|to) (\d{1,2})\b(?:\s*([ap])\.?m\b)?", re.I)
_NAMED_TIMES = {"noon": "12:00", "midday": "12:00", "midnight": "00:00"}


def fill(utterance: str, parameters: dict[str, Any], *, asked: str | None = None) -> dict[str, Any]:
    """Return the arguments that an utterance gives."""
    arguments: dict[str, Any] = {}
    numbers = numbers_in(utterance)
    for name, schema in parameters.get("properties", {}).items():
        if not isinstance(schema, dict):
            continue
        schema = _of_one_kind(schema)
        value = _value(name, schema, utterance, numbers)
        if value is None and name == asked and schema.get("type", "string") == "string" and "enum" not in schema:
            value = _as_name(name, _FILLERS.sub("", utterance.strip()).strip()) or None
        if value is not None:
            arguments[name] = value
    return arguments


def _of_one_kind(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the first kind that is not null, for a schema of several kinds, such as an optional parameter."""
    kinds = schema.get("anyOf")
    if not isinstance(kinds, list):
        return schema
    kind = next((each for each in kinds if isinstance(each, dict) and each.get("type") != "null"), {})
    return {**schema, **kind}


def _value(name: str, schema: dict[str, Any], utterance: str, numbers: list[float]) -> Any:
    kind = schema.get("type", "string")
    if isinstance(kind, list):
        kind = next((other for other in kind if other != "null"), "string")
    if "enum" in schema:
        return next(iter(_mentioned(schema["enum"], utterance)), None)
    if kind in ("integer", "number"):
        if kind == "integer" and _is_called(name, _NUMBERED) and (spelled := _SPELLED_CODE.search(utterance)):
            return int(_joined(spelled.group()))
        if not numbers:
            return None
        number = numbers.pop(0)
        return int(number) if kind == "integer" or number == int(number) else number
    if kind == "boolean":
        return False if _OFF.search(utterance.lower()) else True if _ON.search(utterance.lower()) else None
    if kind == "array":
        items = schema.get("items")
        return _values(name, items if isinstance(items, dict) else {}, utterance, numbers)
    return _string(name, schema, utterance, numbers) if kind == "string" else None


def _values(name: str, schema: dict[str, Any], utterance: str, numbers: list[float]) -> list[Any] | None:
    if isinstance(schema.get("enum"), list):
        return _mentioned(schema["enum"], utterance) or None
    if schema.get("type") in ("integer", "number"):
        taken, numbers[:] = list(numbers), []
        return [int(number) if number == int(number) else number for number in taken] or None
    found = _string(name, schema, utterance, numbers)
    return [found] if found else None


def _mentioned(choices: list[Any], utterance: str) -> list[Any]:
    """Return the choices that occur in an utterance, in its order."""
    said = f" {_plain(utterance)} "
    found = [(said.find(f" {_plain(str(choice))} "), choice) for choice in choices if choice is not None]
    return [choice for at, choice in sorted(found, key=lambda pair: pair[0]) if at >= 0]


def _plain(text: str) -> str:
    """Write a text in lower case with its numbers in digits: people say "two", and some recognisers write "2"."""
    text = _THOUSANDS.sub("", in_digits(text.lower())).replace("'", "")
    return " ".join(re.findall(r"[a-z0-9]+", text))


def _is_called(name: str, words: Sequence[str]) -> bool:
    return bool(set(name.lower().split("_")) & set(words))


def _joined(spelled: str) -> str:
    """Return a number that was said digit by digit: "four oh 7 1" is "4071"."""
    return re.sub(r"\D", "", in_digits(re.sub(r"\boh\b", "0", spelled.lower())))


def _code(utterance: str) -> str | None:
    """Return a number that is a name, such as an order's, as it was said: "A-17", "1001"."""
    if spelled := _SPELLED_CODE.search(utterance):
        return _joined(spelled.group())
    found = re.search(r"\b(?:[A-Za-z]+-?)?\d[\w-]*", _THOUSANDS.sub("", utterance))
    return found.group().rstrip("-") if found else None


def _time_of_day(utterance: str) -> str | None:
    """Return a time as H:MM: "half past ten" is "10:30". With "am" or "pm" it has 24 hours: "7 p.m." is "19:00"."""
    text = in_digits(utterance.replace("’", "'"))
    if named := next((at for word, at in _NAMED_TIMES.items() if re.search(rf"\b{word}\b", text, re.I)), None):
        return named
    if found := _PAST.search(text):
        amount, side, hour, half = found.groups()
        minutes = 30 if amount.lower() == "half" else 15
        at = int(hour) * 60 + (minutes if side.lower() == "past" else -minutes)
        return _clock_text(at // 60, at % 60, half)
    if found := _CLOCK.search(text):
        hour, colon, apart, half = found.groups()
        return _clock_text(int(hour), int(colon or apart or 0), half)
    return None


def _clock_text(hour: int, minute: int, half: str | None) -> str | None:
    if half:
        hour = hour % 12 + (12 if half.lower() == "p" else 0)
    return f"{hour}:{minute:02}" if 0 <= hour < 24 and minute < 60 else None


def _string(name: str, schema: dict[str, Any], utterance: str, numbers: list[float]) -> str | None:
    quoted = re.search(r"[\"“]([^\"”]+)[\"”]", utterance)
    if quoted:
        return quoted.group(1)
    examples = _mentioned(list(schema.get("examples", ())), utterance)
    if examples:
        return str(examples[0])
    if _is_called(name, _NUMBERED):
        return _code(utterance) or (f"{numbers.pop(0):.0f}" if numbers else None)
    if (schema.get("format") == "time" or _is_called(name, _TIMES)) and (time := _time_of_day(utterance)):
        return time
    kind = "place" if _is_called(name, _PLACES) else "content" if _is_called(name, _CONTENTS) else "name"
    end = r"(?=$|[.?!;])" if kind == "content" else _PHRASE_END
    found = re.search(rf"\b{_AFTER[kind]}\s+((?:the\s+)?\S.*?){end}", utterance.strip(), re.I)
    return _as_name(name, _FILLERS.sub("", found.group(1)).strip()) or None if found else None


def _as_name(parameter: str, value: str) -> str:
    """Write a place or a person with capitals, which recognisers leave out."""
    is_name = set(parameter.lower().split("_")) & {*_PLACES, "name", "person", "recipient", "contact"}
    return value.title() if is_name and value.islower() else value


# --- Which tool an utterance asks for, and with which arguments: by words in common with the tool's schema ------------
#
# No understanding is involved. A tool is chosen when the utterance shares its name's words (2 points each) or its
# description's, enum values' and examples' (1 point each, less if several tools have them); arguments are picked by
# type in `tool_slots`. Too few points choose no tool: a wrong call is worse than none.

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
    """The tool that the person wants, with the arguments that are known."""

    tool: dict[str, Any]
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def missing(self) -> str | None:
        """The first required parameter that is not known."""
        required = self.tool.get("parameters", {}).get("required", [])
        return next((name for name in required if name not in self.arguments), None)

    @property
    def question(self) -> str:
        """The question for the missing parameter."""
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
    for word in split_words(re.sub(r"(?:n['’]t|['’](?:s|re|ll|d|ve|m))\b", "", text)):
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
    """Return the tool that an utterance asks for, with the arguments that it gives."""
    tool = next((tool for tool in tools if tool["name"] == required), None) or choose(utterance, tools)
    if tool is None and required and tools:
        tool = tools[0]
    return Wish(tool, fill(utterance, tool.get("parameters", {}))) if tool else None


def answered(asked: Wish, utterance: str) -> Wish:
    """Return a wish, completed by the answer to its question."""
    parameters = asked.tool.get("parameters", {})
    given = fill(utterance, parameters, asked=asked.missing)
    return Wish(asked.tool, {**given, **asked.arguments})
