"""What sessions that take one turn at a time have in common."""

import pytest

import realtime_nb as rt
from realtime_nb.sessions.chat import ChatSession


@pytest.fixture
def session():
    session = ChatSession(backend="local", output_modalities=["text"])
    yield session
    session.close().result(10)


def test_questions_wait_for_their_turn(session):
    first, second = session.ask("What is one plus one?"), session.ask("What is two plus two?")
    assert (first.result(30).transcript, second.result(30).transcript) == ("1 plus 1 is 2.", "2 plus 2 is 4.")
    assert [turn.role for turn in session.conversation] == ["user", "assistant"] * 2


def test_it_is_open_between_first_use_and_close(session):
    assert session.state == "closed"
    states = []
    session.listen(lambda event, elapsed_ms: states.append(event.state) if event.type == "session.state" else None)
    with session:
        assert session.state == "open"
        session.ask("Hello!").result(30)
    assert states == ["open", "closed"] and session.state == "closed"
    assert session.ask("Hello!").result(30).status == "completed"  # and opens again


def test_what_cannot_be_asked_raises_where_the_caller_stands(session):
    with pytest.raises(TypeError, match="something to ask"):
        session.ask()
    with pytest.raises(TypeError, match="int"):
        session.ask(42)
    with pytest.raises(rt.AudioError, match="silent"):
        session.ask(rt.AudioClip([0.0] * 24_000))


def test_a_question_that_nobody_waits_for_any_more_is_stopped(session):
    session.connect().result(30)
    pending = session.ask("Tell me a story.")
    pending.cancel()
    # The next one gets its turn.
    assert session.ask("What is one plus one?").result(30).transcript == "1 plus 1 is 2."
    assert session.interrupt().result(10) is False


def test_the_record_knows_model_and_voice(session):
    reply = session.ask("Hello!").result(30)
    assert reply.model == "local-rules"
    assert session.conversation.session["audio"]["output"]["voice"] == session.voice
    assert "ChatSession('local-rules' at 'local'" in repr(session)
