import json
import math
from dataclasses import dataclass
from datetime import date
from enum import Enum

import numpy as np
import pandas as pd
import pytest

from realtime_nb.errors import SettingsError
from realtime_nb.tools import Tool, error_text, error_words, read_tools, result_text, tool

PLAIN = {"type": "function", "name": "plain", "parameters": {"type": "object", "properties": {}}}
MCP = {"type": "mcp", "server_label": "docs", "server_url": "https://example.com/mcp"}


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: float = 0.5


def move(to: Point, by: date, colour: Colour = Colour.RED, *, fast: bool = False):
    return to, by, colour, fast


def call(made, arguments):
    bound = made.bind(arguments)
    return made.function(*bound.args, **bound.kwargs)


def test_arguments_become_what_the_annotations_say():
    made = tool(move)
    assert call(made, '{"to": {"x": "3"}, "by": "2026-01-31"}') == (Point(3), date(2026, 1, 31), Colour.RED, False)
    assert call(made, '{"to": {"x": 3}, "by": "2026-01-31", "fast": true, "colour": "red"}')[3] is True


def test_places_and_names_are_filled_as_the_signature_has_them():
    def mixed(a: int, /, b: int = 2, *, c: int = 3):
        return a, b, c

    assert call(tool(mixed), '{"a": 1, "c": 9}') == (1, 2, 9)


def test_a_tool_without_parameters_takes_empty_arguments():
    assert call(tool(lambda: "pong", name="ping"), "") == "pong"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('{"by": "2026-01-31"}', "to: Field required"),
        ('{"to": {"x": "far"}, "by": "soon"}', "to.x: Input should be a valid integer.*; by: Input should be a valid"),
        ('{"to": {"x": 1}, "by": "2026-01-31", "colour": "blue"}', "colour: Input should be 'red'"),
        ('{"to": {"x": 1}, "by": "2026-01-31", "__class__": 1}', "__class__: Extra inputs are not permitted"),
        ('{"to": ', "arguments: Invalid JSON"),
        ("[1]", "arguments: Input should be an object"),
        ("null", "arguments: Input should be an object"),
        ("{" * 10_000, "arguments: Invalid JSON"),
    ],
)
def test_arguments_that_do_not_fit_are_explained(arguments, said):
    with pytest.raises(ValueError, match=said):
        tool(move).bind(arguments)


def test_a_tool_is_still_the_function():
    @tool(timeout_s=5, approve=True)
    def double(number: int) -> int:
        """Double it."""
        return 2 * number

    assert isinstance(double, Tool) and double(4) == 8
    assert (double.__name__, double.__doc__, double.timeout_s, double.approve) == ("double", "Double it.", 5, True)
    assert repr(double) == "Tool('double')"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "two words"}, "cannot be called 'two words'"),
        ({"name": ""}, "cannot be called ''"),
        ({"timeout_s": 0}, "timeout_s=0 must be positive"),
        ({"max_chars": 0}, "max_chars=0 must be positive"),
    ],
)
def test_a_bad_option_is_refused(options, said):
    with pytest.raises(SettingsError, match=said):
        tool(move, **options)


def test_a_nameless_function_needs_a_name():
    with pytest.raises(SettingsError, match=r"'<lambda>': names are .*; give one with tool"):
        tool(lambda: 1)
    with pytest.raises(SettingsError, match="'move' is a tool already"):
        tool(tool(move))


def test_a_long_docstring_is_cut():
    def long():
        pass

    long.__doc__ = "Words. " * 1_000
    assert len(tool(long).description) == 1_024


def test_functions_stand_beside_tools_in_the_own_shape_of_the_api():
    definitions, functions = read_tools([move, PLAIN, MCP])
    assert [each.get("name") for each in definitions] == ["move", "plain", None]
    assert definitions[1:] == [PLAIN, MCP] and definitions[1] is not PLAIN
    assert list(functions) == ["move"]


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ([move, {**PLAIN, "name": "move"}], "two tools are called 'move'"),
        (["move"], "'move' is not a tool: give a function, or a dict"),
    ],
)
def test_an_invalid_tool_is_refused(tools, said):
    with pytest.raises(SettingsError, match=said):
        read_tools(tools)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("as it is", "as it is"),
        (None, "null"),
        (
            {"at": Point(1), "on": date(2026, 1, 31), "in": Colour.RED},
            '{"at":{"x":1,"y":0.5},"on":"2026-01-31","in":"red"}',
        ),
        ([math.nan, b"\xff"], '[null,"_w=="]'),
        ({"a": np.arange(3), "b": np.float32(0.5)}, '{"a":[0,1,2],"b":0.5}'),
        (pd.DataFrame({"a": [1, 2]}), '[{"a":1},{"a":2}]'),
        (Exception("odd"), '"odd"'),
        ("half \ud83d of one", "half ? of one"),
    ],
)
def test_a_result_is_sent_as_json(result, text):
    assert result_text(result) == text


def test_a_long_result_is_cut_and_the_model_is_reported():
    text = result_text("x" * 1_000_000, 100)
    assert text.startswith("x" * 100 + "\n[cut: these are the first 100 of 1,000,000 characters")
    assert len(text) < 200


def test_an_error_is_told_in_words_without_a_traceback():
    assert error_words(ValueError("no \ud83d such order")) == "ValueError: no ? such order"
    assert error_words(KeyError()) == "KeyError"
    assert json.loads(error_text("refused")) == {"error": "refused"}
    assert len(error_words(ValueError("x" * 10_000))) == 1_024
    assert len(error_text("x" * 10_000)) < 1_100
