import numpy as np
import pytest

import realtime_nb as rt
from realtime_nb.errors import PictureError
from realtime_nb.media.picture import Picture
from realtime_nb.protocol.items import Content
from realtime_nb.sessions.cascade import CascadeSession
from realtime_nb.sessions.chat import ChatSession
from realtime_nb.sessions.realtime import RealtimeSession
from realtime_nb.sessions.request import item_content, message_item, message_part

RED = Picture.of(np.full((30, 40, 3), (200, 30, 30), np.uint8))
SEEN = "Your picture is 40 by 30 pixels and all red."
KINDS = [RealtimeSession, ChatSession, CascadeSession]


def test_a_picture_is_a_data_url_for_both_apis():
    assert item_content(RED) == Content(type="input_image", image_url=RED.url, detail="auto")
    assert message_part(RED) == {"type": "image_url", "image_url": {"url": RED.url, "detail": "auto"}}
    item = message_item(["Look:", RED])
    assert [part.type for part in item.content] == ["input_text", "input_image"] and item.id.startswith("item_")


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_seen_kept_and_paid_for(kind):
    with kind(backend="local") as session:
        reply = session.ask("What is this?", RED).result(20)
        assert reply.transcript.startswith(SEEN)
        assert reply.usage.image_in == RED.tokens
        [shown] = reply.asked.pictures
        assert shown.data == RED.data and shown.detail == "auto"
        assert reply.asked.text == "What is this?" and reply.asked.is_final
        assert len(session.conversation.turns) == 2
        assert session.conversation.costs().frame["image_uncached_input_tokens"].tolist() == [RED.tokens]
        assert session.ask("Which colour was the picture?").result(20).transcript.startswith(SEEN)


@pytest.mark.parametrize("kind", KINDS)
def test_a_spoken_question_about_a_picture(kind):
    with kind(backend="local") as session:
        reply = session.ask(RED, rt.speak("What is two plus three?")).result(20)
        assert reply.transcript == "2 plus 3 is 5."
        assert reply.usage.image_in == RED.tokens
        assert sum(len(turn.pictures) for turn in session.conversation) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_invalid_picture_is_refused_at_the_call(kind):
    session = kind(backend="local")
    with pytest.raises(TypeError, match="is not a picture: give AudioClip"):
        session.ask("What is this?", np.zeros(5))
    with pytest.raises(TypeError, match="cannot ask with bytes: give words"):
        session.ask(b"RIFF")
    assert session.state == "closed"


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("model", ["gpt-audio-1.5", "gpt-audio-mini", "gpt-4o-audio-preview"])
def test_a_model_that_hears_only_says_so_at_once(model):
    session = ChatSession(model=model, backend="local")
    with pytest.raises(PictureError, match=f"{model} hears but takes no pictures: ask with RealtimeSession"):
        session.ask("What is this?", RED)


def test_your_own_text_model_says_whether_it_sees():
    class Model:
        model = "mine"

        async def answer(self, messages):
            self.messages = messages
            yield "A red square."

    model = Model()
    with CascadeSession(backend="local", text_model=model) as session:
        with pytest.raises(PictureError, match="mine does not say that it takes pictures"):
            session.ask(RED)
        model.sees = True
        assert session.ask("Look:", RED).result(20).transcript == "A red square."
        assert model.messages[-1]["content"] == [{"type": "text", "text": "Look:"}, message_part(RED)]


def test_pictures_are_in_a_recording(tmp_path):
    with RealtimeSession(backend="local", output_modalities=["text"]) as session:
        session.ask("What is this?", RED).result(20)
    session.save(tmp_path / "seen")
    [shown] = rt.Recording.load(tmp_path / "seen").conversation.turns[0].pictures
    assert shown.data == RED.data
