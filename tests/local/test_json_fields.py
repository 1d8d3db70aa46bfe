from __future__ import annotations

import json
import math

import pytest

from realtime_nb.local.api_errors import ApiError
from realtime_nb.local.endpoints.json_fields import MOST_DEPTH, Fields, is_too_deep, model_of

DATA = {"name": "x", "on": True, "rate": 1.5, "count": 3, "list": [{"a": "b"}], "inner": {"deep": "y"}, "none": None}


def test_fields_are_read_by_type():
    fields = Fields(DATA)
    assert (fields.text("name"), fields.boolean("on")) == ("x", True)
    assert fields.number("rate", least=0, most=2) == 1.5
    assert fields.integer("count", least=0, most=9) == 3
    assert fields.fields("inner").text("deep") == "y"
    assert [item.text("a") for item in fields.objects("list")] == ["b"]
    assert fields.one_of("name", ("x", "y")) == "x"


def test_missing_and_null_fields_have_their_defaults():
    fields = Fields(DATA)
    assert fields.text("none", "d") == fields.text("absent", "d") == "d"
    assert fields.number("absent", None, least=0, most=1) is None
    assert list(fields.objects("absent", ())) == []


@pytest.mark.parametrize(
    ("read", "param", "code"),
    [
        (lambda fields: fields.text("absent"), "m[0].absent", "missing_required_parameter"),
        (lambda fields: fields.text("count"), "m[0].count", "invalid_type"),
        (lambda fields: fields.boolean("count"), "m[0].count", "invalid_type"),
        (lambda fields: fields.integer("on", least=0, most=1), "m[0].on", "invalid_type"),
        (lambda fields: fields.integer("rate", least=0, most=9), "m[0].rate", "invalid_type"),
        (lambda fields: fields.number("on", least=0, most=1), "m[0].on", "invalid_type"),
        (lambda fields: fields.number("rate", least=0, most=1), "m[0].rate", "invalid_value"),
        (lambda fields: fields.array("inner"), "m[0].inner", "invalid_type"),
        (lambda fields: fields.fields("list"), "m[0].list", "invalid_type"),
        (lambda fields: fields.fields("inner").text("x"), "m[0].inner.x", "missing_required_parameter"),
        (lambda fields: fields.one_of("name", ("y",)), "m[0].name", "invalid_value"),
    ],
)
def test_errors_say_where(read, param, code):
    with pytest.raises(ApiError) as refused:
        read(Fields(DATA, "m[0]"))
    assert (refused.value.param, refused.value.code) == (param, code)


def test_numbers_that_are_none_are_refused():
    for value in (math.nan, math.inf):
        with pytest.raises(ApiError):
            Fields({"n": value}).number("n", least=-math.inf, most=math.inf)


def test_an_empty_array_in_place_of_an_object_is_told_by_its_item():
    with pytest.raises(ApiError, match=r"'list\[1\]': expected an object, but got an integer"):
        list(Fields({"list": [{}, 3]}).objects("list"))


def test_a_model_must_be_named():
    assert model_of(Fields({"model": "m"})) == "m"
    for data in ({}, {"model": ""}, {"model": None}):
        with pytest.raises(ApiError, match="you must provide a model parameter"):
            model_of(Fields(data))


@pytest.mark.parametrize(("depth", "too_deep"), [(0, False), (MOST_DEPTH, False), (MOST_DEPTH + 1, True), (900, True)])
def test_what_is_nested_too_deep_is_told_apart(depth, too_deep):
    assert is_too_deep(json.loads("[" * depth + "1" + "]" * depth)) is too_deep
    assert is_too_deep([1, {"a": json.loads('{"x":' * depth + "1" + "}" * depth)}] if depth else {}) is (depth > 98)
