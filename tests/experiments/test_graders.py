"""The cookbook's own rules for tool calls, and words in answers."""

import numpy as np
import pytest

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.conversation.records import Reply, Turn
from realtime_nb.errors import SettingsError
from realtime_nb.experiments import Answer, Example, Keywords, Pattern, ToolCall
from realtime_nb.experiments.graders import (
    grade_tool_calls,
    graded,
    holds_arguments,
    named_graders,
    tool_calls_of,
)


def answer(text, **fields):
    example = Example(example_id="a", fields=fields)
    return Answer(example=example, text=text, heard="", tool_calls=[], audio=None, conversation=Conversation())


def grades(tool_call, arguments, *calls):
    example = Example(example_id="a", tool_call=tool_call, tool_arguments=arguments)
    made = [ToolCall(name=name, arguments=given) for name, given in calls]
    found = grade_tool_calls(example, made)
    return found and (found["tool_call_correctness"], found["tool_call_arg_correctness"], found["pred_tool_call_arg"])


ORDER = ("get_order_status", {"order_id": "A12345"})
WRONG = ("get_order_status", {"order_id": "ORD-WRONG"})


@pytest.mark.parametrize(
    ("expected", "calls", "right"),
    [
        (ORDER, [ORDER], (1, 1, '{"order_id": "A12345"}')),
        (ORDER, [], (0, 0, "")),
        (ORDER, [WRONG], (1, 0, '{"order_id": "ORD-WRONG"}')),
        (ORDER, [("refund_order", ORDER[1])], (0, 0, '{"order_id": "A12345"}')),
        (ORDER, [ORDER, ("refund_order", {})], (0, 1, '{"order_id": "A12345"}')),
        (ORDER, [WRONG, ORDER], (0, 1, '{"order_id": "A12345"}')),  # repeated calls count as calls
        (("", {}), [], (1, 1, "")),
        (("", {}), [ORDER], (0, 0, '{"order_id": "A12345"}')),
    ],
)
def test_tool_calls_are_graded_by_the_cookbooks_rules(expected, calls, right):
    assert grades(*expected, *calls) == right


def test_without_expectations_there_is_no_grade():
    assert grades(None, {}, ORDER) == {}


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"order_id": "ORD-3003"}, {"order_id": "ord 3003"}),
        (
            {"new_address": "12 Harbor St, Apt 4B, Seattle, WA 98101"},
            {"new_address": "12 Harbor Street Apt 4B Seattle Washington 98101", "extra": 1},
        ),
        ({"label": "HELLO, WORLD!"}, {"label": "hello world"}),
        ({"amount": 2}, {"amount": "2"}),
        ({"amount": "1e3"}, {"amount": 1000}),
        ({"amount": 1e-5}, {"amount": "0.00001"}),
        ({"amount": 9007199254740993}, {"amount": "9007199254740993"}),
        ({"amount": 1}, {"amount": 1.0}),
        ({"value": None}, {"value": None}),
        ({"items": [None, {"value": "Hello!"}]}, {"items": [None, {"value": "hello", "extra": 1}, 2]}),
        ({}, {"anything": 1}),
    ],
)
def test_arguments_that_are_the_same(expected, actual):
    assert holds_arguments(expected, actual)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"amount": -2}, {"amount": "2"}),
        ({"amount": 1.25}, {"amount": "1 25"}),
        ({"amount": 2}, {"amount": "02"}),
        ({"amount": 2}, {"amount": True}),
        ({"amount": 2}, {"amount": "2 units"}),
        ({"flag": True}, {"flag": "true"}),
        ({"value": None}, {"value": "None"}),
        ({"value": None}, {}),
        ({"value": "synthetic"}, {"value": ["synthetic"]}),
        ({"new_address": ""}, {"new_address": {}}),
        ({"items": [1, 2]}, {"items": [1]}),
        ({"nested": {"value": "a"}}, {"nested": {"value": "b"}}),
    ],
)
def test_arguments_that_are_not(expected, actual):
    assert not holds_arguments(expected, actual)


def test_keywords_count_what_is_there_as_whole_words():
    assert Keywords("order", "on its way")(answer("Your order is On its way!")) == (1.0, "")
    assert Keywords("order", "is")(answer("Orders, this")) == (0.0, "missing: order, is")
    assert Keywords()(answer("Five.", expected_keywords="five; six")) == (0.5, "missing: six")
    with pytest.raises(SettingsError, match="expected_keywords"):
        Keywords()(answer("Five."))


def test_patterns_are_searched_for():
    assert Pattern(r"\b(five|5)\b")(answer("That is FIVE."))
    assert not Pattern("five")(answer("six"))
    with pytest.raises(SettingsError, match="is not a regular expression"):
        Pattern("(")


def test_graders_are_named():
    def polite(answer):
        return True

    assert list(named_graders([Keywords("a"), polite])) == ["keywords", "polite"]
    assert list(named_graders({"mine": polite})) == ["mine"]
    with pytest.raises(SettingsError, match="its own name"):
        named_graders([Keywords("a"), Keywords("b")])
    with pytest.raises(SettingsError, match="cannot be called"):
        named_graders({"x": "y"})
    with pytest.raises(SettingsError, match="must be a sequence or a mapping"):
        named_graders(Keywords("a"))


def test_a_grade_that_is_no_number_is_missing_with_a_remark():
    graders = {
        "divided": lambda _: float("nan"),
        "endless": lambda _: (np.float64("inf"), "it never ended"),
        "several": lambda _: {"pitch": np.float32("nan"), "rate": 2.0},
        "undecided": lambda _: None,
        "spoken": lambda _: "good",
    }
    assert graded(answer("yes"), graders) == {
        **{"grade_divided": None, "grade_endless": None, "reason_endless": "it never ended"},
        **{"several_pitch": None, "several_rate": 2.0, "grade_undecided": None},
        "grading_remarks": "divided: nan is not a grade; endless: inf is not a grade; several: nan is not a grade; "
        "spoken: ValueError: could not convert string to float: 'good'",
    }


def test_measures_that_are_true_or_false_count_as_1_and_0():
    found = graded(answer("yes"), {"it": lambda _: {"ends": True, "laughs": np.bool_(False), "words": np.int64(4)}})
    assert found == {"it_ends": 1, "it_laughs": 0, "it_words": 4} and {type(each) for each in found.values()} == {int}


def test_a_grader_that_exits_is_one_that_fails():
    def asks_for_options(given):
        raise SystemExit(2)

    assert graded(answer("yes"), {"it": asks_for_options}) == {"grading_remarks": "it: SystemExit: 2"}


def test_arguments_with_numbers_that_json_does_not_have_lack_these_numbers():
    call = Turn("c", kind="function_call", name="go", arguments='{"x": NaN, "far": [1e999, 2]}')
    reply = Reply("r", outputs={0: call})
    [found] = tool_calls_of([reply])
    assert found.arguments == {"x": None, "far": [None, 2]} and "NaN" in found.raw_arguments
