import record_samples as samples

from realtime_nb.conversation import Conversation
from realtime_nb.views import mimebundle


def test_a_conversation_is_a_table_of_turns():
    bundle = mimebundle(samples.conversation())
    assert set(bundle) == {"text/plain", "text/html", "image/png"}
    markup = bundle["text/html"]
    assert markup.count("<tr") == 1 + 2 + 1  # header, turns, totals
    assert markup.index("What time is it?") < markup.index("It is ten past nine.")
    assert markup.count("<audio") == 1  # No audio of the person's was sent in this one.
    for text in ("AI-generated voice", "answers", "41 in, 0 cached · 164 out", "$0.0103"):
        assert text in markup
    lines = bundle["text/plain"].splitlines()
    assert lines[:2] == ["You: What time is it?", "AI voice: It is ten past nine."]
    assert lines[2].startswith("answers 1, tokens 41 in, 0 cached · 164 out, cost $0.0103, model gpt-realtime-2.1")


def test_nothing_in_a_conversation_is_markup():
    conversation = samples.hostile_conversation()
    for record in (conversation, *conversation):
        markup = mimebundle(record)["text/html"]
        assert "<script" not in markup and "<img src=x" not in markup
    assert mimebundle(conversation)["text/html"].count("&lt;script&gt;") >= 8


def test_a_price_that_is_not_known_makes_the_sum_unknown():
    assert "cost unknown" in mimebundle(samples.conversation(model="my-deployment"))["text/plain"]


def test_an_empty_conversation_can_be_shown():
    bundle = mimebundle(Conversation())
    assert set(bundle) == {"text/plain", "text/html"}
    assert "answers 0" in bundle["text/plain"]


def test_a_turn_is_a_line_and_a_player():
    user, answer = samples.conversation()
    assert mimebundle(user)["text/plain"] == "You: What time is it?"
    assert "<audio" not in mimebundle(user)["text/html"]
    assert "<audio" in mimebundle(answer)["text/html"]


def test_a_turn_that_was_cut_off_says_what_was_heard():
    answer = samples.hostile_conversation().turn("A")
    assert "interrupted" in mimebundle(answer)["text/html"]
