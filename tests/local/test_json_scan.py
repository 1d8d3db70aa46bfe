from __future__ import annotations

import json

import pytest

from realtime_nb.local.endpoints.json_fields import MOST_DEPTH, count_values, is_too_deep


@pytest.mark.parametrize(
    "data",
    [
        "x" * 3_000_000,
        {"a": "b" * 100, "c": ['"', "\\", '\\"', "[{,", '\\\\"', ""]},
        [],
        "",
        [1, 2, 3],
        {"a": {"b": None}},
    ],
)
def test_strings_are_one_value_whatever_is_in_them(data):
    plain = json.loads(json.dumps(data), object_pairs_hook=list)

    def values(item):
        return 1 + sum(map(values, item)) if isinstance(item, list | tuple) else 1

    assert count_values(json.dumps(data).encode(), 1_000) <= 2 * values(plain) + 1


@pytest.mark.parametrize("text", ["[" * 5_000, "{}," * 5_000, "1," * 2_000_000, '"",' * 5_000, '{"a":' * 5_000])
def test_many_values_are_found(text):
    assert count_values(text.encode(), 1_000) > 1_000


@pytest.mark.parametrize("text", ["", '"', '"abc', '"abc\\"', "\\", '\\"', '"\\'])
def test_broken_text_is_left_to_the_parser(text):
    assert count_values(text.encode(), 1_000) < 10


@pytest.mark.parametrize(("depth", "too_deep"), [(0, False), (MOST_DEPTH, False), (MOST_DEPTH + 1, True), (900, True)])
def test_what_is_nested_too_deep_is_told_apart(depth, too_deep):
    assert is_too_deep(json.loads("[" * depth + "1" + "]" * depth)) is too_deep
    assert is_too_deep([1, {"a": json.loads('{"x":' * depth + "1" + "}" * depth)}] if depth else {}) is (depth > 98)
