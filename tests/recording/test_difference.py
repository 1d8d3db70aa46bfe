import pytest
import record_samples as samples
import wire_samples as wire
from hypothesis import given
from hypothesis import strategies as st

import realtime_nb as rt
from realtime_nb.conversation.conversation import Conversation
from realtime_nb.protocol import events as ev
from realtime_nb.recording.exchanges import exchanges_of, questions_in


def talk(*pairs):
    """Return a conversation of typed questions and answers."""
    folded, previous = Conversation(), None
    for number, (question, answer) in enumerate(pairs):
        events = [
            *wire.text_turn(f"U{number}", question, previous),
            *wire.text_answer(f"A{number}", response_id=f"R{number}", previous=f"U{number}", words=(answer,)),
        ]
        for each in events:
            folded.apply(ev.decode_server(__import__("json").dumps(each)), 0.0)
        previous = f"A{number}"
    return folded


def test_as_many_questions_are_taken_in_order():
    difference = rt.diff(talk(("Hi", "Hello."), ("Why?", "So.")), talk(("Hey", "hello"), ("Why?", "Because.")))
    frame = difference.frame
    assert list(frame["question"]) == ["Hi", "Why?"]
    assert list(frame["answer_b"]) == ["hello", "Because."]
    assert list(frame["same_words"]) == [True, False]


def test_a_question_of_one_side_alone_stands_alone():
    difference = rt.diff(
        talk(("Hi", "Hello."), ("Why?", "So."), ("Bye", "Bye.")), talk(("Hi", "Hello."), ("Bye", "Bye."))
    )
    assert [(pair.question, pair.other is None) for pair in difference.pairs] == [
        *(("Hi", False), ("Why?", True), ("Bye", False))
    ]
    assert difference.frame["answer_b"].isna().tolist() == [False, True, False]


@given(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), max_size=6))
def test_nobodys_words_are_lost(one, other):
    difference = rt.diff(talk(*((each, each) for each in one)), talk(*((each, each) for each in other)))
    assert [pair.one.question for pair in difference.pairs if pair.one] == one
    assert [pair.other.question for pair in difference.pairs if pair.other] == other


def test_only_conversations_have_a_difference():
    with pytest.raises(TypeError, match="diff\\(\\) takes a Recording or a Conversation, not str"):
        rt.diff("lesson-1", Conversation())


def test_what_is_said_in_one_go_is_one_question():
    folded = samples.conversation()
    exchange, *_ = exchanges_of(folded)
    assert (exchange.question, exchange.answer) == ("What time is it?", "It is ten past nine.")
    assert exchange.first_audio_ms is not None and exchange.cost_usd > 0
    assert questions_in(folded) == [("What time is it?",)]  # No sound of the person's was sent.
