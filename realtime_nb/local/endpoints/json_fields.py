"""Read the fields of a JSON object one by one, with the API's errors where they are wrong."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from ..api_errors import ApiError, invalid_type, invalid_value, missing_parameter, unsupported_value

#: How deep arrays and objects may be nested. A tool's schema has two for each level, and may have ten levels.
MOST_DEPTH = 100


def is_too_deep(data: Any) -> bool:
    """Return whether arrays and objects are nested more than `MOST_DEPTH` deep, too deep for recursive functions."""
    level = [data] if isinstance(data, dict | list) else []
    for _ in range(MOST_DEPTH):
        inside = (inner for value in level for inner in (value.values() if isinstance(value, dict) else value))
        level = [inner for inner in inside if isinstance(inner, dict | list)]
    return bool(level)


_REQUIRED = object()


class Fields:
    """A JSON object, and its path in the request.

    Methods take the name of a field and a default for when it is missing or null. Without a default, the field is
    required.
    """

    def __init__(self, data: Any, path: str = ""):
        if not isinstance(data, dict):
            raise invalid_type(path or "body", "an object", data)
        self.data: dict[str, Any] = data
        self._path = path

    def at(self, name: str) -> str:
        """Return the path of a field."""
        return f"{self._path}.{name}" if self._path else name

    def has(self, name: str) -> bool:
        """Return whether a field exists and is not null."""
        return self.data.get(name) is not None

    def text(self, name: str, default: Any = _REQUIRED) -> Any:
        """Return a string."""
        return self._typed(name, default, str, "a string")

    def boolean(self, name: str, default: Any = _REQUIRED) -> Any:
        """Return a boolean."""
        return self._typed(name, default, bool, "a boolean")

    def one_of(self, name: str, values: Sequence[str], default: Any = _REQUIRED) -> Any:
        """Return a string that is one of `values`."""
        value = self.text(name, default)
        if self.has(name) and value not in values:
            raise unsupported_value(self.at(name), value, values)
        return value

    def number(self, name: str, default: Any = _REQUIRED, *, least: float, most: float) -> Any:
        """Return a number within bounds."""
        return self._bounded(name, self._typed(name, default, (int, float), "a decimal"), least, most)

    def integer(self, name: str, default: Any = _REQUIRED, *, least: int, most: int) -> Any:
        """Return a whole number within bounds."""
        return self._bounded(name, self._typed(name, default, int, "an integer"), least, most)

    def fields(self, name: str) -> Fields:
        """Return an object."""
        return Fields(self._value(name, _REQUIRED), self.at(name))

    def array(self, name: str, default: Any = _REQUIRED) -> Any:
        """Return an array."""
        return self._typed(name, default, list, "an array")

    def objects(self, name: str, default: Any = _REQUIRED) -> Iterator[Fields]:
        """Yield the objects of an array."""
        for index, item in enumerate(self.array(name, default)):
            yield Fields(item, f"{self.at(name)}[{index}]")

    def _value(self, name: str, default: Any) -> Any:
        if self.has(name):
            return self.data[name]
        if default is _REQUIRED:
            raise missing_parameter(self.at(name))
        return default

    def _typed(self, name: str, default: Any, kind: type | tuple[type, ...], expected: str) -> Any:
        value = self._value(name, default)
        is_typed = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))  # A boolean is an `int`.
        if self.has(name) and not is_typed:
            raise invalid_type(self.at(name), expected, value)
        return value

    def _bounded(self, name: str, value: Any, least: float, most: float) -> Any:
        if self.has(name) and not (least <= value <= most and math.isfinite(value)):
            raise invalid_value(self.at(name), f"expected a value from {least} to {most}, but got {value}")
        return value


def without_nulls(data: dict[str, Any], *, values: Collection[str] = ()) -> dict[str, Any]:
    """Return an object without its null fields, at any depth, except those in `values`: null means absent."""
    return {
        name: value if name in _FREE else _inner(value, values)
        for name, value in data.items()
        if value is not None or name in values or name in _FREE_VALUES
    }


# In these fields of a schema null is a value, and so it is inside them and inside the client's own maps.
_FREE_VALUES = frozenset(("default", "const"))
_FREE = _FREE_VALUES | {"enum", "examples", "metadata", "variables"}


def _inner(value: Any, values: Collection[str]) -> Any:
    if isinstance(value, dict):
        return without_nulls(value, values=values)
    return [_inner(item, values) for item in value] if isinstance(value, list) else value


def model_of(fields: Fields) -> str:
    """Return the model that a request names; raises `ApiError` if it names none."""
    if not fields.has("model") or fields.data["model"] == "":
        raise ApiError("you must provide a model parameter", param="model")
    return str(fields.text("model"))
