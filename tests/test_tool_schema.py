from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal

import pytest
from pydantic import Field

from realtime_nb.errors import SettingsError
from realtime_nb.tools import tool


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass
class Address:
    city: str
    zip_code: str = ""


@dataclass
class Tree:
    name: str
    children: list[Tree]


def properties(function):
    return tool(function).parameters["properties"]


def order(
    number: Annotated[int, Field(ge=1)],
    size: Size,
    to: Address,
    paid: bool = False,
    unit: Literal["kg", "lb"] = "kg",
    note: str | None = None,
    copies: int = Field(2, le=9),
    schema: list[str] = (),
):
    """Order a thing.

    It comes by post.

    Parameters
    ----------
    number, note : int
        What is
        printed on it.
    size : Size
        How big.
    """


def test_annotations_and_a_numpydoc_docstring_make_the_schema():
    made = tool(order)
    assert made.definition["type"] == "function"
    assert made.name == "order"
    assert made.description == "Order a thing.\n\nIt comes by post."
    assert made.parameters["type"] == "object"
    assert made.parameters["required"] == ["number", "size", "to"]
    assert made.parameters["additionalProperties"] is False
    assert made.parameters["properties"] == {
        "number": {"type": "integer", "minimum": 1, "description": "What is printed on it."},
        "size": {"type": "string", "enum": ["small", "large"], "description": "How big."},
        "to": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "zip_code": {"type": "string", "default": ""}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "paid": {"type": "boolean", "default": False},
        "unit": {"type": "string", "enum": ["kg", "lb"], "default": "kg"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "What is printed on it."},
        "copies": {"type": "integer", "maximum": 9, "default": 2},
        "schema": {"type": "array", "items": {"type": "string"}},
    }


def test_a_google_docstring_is_read_too():
    def add(first: int, second: int = 1):
        """Add two numbers.

        Args:
            first (int): One of them.
            second: The other,
                on two lines.

        Returns:
            The sum.
        """

    assert tool(add).description == "Add two numbers."
    assert properties(add)["first"] == {"type": "integer", "description": "One of them."}
    assert properties(add)["second"] == {"type": "integer", "default": 1, "description": "The other, on two lines."}


def test_what_an_annotation_says_counts_more_than_the_docstring():
    def look(at: Annotated[str, Field(description="A place.")]):
        """Look.

        Parameters
        ----------
        at : str
            Something else.
        """

    assert properties(look)["at"]["description"] == "A place."


def test_a_function_without_docstring_and_parameters_is_a_tool():
    def ping():
        return "pong"

    assert tool(ping).definition == {
        "type": "function",
        "name": "ping",
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
    }


def test_a_recursive_type_keeps_its_reference():
    def plant(tree: Tree): ...

    schema = tool(plant).parameters
    assert schema["properties"]["tree"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}
    assert schema["$defs"]["Tree"]["required"] == ["name", "children"]


def test_methods_partials_and_callable_objects_are_tools():
    class Shop:
        def refund(self, order: int):
            """Give the money back."""

        async def __call__(self, order: int):
            """Ask the shop."""

    assert tool(Shop().refund).definition["description"] == "Give the money back."
    assert list(properties(Shop().refund)) == ["order"]
    assert tool(Shop()).name == "Shop" and list(properties(Shop())) == ["order"]
    bound = tool(functools.partial(order, 7, paid=True))
    assert bound.name == "order"
    assert "number" not in bound.parameters["properties"]  # Given by place,
    assert "paid" not in bound.parameters["properties"]  # or by name: not the model's to say.


def test_the_types_of_a_wrapped_function_are_its_own():
    @functools.wraps(order)
    def wrapped(*args, **kwargs): ...

    assert properties(wrapped) == properties(order)


def many(*names: str): ...
def named(**options: str): ...
def untyped(name): ...


class Shop:
    def refund(self, order: int): ...


def one_by_one():
    yield 1


class Opaque:
    pass


def holds_an_object(thing: Opaque): ...
def misses_a_name(thing: NotDefined): ...  # noqa: F821


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (many, r"many\(\*names\) has no names for its arguments: take a list instead, names: list\[str\]"),
        (named, r"named\(\*\*options\) takes arguments of any name"),
        (untyped, r"untyped\(\) does not say what 'name' is: annotate it, e.g. name: str"),
        (Shop.refund, r"refund\(\) does not say what 'self' is: pass the method of an object"),
        (one_by_one, r"one_by_one\(\) yields its results one by one"),
        (holds_an_object, r"holds_an_object\(\) has a parameter that no JSON can hold"),
        (misses_a_name, r"misses_a_name\(\) cannot be read \(name 'NotDefined' is not defined\)"),
    ],
)
def test_what_no_schema_can_describe_is_refused_with_the_way_out(function, said):
    with pytest.raises(SettingsError, match=said):
        tool(function)
