import pytest
from test_renewal import WAIT_S, local_server

from realtime_nb.errors import LocalProtocolError, SettingsError
from realtime_nb.local.process import speak
from realtime_nb.sessions.cascade import CascadeSession
from realtime_nb.sessions.chat import ChatSession


@pytest.fixture(scope="module")
def server():
    with local_server() as options:
        yield {"backend": options["backend"], "api_key": options["api_key"]}


@pytest.fixture(params=[ChatSession, CascadeSession])
def make(request, server):
    made = []

    def make(**options):
        models = {"model": "local-rules"} if request.param is ChatSession else {"text_model": "local-rules"}
        if request.param is CascadeSession:
            models |= {"transcriber": "local-transcribe", "speaker": "local-tts"}
        made.append(request.param(**server, **models, **options))
        return made[-1]

    yield make
    for session in made:
        session.close().result(WAIT_S)


def ask(session, *questions):
    return [session.ask(question).result(WAIT_S).transcript for question in questions]


def test_it_begins_with_a_history(make):
    session = make(history=[("user", "My name is Ada."), ("assistant", "Hello, Ada.")])
    assert len(session.conversation) == 2
    assert ask(session, "What is my name?") == ["You said that your name is Ada."]


def test_a_turn_is_deleted_or_edited(make):
    session = make()
    ask(session, "My name is Ada.")
    first = session.conversation.turns[0]
    edited = session.edit(first, "My name is Grace.").result(WAIT_S)
    assert session.conversation.turns[0] is edited and edited.edited_from is first
    assert ask(session, "What is my name?")[0].endswith("Grace.")
    session.delete(edited).result(WAIT_S)
    assert ask(session, "What is my name?") == ["You have not told me your name."]
    with pytest.raises(LocalProtocolError, match="was already removed"):
        session.delete(edited)


def test_an_earlier_question_is_asked_again(make):
    session = make()
    first = session.ask(speak("What is two plus three?")).result(WAIT_S)
    ask(session, "My name is Ada.")
    again = session.rerun(first).result(WAIT_S)
    assert again.transcript == first.transcript and again.asked is first.asked
    assert [turn.role for turn in session.conversation] == ["user", "assistant"]
    assert ask(session, "What is my name?") == ["You have not told me your name."]


def test_an_aside_does_not_enter_the_conversation(make):
    session = make()
    ask(session, "What is two plus three?")
    reply = session.aside("Give this conversation a title.").result(WAIT_S)
    assert reply.transcript == "What is two plus three" and not reply.in_conversation
    assert len(session.conversation) == 2 and reply.usage.output_tokens > 0
    assert ask(session, "What did I say?") == ["You said: What is two plus three?"]


def test_instructions_and_tools_change_between_turns(make):
    def order_status(number: int) -> str:
        "Look up where an order is."
        return "on its way"

    session = make(instructions='Say "Good morning."')
    assert ask(session, "Hello!") == ["Good morning."]
    session.update(instructions="", tools=[order_status]).result(WAIT_S)
    session.ask("What is the status of order seven?").result(WAIT_S)
    assert [turn.kind for turn in session.conversation][3] == "function_call"
    session.update(tools=[]).result(WAIT_S)
    breaks = [session_break.text for session_break in session.conversation.breaks]
    assert breaks == ["instructions changed, tools now: order_status", "tools now: none"]


def test_turns_of_other_sessions_and_empty_words_are_refused_at_once(make):
    session, other = make(), make()
    ask(session, "Hello!")
    turn = session.conversation.turns[0]
    for call in (
        other.delete,
        other.rerun,
        lambda turn: other.edit(turn, "Hi."),
        lambda turn: other.aside("x", about=turn),
    ):
        with pytest.raises(LocalProtocolError, match="is not from this session"):
            call(turn)
    with pytest.raises(TypeError, match="str is not a Turn"):
        session.delete("Hello!")
    with pytest.raises(SettingsError, match="text is empty"):
        session.edit(turn, " ")
