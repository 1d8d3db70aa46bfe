import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_nb.local.brains.tool_matching import fill


def one(schema, text, name="value", asked=None):
    return fill(text, {"properties": {name: schema}}, asked=asked).get(name)


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "integer"}, "for twenty minutes", 20),
        ({"type": "number"}, "add 2.5 spoons", 2.5),
        ({"type": "integer"}, "no number", None),
        ({"type": ["integer", "null"]}, "seven", 7),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, "seven", 7),
        ({"anyOf": [{"enum": ["red"]}, {"type": "null"}], "description": "A colour."}, "a red one", "red"),
        ({"anyOf": [{"type": "null"}]}, "in Berlin", None),
        ({"anyOf": "broken"}, "for twenty", "twenty"),
        ({"type": "boolean"}, "turn it on", True),
        ({"type": "boolean"}, "turn it off", False),
        ({"type": "boolean"}, "please don't", False),
        ({"type": "boolean"}, "the lamp", None),
        ({"enum": ["red", "dark_blue"]}, "make it dark blue", "dark_blue"),
        ({"enum": [1, 2]}, "number 2 please", 2),
        ({"enum": [1, 2]}, "number two please", 2),
        ({"enum": ["room twenty one", "room 2"]}, "Room 21.", "room twenty one"),
        ({"enum": ["1001", "90210"]}, "It's 1,001.", "1001"),
        ({"type": "integer"}, "Add 1,045 points.", 1045),
        ({"enum": ["red", "blue"]}, "redder", None),
        ({"type": "array", "items": {"enum": ["milk", "eggs", "bread"]}}, "eggs and milk", ["eggs", "milk"]),
        ({"type": "array", "items": {"type": "integer"}}, "three and five", [3, 5]),
        ({"type": "string", "examples": ["The Hague"]}, "somewhere near the hague", "The Hague"),
        ({"type": "string"}, 'call it "Blue Moon" today', "Blue Moon"),
        ({"type": "object"}, "anything", None),
    ],
)
def test_a_value_is_picked_by_its_type(schema, text, value):
    assert one(schema, text) == value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("city", "the weather in san francisco please", "San Francisco"),
        ("city", "the weather in Rio de Janeiro.", "Rio de Janeiro"),
        ("query", "search for a good book in spanish", "good book in spanish"),
        ("order_id", "where is order A-17", "A-17"),
        ("order_id", "order forty two", "42"),
        ("order_id", "Where is order 1,001?", "1001"),
        ("order_id", "where is order one zero oh one", "1001"),
        ("order_id", "Order 1-0-0-1, please.", "1001"),
        ("order_id", "Order A-17.", "A-17"),
        ("zip", "1,001 90210", "1001"),
        ("time", "Wake me at 10:45.", "10:45"),
        ("time", "wake me at ten forty five", "10:45"),
        ("start_time", "At 7:30 p.m., please.", "19:30"),
        ("time", "at seven pm", "19:00"),
        ("time", "Half past ten.", "10:30"),
        ("time", "a quarter to 1 PM", "12:45"),
        ("time", "Twelve o'clock.", "12:00"),
        ("time", "12:15 a.m.", "0:15"),
        ("time", "tomorrow at noon", "12:00"),
        ("time", "at 99:99", None),
        ("city", "What's the weather in New York?", "New York"),
        ("name", "a list called groceries", "Groceries"),
    ],
)
def test_a_string_is_picked_by_its_name(name, text, value):
    assert one({"type": "string"}, text, name) == value


@pytest.mark.parametrize(("text", "value"), [("Paris", "Paris"), ("it's paris, please.", "Paris"), ("in rome", "Rome")])
def test_a_whole_answer_is_the_value_that_was_asked_for(text, value):
    assert one({"type": "string"}, text, "city", asked="city") == value


def test_a_number_that_is_a_name_is_said_digit_by_digit():
    assert one({"type": "integer"}, "order four four seven one", "order_id") == 4471
    assert one({"type": "integer"}, "Order 4,471.", "order_id") == 4471


def test_numbers_are_given_out_in_order():
    properties = {"width": {"type": "integer"}, "height": {"type": "integer"}}
    assert fill("three by four", {"properties": properties}) == {"width": 3, "height": 4}


def test_schemas_without_properties():
    assert fill("anything", {}) == {}
    assert fill("anything", {"properties": {"odd": True}}) == {}


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
SCHEMAS = st.dictionaries(
    st.sampled_from(["type", "enum", "examples", "items", "default", "format"]),
    st.sampled_from(["string", "integer", "array", "boolean", "object", ["null", "number"], []]) | VALUES,
)


@given(st.dictionaries(st.text(max_size=8), SCHEMAS, max_size=3), st.text(max_size=60))
def test_no_schema_and_no_utterance_breaks_it(properties, text):
    for schema in properties.values():
        for name in ("enum", "examples"):
            if not isinstance(schema.get(name, []), list):
                del schema[name]
    arguments = fill(text, {"properties": properties}, asked=next(iter(properties), None))
    assert set(arguments) <= set(properties)
