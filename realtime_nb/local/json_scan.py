"""How many values there are in a JSON text, found without holding the interpreter for long; and how deep they lie.

A parser in C lets no other thread run until it is done. That takes 20 ms for 20 MB of base64, but ten times as long for
20 MB of small objects, and everybody who talks would hear it. So the values are counted before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

#: Of one body or message; parsing that many takes 10 ms. The API's own limits of messages and tools are far below.
MOST_VALUES = 100_000
#: Arrays and objects inside each other. The schema of a tool needs two a level, and the API takes ten levels of it.
MOST_DEPTH = 100
_AT_ONCE = 1 << 20
_BACKSLASH = ord("\\")


def count_values(text: bytes | bytearray, most: int) -> int:
    """Return how many values a JSON text holds, about, or any number above `most` if there are more than that."""
    values = at = 0
    while values <= most:
        quote = text.find(b'"', at)
        values += 1 + _marks(text, at, len(text) if quote < 0 else quote)
        at = 0 if quote < 0 else _end_of_string(text, quote + 1)
        if not at:
            break
    return values


def is_too_deep(data: Any) -> bool:
    """Whether arrays and objects lie in each other more than `MOST_DEPTH` deep, which no later reader could follow."""
    level = [data]
    for _ in range(MOST_DEPTH):
        level = [inner for value in level for inner in _inside(value) if isinstance(inner, dict | list)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _marks(text: bytes | bytearray, start: int, end: int) -> int:
    """Count what parts or opens values; there is no string between `start` and `end`."""
    marks = 0
    for at in range(start, end, _AT_ONCE):
        window = at, min(end, at + _AT_ONCE)
        marks += text.count(b",", *window) + text.count(b"{", *window) + text.count(b"[", *window)
    return marks


def _end_of_string(text: bytes | bytearray, at: int) -> int:
    """Return where a string that begins at `at` is over; 0 if it never is."""
    while True:
        quote = text.find(b'"', at)
        if quote < 0:
            return 0
        escape = quote
        while text[escape - 1] == _BACKSLASH and escape > at:
            escape -= 1
        at = quote + 1
        if (quote - escape) % 2 == 0:
            return at
