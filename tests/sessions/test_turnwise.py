"""What sessions that take one turn at a time have in common."""

import json
import threading

import httpx
import pytest
from openai import AsyncOpenAI

import realtime_nb as rt
from realtime_nb.errors import LocalProtocolError
from realtime_nb.sessions.backend import Backend
from realtime_nb.sessions.cascade import CascadeSession
from realtime_nb.sessions.chat import ChatSession
from realtime_nb.sessions.stages import CallDelta

WAIT_S = 30


@pytest.fixture
def session():
    session = ChatSession(backend="local", output_modalities=["text"])
    yield session
    session.close().result(60)


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


def test_an_impossible_question_raises_at_the_call(session):
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
    assert session.interrupt().result(60) is False


def test_the_record_knows_model_and_voice(session):
    reply = session.ask("Hello!").result(30)
    assert reply.model == "local-voice"
    assert session.conversation.session["audio"]["output"]["voice"] == session.voice
    assert "ChatSession('local-voice' at 'local'" in repr(session)


# --- tools ----------------------------------------------------------------------------------------------------------


def order_status(number: int) -> dict:
    """Look up where an order is."""
    return {"status": "on its way", "order": number}


@pytest.mark.parametrize(
    ("kind", "options"), [(ChatSession, {}), (ChatSession, {"stream": False}), (CascadeSession, {})]
)
def test_a_question_is_answered_with_what_a_function_returns(kind, options):
    with kind(backend="local", tools=[order_status], **options) as session:
        reply = session.ask("What is the status of order seven?").result(WAIT_S)
        assert reply.transcript == "The status is on its way, the order is 7."
        assert reply.audio.duration_s > 0.5
        first, last = session.conversation.replies
        assert last is reply and last.asked is first.asked
        [call] = first.function_calls
        assert call.output == '{"status":"on its way","order":7}' and call.tool_ms is not None
        kinds = [turn.kind for turn in session.conversation]
        assert kinds == ["message", "function_call", "function_call_output", "message"]
        assert session.ask("What is one plus one?").result(WAIT_S).transcript == "1 plus 1 is 2."


def test_every_request_is_one_that_the_api_takes():
    local = Backend.find("local").located()
    sent = []

    async def note(request):
        sent.append(json.loads(request.content))

    client = AsyncOpenAI(
        base_url=local.base_url, api_key=local.api_key, http_client=httpx.AsyncClient(event_hooks={"request": [note]})
    )
    options = {"tools": [order_status], "tool_choice": "required", "output_modalities": ["text"]}
    session = ChatSession(client=client, model="local-rules", **options)
    assert session.ask("What is the status of order seven?").result(WAIT_S).transcript.startswith("The status")
    session.close().result(WAIT_S)
    rt.loop.submit(client.close()).result(WAIT_S)
    first, second = sent
    assert first["tools"][0]["function"]["parameters"]["required"] == ["number"]
    assert (first["tool_choice"], second["tool_choice"]) == ("required", "auto")
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "tool"]
    assert second["messages"][1]["tool_calls"][0]["id"] == second["messages"][2]["tool_call_id"]


class Caller:
    """A text model that makes given calls, and then says so."""

    model = "caller"

    def __init__(self, *rounds):
        self.rounds = list(rounds)
        self.asked = []

    async def answer(self, messages):
        self.asked.append([message["role"] for message in messages])
        self.messages = messages
        for index, name in enumerate(self.rounds.pop(0) if self.rounds else ()):
            call_id = f"call_{len(self.asked)}_{index}"
            yield CallDelta({"index": index, "id": call_id, "function": {"name": name, "arguments": "{}"}})
        if not self.rounds:
            yield "Done."


class Mute:
    """A speaker that takes its time over nothing."""

    model = "mute"

    async def speak(self, text):
        yield bytes(4_800)


def cascade(model, *tools, **options):
    return CascadeSession(backend="local", text_model=model, speaker=Mute(), tools=tools, **options)


def fail():
    raise ValueError("broken")


def test_all_calls_are_answered_before_the_next_request():
    model = Caller(["tell", "fail"], [])
    with cascade(model, rt.tool(lambda: "told", name="tell"), fail) as session:
        assert session.ask("Go.").result(WAIT_S).transcript == "Done."
    assert model.asked == [["user"], ["user", "assistant", "tool", "tool"]]
    outputs = [message["content"] for message in model.messages if message["role"] == "tool"]
    assert outputs == ["told", '{"error":"ValueError: broken"}']


def test_a_model_that_calls_for_ever_is_stopped():
    model = Caller(*[["fail"]] * 9)
    with cascade(model, fail, max_tool_rounds=2) as session:
        reply = session.ask("Go.").result(WAIT_S)
        assert reply.function_calls[0].tool_error == "not run: too many calls for one question"
        assert len(model.asked) == 3
        assert session.ask("Again.").result(WAIT_S)
    # Every call has its output, or the API would take no further message.
    roles = model.asked[3]
    assert roles == ["user", *["assistant", "tool"] * 3, "user"]


def test_calls_that_the_caller_answers_end_the_round():
    plain = {"type": "function", "name": "plain", "parameters": {"type": "object", "properties": {}}}
    model = Caller(["plain", "fail"], [])
    with cascade(model, fail, plain) as session:
        assert len(session.ask("Go.").result(WAIT_S).function_calls) == 2
        session.send_function_output("call_1_0", "by hand").result(WAIT_S)
        assert session.respond().result(WAIT_S).transcript == "Done."
    assert model.asked[1] == ["user", "assistant", "tool", "tool"]


def test_an_interruption_waits_for_no_tool_and_the_model_knows():
    gate, running, done = threading.Event(), threading.Event(), threading.Event()

    def slow():
        running.set()
        gate.wait(WAIT_S)
        return "late"

    model = Caller(["slow", "tell"], [])
    with cascade(model, slow, rt.tool(lambda: "told", name="tell")) as session:
        session.listen(lambda event, elapsed_ms: getattr(event, "output", "") == "late" and done.set())
        pending = session.ask("Go.")
        assert running.wait(WAIT_S)
        assert session.interrupt().result(WAIT_S) is True
        with pytest.raises(LocalProtocolError, match="stopped"):
            pending.result(WAIT_S)
        assert session.ask("Never mind.").result(WAIT_S).transcript == "Done."
        outputs = {
            message["tool_call_id"]: message["content"] for message in model.messages if "tool_call_id" in message
        }
        assert outputs == {"call_1_0": '{"error":"the person did not wait for it"}', "call_1_1": "told"}
        gate.set()
        assert done.wait(WAIT_S)
        assert session.conversation.replies[0].function_calls[0].output == "late"


def test_approval_is_asked_for_here_too():
    model = Caller(["tell"], [])
    asked = []
    with cascade(model, rt.tool(lambda: "told", name="tell"), approve=lambda call: asked.append(call.name)) as session:
        session.ask("Go.").result(WAIT_S)
        assert session.conversation.replies[0].function_calls[0].approved is False
    assert asked == ["tell"]
    assert model.messages[-1]["content"] == '{"error":"not run: the person refused"}'
