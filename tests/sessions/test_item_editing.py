import pytest
from test_renewal import TEXT, WAIT_S, local_server, told, words

from realtime_nb.errors import LocalProtocolError
from realtime_nb.local.process import speak
from realtime_nb.sessions.realtime import RealtimeSession


@pytest.fixture(scope="module")
def server():
    with local_server() as options:
        yield options


@pytest.fixture
def session(server):
    with RealtimeSession(**server, **TEXT) as session:
        yield session


def ask(session, *questions):
    return [session.ask(question).result(WAIT_S) for question in questions]


def test_a_turn_that_is_deleted_is_forgotten_and_kept_in_the_record(session):
    ask(session, "My name is Ada.")
    [named, _] = session.conversation.turns
    session.delete(named).result(WAIT_S)
    assert named.deleted and named not in session.conversation.turns and named.text == "My name is Ada."
    assert ask(session, "What is my name?")[0].transcript == "You have not told me your name."


def test_a_call_goes_with_its_output(server):
    def order_status(number: int) -> str:
        "Look up where an order is."
        return "on its way"

    with RealtimeSession(**server, **TEXT, tools=[order_status]) as session:
        ask(session, "What is the status of order seven?")
        call = session.conversation.turns[1]
        session.delete(call).result(WAIT_S)
        assert [turn.kind for turn in session.conversation] == ["message", "message"]


def test_an_edited_turn_stands_where_the_old_one_stood(session):
    ask(session, "My name is Ada.", "Hello!")
    first = session.conversation.turns[0]
    edited = session.edit(first, "My name is Grace.").result(WAIT_S)
    assert session.conversation.turns[0] is edited and len(session.conversation) == 4
    assert edited.text == "My name is Grace." and edited.edited_from is first and first.text == "My name is Ada."
    assert ask(session, "What is my name?")[0].transcript.endswith("Grace.")


def test_an_answer_can_be_edited(session):
    ask(session, "Hello!")
    answer = session.conversation.turns[1]
    edited = session.edit(answer, "Good evening.").result(WAIT_S)
    assert (edited.role, edited.text) == ("assistant", "Good evening.")
    assert ask(session, "What did you say?")[0].transcript == "I said: Good evening."


def test_an_earlier_turn_is_asked_again_and_what_followed_is_taken_out(session):
    first, second = ask(session, "What is two plus three?", "Hello!")
    again = session.rerun(first).result(WAIT_S)
    assert again.transcript == first.transcript and again is not first
    assert [turn.role for turn in session.conversation] == ["user", "assistant"]
    assert session.conversation.turns[0].reply is again and again.asked is first.asked
    assert first.is_removed and second.is_removed and session.conversation.replies == [first, second, again]
    assert again.timing.done_ms is not None and again.timing.origin_ms > second.timing.origin_ms


def test_an_edited_question_is_asked_again(session):
    [reply] = ask(session, "What is two plus three?")
    session.edit(reply.asked, "What is two plus four?").result(WAIT_S)
    assert session.rerun(reply).result(WAIT_S).transcript == "2 plus 4 is 6."
    assert [role for role, _ in words(session)] == ["user", "assistant"]


def test_a_spoken_turn_that_was_carried_in_words_is_asked_again_by_its_sound():
    with local_server(lifetime_turns=1) as server, RealtimeSession(**server, **TEXT) as session:
        renewed = told(session, "session.renewed")
        first = session.ask(speak("What is two plus three?")).result(WAIT_S)
        assert renewed.wait(WAIT_S)
        again = session.rerun(first).result(WAIT_S)
        assert again.asked.audio.to_pcm16() == first.asked.audio.to_pcm16()
        assert again.asked.edited_from is first.asked
        assert again.asked.text == first.asked.text and again.transcript == first.transcript
        sent = [entry.event.item for entry in session.log if entry.event.type == "conversation.item.create"]
        assert ["input_audio"] in [[part.type for part in item.content] for item in sent]


def test_an_aside_reads_the_conversation_and_does_not_enter_it(session):
    ask(session, "What is two plus three?", "Tell me a joke.")
    before = words(session)
    title = session.aside("Give this conversation a title.").result(WAIT_S)
    assert title.transcript == "What is two plus three" and not title.in_conversation
    about = session.aside("Summarise what was said.", about=session.conversation.turns[:2]).result(WAIT_S)
    assert about.transcript.startswith("The person said: What is two plus three? The voice said: 2 plus 3 is 5.")
    label = session.aside('Classify the conversation: is it about "sums" or "joke"?').result(WAIT_S)
    assert label.transcript == "joke"
    assert words(session) == before and title.usage.output_tokens > 0


def test_an_answer_that_the_model_forgot_because_nobody_heard_it_can_still_be_edited_and_taken_out(server):
    with RealtimeSession(**server) as session:
        [reply] = ask(session, "Say good evening.")
        [unheard] = reply.turns
        deleted = told(session, "conversation.item.deleted")
        session.heard(unheard.item_id, 0, stopped=True)
        assert deleted.wait(WAIT_S) and unheard in session.conversation
        with pytest.raises(LocalProtocolError, match="only the record has it"):
            session.aside("Summarise what was said.", about=unheard)
        edited = session.edit(unheard, "Good night.").result(WAIT_S)
        assert words(session) == [("user", "Say good evening."), ("assistant", "Good night.")]
        assert edited.edited_from is unheard
        assert ask(session, "What did you say?")[0].transcript == "I said: Good night."
        session.delete(edited).result(WAIT_S)
        assert edited not in session.conversation and not session.conversation.errors


@pytest.mark.parametrize("is_forgotten", [True, False], ids=["the server has forgotten it", "it is just being told"])
def test_an_unheard_answer_does_not_outlive_its_question_that_is_changed_and_asked_again(server, is_forgotten):
    with RealtimeSession(**server) as session:
        [reply] = ask(session, "Say good evening.")
        deleted = told(session, "conversation.item.deleted")
        session.heard(reply.turns[0].item_id, 0, stopped=True)
        if is_forgotten:
            assert deleted.wait(WAIT_S)
            edited = session.edit(reply.asked, "Say good night.").result(WAIT_S)
            assert session.conversation.turns == [edited, *reply.turns]
        session.rerun(edited if is_forgotten else reply.asked).result(WAIT_S)
        assert [role for role, _ in words(session)] == ["user", "assistant"]
        assert reply.turns[0] not in session.conversation
