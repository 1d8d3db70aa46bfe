"""Read text files from other programs, whatever their encoding and line ends.

Floor 0.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from .errors import RealtimeError, SettingsError
from .files import missing

_LINE_END = re.compile(r"\r\n|\r|\n")
_NEVER_WRITTEN = re.compile(rb"\0{8,}")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_CURE = "save it as UTF-8 in the program that made it"


def read_text(path: Path, error: type[RealtimeError] = SettingsError, *, is_log: bool = False) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 if it has a byte order mark.

    `error`: the type of the error if the file cannot be read; the message names the file, the place, and the way out.
    `is_log`: whether a program that was killed may have written the file. Half a character at its end is then left out,
    as are the zeros that file systems put where nothing was written.
    """
    try:
        data = path.read_bytes()
    except OSError as problem:
        if not path.is_file():
            raise error(missing(path)) from None
        raise error(f"{str(path)!r} cannot be read: {problem.strerror or problem}") from None
    return decode_text(data, repr(str(path)), error, is_log=is_log)


def decode_text(data: bytes, name: str, error: type[RealtimeError], *, is_log: bool = False) -> str:
    """Return the text of the bytes of a file; see `read_text`."""
    if data.startswith(_UTF32):
        raise error(f"{name} is in UTF-32, which is not read: {_CURE}")
    encoding = "utf-16" if data.startswith(_UTF16) else "utf-8-sig"
    data = _NEVER_WRITTEN.sub(b"", data) if is_log else data
    if encoding == "utf-8-sig" and _is_wide(data[:4_096]):
        raise error(f"{name} looks like UTF-16 or UTF-32 without a byte order mark: {_CURE}")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as problem:
        if is_log and problem.reason in ("unexpected end of data", "truncated data"):
            text = data[: problem.start].decode(encoding)
        else:
            raise error(_wrong(data, problem, name, encoding)) from None
    if "\0" in text and not is_log:
        raise error(f"{name}, {_place(text[: text.index(chr(0))])}: a zero byte is not text: {_CURE}")
    return text.lstrip("\ufeff")


def _is_wide(data: bytes) -> bool:
    """Return whether text may have two or four bytes a character: in Western text all but one of these are zero."""
    fewer, more = sorted((data[::2].count(0), data[1::2].count(0)))
    return len(data) % 2 == 0 and more * 8 > len(data) and (fewer * 8 < more or more * 2 == len(data))


def _wrong(data: bytes, problem: UnicodeDecodeError, name: str, encoding: str) -> str:
    place = _place(data[: problem.start].decode(encoding))
    if encoding == "utf-16":
        return f"{name}, {place}: this is not UTF-16, although the file begins like it: {_CURE}"
    return (
        f"{name}, {place}: the byte 0x{data[problem.start]:02X} is not UTF-8. The file may be in Latin-1, Windows-1252 "
        f"or another encoding: {_CURE}"
    )


def _place(before: str) -> str:
    lines = split_lines(before)
    return f"line {len(lines)}, character {len(lines[-1].lstrip(chr(0xFEFF))) + 1}"


def split_lines(text: str) -> list[str]:
    """Return the lines of a text, which end with CR, LF or both.

    `str.splitlines` also splits at U+2028, U+0085, form feeds and others, which may stand in a line of JSON or prose.
    """
    return _LINE_END.split(text)
