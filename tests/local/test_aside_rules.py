import pytest

from realtime_nb.local.brains.rules import remark_on
from realtime_nb.local.realtime.conversation_state import ItemState, MessagePart


def entry(role, text):
    return ItemState(id=text[:8], type="message", role=role, parts=[MessagePart("input_text", text)])


TALK = [entry("user", "Where is my order, please, and when will it come?"), entry("assistant", "It is on its way")]


@pytest.mark.parametrize(
    ("instructions", "says"),
    [
        ("Give this conversation a title.", "Where is my order, please, and"),
        (
            "Summarize what the user said.",
            "The person said: Where is my order, please, and when will it come? The voice said: It is on its way.",
        ),
        ('Classify the conversation as "order" or "refund".', "order"),
        ('Classify the conversation as "sales" or "refund".', "None of the words sales, refund was said."),
        ("Be brief.", None),
        ("What is the title of this book?", None),
    ],
)
def test_a_remark_is_cut_from_what_was_said(instructions, says):
    assert remark_on(instructions, TALK) == says


def test_without_turns_an_aside_says_that_nothing_was_said():
    assert remark_on("Summarise this conversation.", []) == "Nothing was said."
    assert remark_on("Give this conversation a title.", []) == "Nothing was said"
