import base64

import pytest
import record_samples as samples

from realtime_nb.conversation.records import Part, Reply, Turn
from realtime_nb.views import mimebundle


def test_a_reply_is_shown_as_text_markup_and_picture():
    reply = samples.conversation().replies[0]
    bundle = mimebundle(reply)
    assert set(bundle) == {"text/plain", "text/html", "image/png"}
    plain, markup = bundle["text/plain"], bundle["text/html"]
    assert plain.splitlines()[:2] == ["You: What time is it?", "AI voice: It is ten past nine."]
    for text in ("What time is it?", "It is ten past nine.", "AI-generated voice", "gpt-realtime-2.1", "$0.0103"):
        assert text in markup
    for text in ("length 0.6 s", "first audio after", "cost $0.0103", "status completed"):
        assert text in plain
    assert markup.count("<audio") == 1  # People know what they said; only the answer has a player.
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["image/png"] in markup


def test_nothing_in_a_reply_is_markup():
    for reply in samples.hostile_conversation().replies:
        markup = mimebundle(reply)["text/html"]
        assert "<script" not in markup and "<img src=x" not in markup
        assert "&lt;script&gt;" in markup


def test_a_reply_needs_no_scripts_and_no_network():
    markup = mimebundle(samples.conversation().replies[0])["text/html"]
    for word in ("<script", "http://", "https://", "<link", "<style", "onclick"):
        assert word not in markup


def test_a_reply_in_words_has_no_player_and_no_picture():
    reply = Reply(response_id="R", status="completed")
    reply.outputs[0] = Turn(item_id="A", role="assistant", parts={0: Part(kind="text", text="Hello.")})
    bundle = mimebundle(reply)
    assert set(bundle) == {"text/plain", "text/html"}
    assert "<audio" not in bundle["text/html"] and "AI-generated text" in bundle["text/html"]


@pytest.mark.parametrize("pcm", [b"", b"\x01", b"\x01\x00", bytes(20), bytes(48_000)])
def test_silent_and_tiny_answers_break_nothing(pcm):
    reply = samples.conversation(pcm=pcm or b"\0").replies[0]
    assert "It is ten past nine." in mimebundle(reply)["text/html"]


def test_a_reply_that_has_just_begun_can_be_shown():
    assert "in_progress" in mimebundle(Reply(response_id="R"))["text/plain"]
