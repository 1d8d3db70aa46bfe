"""How many values there are in a JSON text, found without holding the interpreter for long.

A parser in C lets no other thread run until it is done. That takes 20 ms for 20 MB of base64, but ten times as long for
20 MB of small objects, and everybody who talks would hear it. So the values are counted before.
"""

from __future__ import annotations

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
