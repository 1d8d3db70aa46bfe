"""Read messages that do not quite follow the protocol, as far as possible, and describe the rest.

`null` counts as absent. A field of the wrong type is dropped, or read as what it clearly means: a number as its digits,
a text in place of an error as its message, an object in place of its JSON. Elements of a list that cannot be read are
dropped one by one. A missing required field gets an empty text, or zero.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from msgspec import Struct, inspect

from .items import Content, ErrorDetail, Item, StatusDetails
from .local_events import Remarked

#: How to read a text in place of one of these.
_OF_TEXT: dict[type, Callable[[str], dict[str, Any]]] = {
    ErrorDetail: lambda text: {"message": text},
    StatusDetails: lambda text: {"type": "", "reason": text},
    Content: lambda text: {"type": "text", "text": text},
}
#: Fields with JSON in a text; some servers send the value itself.
_JSON_TEXTS = ("arguments", "output")
#: Fields, apart from ids, in which a number clearly means its digits; spoken words are not among them.
_LABELS = ("name", "message", "code", "param", "speaker", "voice")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_SHOWN = 24
#: Larger integers lose digits in other programs, and nothing in a session is so large.
_LARGEST = 2**53
#: JSON that is nested more deeply is neither a setting nor a usage, and code that walks it would fail.
_DEEPEST = 100
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ABSENT: Any = object()


def parse(message: str | bytes, odd: set[str]) -> Any:
    """Read JSON as leniently as possible: NaN and infinite numbers become null, half UTF-16 pairs stay for now.

    `odd`: gets a description of what was changed.

    Raises `ValueError` if it is not JSON, and `RecursionError` if it is nested too deeply.
    """
    if isinstance(message, bytes | bytearray | memoryview):
        data = bytes(message)
        try:
            message = data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            odd.add("bytes that are not UTF-8 became U+FFFD")
            message = data.decode("utf-8", "replace")

    def number(digits: str) -> int | float | None:
        value = float(digits)
        if not math.isfinite(value) or abs(value) > _LARGEST:
            odd.add("a number that is not finite, or far too large, was taken for null")
            return None
        return int(digits) if digits.lstrip("-").isdigit() else value

    text = message.removeprefix("\ufeff")
    return json.loads(text, strict=False, parse_constant=number, parse_float=number, parse_int=number)


def is_deep(message: str | bytes) -> bool:
    """Return whether JSON is nested more deeply than any event; quick for short messages."""
    if isinstance(message, str):
        brackets = message.count("{") + message.count("[")
    else:
        brackets = message.count(b"{") + message.count(b"[")
    if brackets <= _DEEPEST:
        return False
    text = message if isinstance(message, str) else message.decode("utf-8", "replace")
    level = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", _STRING.sub("", text)):
        level += 1 if bracket in "[{" else -1
        deepest = max(deepest, level)
    return deepest > _DEEPEST


def well_formed(text: str) -> str:
    """Join the halves of UTF-16 pairs; a lone half becomes U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if _SURROGATE.search(text) else text


def decode_base64(text: str) -> bytes | None:
    """Decode base64 of any kind, including url-safe, unpadded, or broken into lines; `None` if it is not base64."""
    digits = "".join(text.rpartition("base64,")[2].split()).translate(_STANDARD).rstrip("=")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def is_plain_base64(text: str) -> bool:
    """Return whether a text is base64 as the API writes it; most readers refuse any other kind."""
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


_STANDARD = str.maketrans("-_", "+/")
#: The remark on any other kind.
ODD_BASE64 = "was base64 that is url-safe, unpadded or broken into lines, and was decoded"


class Mender:
    """Makes an event from JSON that is not quite right; remarks on it name the event's type, `name`."""

    def __init__(self, name: str):
        self._name = name
        self.remarks: list[Remarked] = []
        """Remarks on what was dropped or repaired."""

    def mended(self, kind: type[Struct], tree: dict[str, Any]) -> Any:
        """Return an event of a kind, whatever its fields hold."""
        return self._object(kind, tree, "")

    def clean(self, tree: Any) -> Any:
        """Return JSON without half UTF-16 pairs."""
        return self._clean(tree, "a text")

    def remark(self, where: str, text: str) -> None:
        """Add a remark on a field, once."""
        kind = f"{self._name}: {where}"
        if all(each.kind != kind for each in self.remarks):
            self.remarks.append(Remarked(text=f"{self._name}: {text}", kind=kind))

    # --- inside ---

    def _object(self, kind: type[Struct], tree: dict[str, Any], where: str) -> Any:
        tree = _guessed(kind, tree)
        fields: dict[str, Any] = {}
        for field in _fields(kind):
            name = field.encode_name
            path = f"{where}.{name}".lstrip(".")
            value = self._value(field.type, tree[name], path) if tree.get(name) is not None else _ABSENT
            if value is _ABSENT and name in tree and _takes_none(field.type):
                value = None
            if value is _ABSENT:
                if not field.required:
                    continue
                if tree.get(name) is None:
                    self.remark(path, f"{path!r} is missing")
                value = self._stand_in(field.type, path)
            fields[field.name] = value
        return kind(**fields)

    def _value(self, kind: inspect.Type, value: Any, path: str) -> Any:
        """Return a value of the right type; `_ABSENT`, with a remark, if it cannot be read."""
        found = self._read(kind, value, path)
        if found is _ABSENT:
            self.remark(path, f"{path!r} was {_described(value)}, and was dropped")
        return found

    def _read(self, kind: inspect.Type, value: Any, path: str) -> Any:
        if isinstance(kind, inspect.UnionType):
            return self._one_of(kind, value, path)
        if isinstance(kind, inspect.StructType):
            if isinstance(value, str) and kind.cls in _OF_TEXT:
                self.remark(path, f"{path!r} was a text in place of an object, and was taken for what it says")
                value = _OF_TEXT[kind.cls](value)
            return self._object(kind.cls, value, path) if isinstance(value, dict) else _ABSENT
        if isinstance(kind, inspect.ListType):
            return self._list(kind, value, path)
        if isinstance(kind, inspect.DictType):
            return self._clean(value, path) if isinstance(value, dict) else self._dict_of(value, path)
        if isinstance(kind, inspect.AnyType):
            return self._clean(value, path)
        if isinstance(kind, inspect.StrType):
            return self._text(value, path)
        if isinstance(kind, inspect.BytesType):
            return self._bytes(value, path)
        if isinstance(kind, inspect.IntType | inspect.FloatType):
            return self._number(kind, value, path)
        return value if isinstance(kind, inspect.BoolType) and isinstance(value, bool) else _ABSENT

    def _one_of(self, kind: inspect.UnionType, value: Any, path: str) -> Any:
        members = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
        members.sort(key=lambda each: not isinstance(value, _JSON_TYPES.get(type(each), ())))
        for member in members:
            if (found := self._read(member, value, path)) is not _ABSENT:
                return found
        return _ABSENT

    def _list(self, kind: inspect.ListType, value: Any, path: str) -> Any:
        if isinstance(value, str | dict) and isinstance(kind.item_type, inspect.StructType):
            self.remark(path, f"{path!r} was {_described(value)} in place of a list of them")
            value = [value]
        if not isinstance(value, list):
            return _ABSENT
        found = (self._value(kind.item_type, each, f"{path}[]") for each in value if each is not None)
        return [each for each in found if each is not _ABSENT]

    def _dict_of(self, value: Any, path: str) -> Any:
        if isinstance(value, str) and value and path.rpartition(".")[2] == "error":
            self.remark(path, f"{path!r} was a text in place of an object, and was taken for what it says")
            return {"message": well_formed(value)}
        return _ABSENT

    def _text(self, value: Any, path: str) -> Any:
        name = path.rpartition(".")[2]
        if isinstance(value, str):
            return self._clean(value, path)
        if isinstance(value, dict | list) and name in _JSON_TEXTS:
            self.remark(path, f"{path!r} was {_described(value)} in place of its JSON, and was written as such")
            return json.dumps(self._clean(value, path), ensure_ascii=False)
        if isinstance(value, int | float) and not isinstance(value, bool) and (name.endswith("id") or name in _LABELS):
            self.remark(path, f"{path!r} was the number {value} in place of a text, and was taken for its digits")
            return str(value)
        return _ABSENT

    def _bytes(self, value: Any, path: str) -> Any:
        found = decode_base64(value) if isinstance(value, str) else None
        if found is None:
            return _ABSENT
        if not is_plain_base64(value):
            self.remark(path, f"{path!r} {ODD_BASE64}")
        return found

    def _number(self, kind: inspect.IntType | inspect.FloatType, value: Any, path: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return _ABSENT
        try:
            number = float(value)
        except ValueError:
            return _ABSENT
        if not math.isfinite(number) or (kind.ge is not None and number < kind.ge):
            return _ABSENT
        if kind.le is not None and number > kind.le:
            return _ABSENT
        if not isinstance(value, int | float) or (isinstance(kind, inspect.IntType) and number != int(number)):
            self.remark(path, f"{path!r} was {_described(value)}, and was taken for a number")
        return round(number) if isinstance(kind, inspect.IntType) else number

    def _clean(self, value: Any, path: str, level: int = 0) -> Any:
        """Return JSON without half UTF-16 pairs; they stay in a delta, because the other half may follow."""
        if isinstance(value, dict | list) and level >= _DEEPEST:
            self.remark(f"{path} deep", f"{path!r} was nested more than {_DEEPEST} levels deep, and was cut there")
            return None
        if isinstance(value, dict):
            return {well_formed(key): self._clean(each, path, level + 1) for key, each in value.items()}
        if isinstance(value, list):
            return [self._clean(each, path, level + 1) for each in value]
        if not isinstance(value, str) or not _SURROGATE.search(value):
            return value
        if path == "delta":
            return value
        clean = well_formed(value)
        if "\ufffd" in clean:
            self.remark(f"{path} surrogate", f"half a UTF-16 pair in {path!r} became U+FFFD")
        return clean

    def _stand_in(self, kind: inspect.Type, path: str) -> Any:
        if _takes_none(kind):
            return None
        if isinstance(kind, inspect.UnionType):
            kind = kind.types[0]
        if isinstance(kind, inspect.StructType):
            return Mender(self._name).mended(kind.cls, {})
        return _STAND_INS[type(kind)]()


_STAND_INS: dict[type, Callable[[], Any]] = {
    inspect.StrType: str,
    inspect.BytesType: bytes,
    inspect.IntType: int,
    inspect.FloatType: float,
    inspect.BoolType: bool,
    inspect.ListType: list,
    inspect.DictType: dict,
    inspect.AnyType: lambda: None,
}
_JSON_TYPES: dict[type, Any] = {
    inspect.StrType: str,
    inspect.BytesType: str,
    inspect.IntType: int,
    inspect.FloatType: int | float,
    inspect.BoolType: bool,
    inspect.ListType: list,
    inspect.DictType: dict,
    inspect.StructType: dict,
}


@cache
def _fields(kind: type[Struct]) -> tuple[inspect.Field, ...]:
    about = inspect.type_info(kind)
    assert isinstance(about, inspect.StructType)
    return about.fields


def _takes_none(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.NoneType) or (
        isinstance(kind, inspect.UnionType) and any(isinstance(each, inspect.NoneType) for each in kind.types)
    )


def _guessed(kind: type[Struct], tree: dict[str, Any]) -> dict[str, Any]:
    """Add the type of an item or a part that has none."""
    if kind not in (Item, Content) or isinstance(tree.get("type"), str):
        return tree
    if kind is Content:
        return tree | {"type": "audio" if tree.get("audio") or tree.get("transcript") else "text" if tree else ""}
    if tree.get("call_id"):
        return tree | {"type": "function_call_output" if tree.get("output") else "function_call"}
    return tree | {"type": "message"}


def _described(value: Any) -> str:
    if isinstance(value, str):
        is_word = len(value) <= _LONGEST_SHOWN and not any(map(str.isdigit, value))  # Neither a key nor sound.
        return f"the text {value!r}" if is_word else "a text"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a list" if isinstance(value, list) else "an object"
