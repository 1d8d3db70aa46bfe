"""Answers heard where no page plays them."""

import pytest

import realtime_nb as rt
from realtime_nb.sessions.listener import Listener

WAIT_S = 30


@pytest.fixture
def chat():
    with rt.ChatSession(backend="local") as session:
        yield session


def told(session):
    """Return the assistant's last turn when all that was noted is folded."""
    session.connect().result(WAIT_S)
    return session.conversation.replies[-1].turns[0]


def test_an_answer_is_heard_to_its_end_when_that_time_has_come(chat):
    listener = Listener(chat)
    stop = chat.listen(listener.on_event)
    reply = chat.ask("What can you do?").result(WAIT_S)
    length_ms = reply.audio.duration_s * 1000
    [sounding] = listener.played
    assert (sounding.start_ms, sounding.end_ms) == (0.0, pytest.approx(length_ms))
    assert 0 <= sounding.audible_ms < 500
    listener.advance(length_ms - 100)
    assert listener.is_playing and told(chat).played_ms is None
    listener.advance(length_ms)
    turn = told(chat)
    assert not listener.is_playing
    assert turn.played_ms == round(length_ms) and not turn.interrupted
    assert chat.conversation.costs().wasted_usd == 0.0
    stop()


def test_what_is_interrupted_by_hand_was_heard_up_to_there_and_the_next_answer_begins_at_once(chat):
    listener = Listener(chat)
    stop = chat.listen(listener.on_event)
    reply = chat.ask("Tell me a story.").result(WAIT_S)
    listener.advance(700.0)
    chat.interrupt().result(WAIT_S)
    turn = told(chat)
    assert turn.interrupted and turn.played_ms == 700 and not listener.is_playing
    assert listener.played[0].stopped_ms == 700
    assert reply.transcript.startswith(reply.heard_transcript) and reply.heard_transcript != reply.transcript
    chat.ask("What can you do?").result(WAIT_S)
    assert listener.played[-1].start_ms == 700
    stop()


def test_what_is_interrupted_before_its_sound_came_was_not_heard_and_is_forgotten():
    with rt.RealtimeSession(backend="local") as session:
        stop = [session.listen(Listener(session).on_event)]
        stop.append(session.listen(lambda event, _: event.type == "response.output_item.added" and session.interrupt()))
        reply = session.ask("Tell me a story.").result(WAIT_S)
        stop.pop()()
        [turn] = reply.turns
        assert session.ask("What did you say?").result(WAIT_S).transcript == "I have not said anything yet."
        assert turn.deleted and turn in session.conversation and turn.text and turn.heard_text == ""
        stop.pop()()
