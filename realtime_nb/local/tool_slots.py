"""A tool's arguments, picked from the words of an utterance by the types in the tool's schema."""

from __future__ import annotations

import re
from typing import Any

from .numbers import numbers_in

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


def fill(utterance: str, parameters: dict[str, Any], *, asked: str | None = None) -> dict[str, Any]:
    """Return the arguments that an utterance gives.

    Parameters
    ----------
    utterance : str
        What was said.
    parameters : dict
        JSON schema of an object.
    asked : str, optional
        The parameter that was asked for: the whole utterance may be its value.
    """
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
    """Return a schema that may be of several kinds, as optional parameters are, as the first that is not null."""
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
    return " ".join(re.findall(r"[a-z0-9]+", text.lower().replace("'", "")))


def _string(name: str, schema: dict[str, Any], utterance: str, numbers: list[float]) -> str | None:
    quoted = re.search(r"[\"“]([^\"”]+)[\"”]", utterance)
    if quoted:
        return quoted.group(1)
    examples = _mentioned(list(schema.get("examples", ())), utterance)
    if examples:
        return str(examples[0])
    words = name.lower().split("_")
    if any(word in _NUMBERED for word in words):
        digits = re.search(r"\b(?:[A-Za-z]+-?)?\d[\w-]*", utterance)
        return digits.group() if digits else f"{numbers.pop(0):g}" if numbers else None
    kind = "place" if set(words) & set(_PLACES) else "content" if set(words) & set(_CONTENTS) else "name"
    end = r"(?=$|[.?!;])" if kind == "content" else _PHRASE_END
    found = re.search(rf"\b{_AFTER[kind]}\s+((?:the\s+)?\S.*?){end}", utterance.strip(), re.I)
    return _as_name(name, _FILLERS.sub("", found.group(1)).strip()) or None if found else None


def _as_name(parameter: str, value: str) -> str:
    """Write a place or a person with capitals, as a recogniser does not."""
    is_name = set(parameter.lower().split("_")) & {*_PLACES, "name", "person", "recipient", "contact"}
    return value.title() if is_name and value.islower() else value
