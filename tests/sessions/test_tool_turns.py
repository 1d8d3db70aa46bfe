import asyncio
import itertools
import json
import threading

import pytest
import wire_samples as wire
from scripted_server import scripted
from wire_samples import event

from realtime_nb.errors import LocalProtocolError, SettingsError
from realtime_nb.local.process import speak
from realtime_nb.sessions.realtime import RealtimeSession
from realtime_nb.tools import tool

WAIT_S = 30
MCP = {"type": "mcp", "server_label": "docs", "server_url": "https://example.com/mcp"}


def call_item(number=1, name="get_time", arguments="{}", **more):
    ids = {"id": f"F{number}", "call_id": f"call_{number}"}
    return {"type": "function_call", "status": "completed", **ids, "name": name, "arguments": arguments, **more}


class Server:
    """A scripted server's side of tool turns."""

    def __init__(self, peer):
        self.peer = peer
        self.items = itertools.count(1)
        self.responses = itertools.count(1)

    def open(self):
        return self.peer.open()["session"]

    def question(self):
        return self.peer.read_text_question()

    def begin(self, request=None):
        response_id = f"R{next(self.responses)}"
        metadata = request["response"]["metadata"] if request else None
        created = wire.response_created(response_id)
        created["response"]["metadata"] = metadata
        self.peer.send(created)
        return response_id, metadata

    def end(self, begun, *items, status="completed", **more):
        response_id, metadata = begun
        done = wire.response_done(response_id, status, output=list(items), **more)
        done["response"]["metadata"] = metadata
        self.peer.send(*(wire.item_added(item) for item in items), done)

    def answer(self, request, *items, **more):
        self.end(self.begin(request), *items, **more)

    def say(self, request, text="It is nine."):
        self.answer(request, wire.text_item(f"A{next(self.items)}", text, "completed"))

    def output(self):
        """Take the output of a call; return its call id and text."""
        item = self.peer.receive("conversation.item.create")["item"]
        assert item["type"] == "function_call_output"
        self.peer.send(wire.item_added({"id": f"O{next(self.items)}", "status": "completed", **item}))
        return item["call_id"], item["output"]

    def request(self):
        return self.peer.receive("response.create")


def against(script, *tools, **options):
    """Return a context in which a script answers a session that has these tools."""
    return _Against(script, tools, options)


class _Against:
    def __init__(self, script, tools, options):
        def run(peer):
            script(Server(peer))
            peer.wait_until_gone()

        self.server = scripted(run)
        self.options = {"tools": list(tools), "transcription": None, **options}

    def __enter__(self):
        self.session = RealtimeSession(backend=self.server.__enter__(), **self.options)
        return self.session

    def __exit__(self, *error):
        self.session.close().result(WAIT_S)
        return self.server.__exit__(*error)


def waiter(session, match):
    seen = threading.Event()
    session.listen(lambda event, elapsed_ms: match(event) and seen.set())
    return seen


def of_type(kind):
    return lambda event: event.type == kind


def get_time(zone: str = "UTC") -> dict:
    """Tell the time."""
    return {"time": "9:10", "zone": zone}


# --- with the local voice -------------------------------------------------------------------------------------------


def order_status(number: int) -> dict:
    """Look up where an order is."""
    return {"status": "on its way", "order": number}


def tell_time() -> dict:
    """What time is it now."""
    return {"time": "ten past nine"}


@pytest.mark.parametrize("function", [order_status, tool(order_status, timeout_s=5)])
def test_a_question_is_answered_with_what_a_function_returns(function):
    with RealtimeSession(backend="local", tools=[function]) as session:
        reply = session.ask("What is the status of order seven?").result(WAIT_S)
        assert reply.transcript == "The status is on its way, the order is 7."
        assert reply.audio.duration_s > 0.5
        first, last = session.conversation.replies
        assert last is reply and last.asked is first.asked
        [call] = first.function_calls
        assert (call.name, json.loads(call.arguments)) == ("order_status", {"number": 7})
        assert call.output == '{"status":"on its way","order":7}' and call.tool_ms is not None
        assert [turn.kind for turn in session.conversation] == [
            "message",
            "function_call",
            "function_call_output",
            "message",
        ]
        assert first.cost.total_usd == 0 and first.usage.output_tokens > 0


def test_a_spoken_turn_that_the_server_finds_calls_tools_too():
    with RealtimeSession(backend="local", tools=[tell_time]) as session:
        said = waiter(session, lambda event: event.type == "response.done" and event.response.output[0].role)
        spoken = speak("What time is it?")
        session.send_audio(bytes(24_000) + spoken.to_pcm16() + bytes(96_000))
        assert said.wait(WAIT_S)
        assert session.conversation.replies[-1].transcript == "The time is ten past nine."


def test_tools_can_be_changed_between_turns():
    def weather(city: str) -> str:
        """The weather in a city."""
        return f"It rains in {city}."

    with RealtimeSession(backend="local", tools=[order_status]) as session:
        session.update(tools=[weather]).result(WAIT_S)
        assert session.ask("What is the weather in Berlin?").result(WAIT_S).transcript == "It rains in Berlin."
        session.update(tools=[]).result(WAIT_S)
        assert not session.ask("What is the weather in Berlin?").result(WAIT_S).function_calls


def test_an_invalid_tool_is_refused_at_the_call():
    def untyped(number): ...

    with pytest.raises(SettingsError, match="untyped"):
        RealtimeSession(backend="local", tools=[untyped])
    session = RealtimeSession(backend="local")
    with pytest.raises(SettingsError, match="untyped"):
        session.update(tools=[untyped])


# --- with a scripted server -----------------------------------------------------------------------------------------


def test_all_calls_are_answered_before_the_one_request_that_follows():
    outputs, requests = {}, []

    def script(server):
        tools = server.open()["tools"]
        assert [each["name"] for each in tools] == ["get_time", "fail"]
        first = server.question()
        server.answer(first, call_item(1), call_item(2, "fail"), call_item(3, arguments='{"zone": "CET"}'))
        outputs.update(server.output() for _ in range(3))
        requests.append(server.request()["response"])
        server.say({"response": requests[0]})

    def fail():
        raise ValueError("broken")

    with against(script, get_time, fail) as session:
        reply = session.ask("What time is it?").result(WAIT_S)
        assert reply.transcript == "It is nine."
        assert len(session.conversation.replies) == 2
    assert json.loads(outputs["call_1"]) == {"time": "9:10", "zone": "UTC"}
    assert json.loads(outputs["call_2"]) == {"error": "ValueError: broken"}
    assert json.loads(outputs["call_3"])["zone"] == "CET"
    assert set(requests[0]) == {"metadata"}


def test_options_of_a_response_hold_for_the_one_that_follows():
    requests = []

    def script(server):
        server.open()
        requests.append(server.request())
        server.answer(requests[0], call_item())
        server.output()
        requests.append(server.request())
        server.say(requests[1])

    with against(script, get_time) as session:
        options = {"instructions": "Be brief.", "tool_choice": "required", "metadata": {"mine": "1"}, "input": []}
        session.respond(**options).result(WAIT_S)
    following = requests[1]["response"]
    assert (following["instructions"], following["metadata"]["mine"]) == ("Be brief.", "1")
    assert following["tool_choice"] == "auto"  # What had to be called has been called.
    assert "input" not in following  # The outputs are in the conversation.


def test_a_model_that_calls_for_ever_has_to_answer_in_words():
    requests = []

    outputs, answered = [], threading.Event()

    def script(server):
        server.open()
        requests.append(server.question())
        for number in range(1, 4):
            server.answer(requests[-1], call_item(number))
            outputs.append(json.loads(server.output()[1]))
            if number < 3:
                requests.append(server.request())
        answered.set()

    with against(script, get_time, max_tool_rounds=2) as session:
        reply = session.ask("What time is it?").result(WAIT_S)
        assert reply is session.conversation.replies[-1]
        assert answered.wait(WAIT_S)
        assert reply.function_calls[0].tool_error == "not run: too many calls for one question"
    assert [request["response"].get("tool_choice") for request in requests] == [None, None, "none"]
    assert "time" in outputs[1] and outputs[2] == {"error": "not run: too many calls for one question"}


def test_the_next_question_waits_for_the_tools_of_the_one_before():
    def script(server):
        server.open()
        server.answer(server.question(), call_item())
        server.output()
        server.say(server.request(), "One.")
        server.say(server.question(), "Two.")

    with against(script, get_time) as session:
        replies = [session.ask("One?"), session.ask("Two?")]
        assert [each.result(WAIT_S).transcript for each in replies] == ["One.", "Two."]


def test_a_person_who_speaks_on_is_not_talked_over():
    gate, running, outputs = threading.Event(), threading.Event(), []

    def slow():
        running.set()
        gate.wait(WAIT_S)
        return "late"

    def script(server):
        server.open()
        server.answer(server.question(), call_item(name="slow"))
        assert running.wait(WAIT_S)
        server.peer.send(*wire.spoken_turn("U2"))
        outputs.append(server.output())
        begun = server.begin()  # The server's own, for the new turn.
        server.end(begun, wire.text_item("A2", "Go on.", "completed"))

    with against(script, slow) as session:
        answered = waiter(session, lambda event: event.type == "response.done" and event.response.id == "R2")
        reply = session.ask("What time is it?").result(WAIT_S)
        assert reply.response_id == "R1"  # There is no more to it.
        gate.set()
        assert answered.wait(WAIT_S)
        assert session.log.types("sent").count("response.create") == 1
    assert outputs == [("call_1", "late")]


def test_an_interruption_by_hand_ends_the_wait_and_no_tool():
    gate, running, outputs, sent = threading.Event(), threading.Event(), [], threading.Event()

    def slow():
        running.set()
        gate.wait(WAIT_S)
        return "late"

    def script(server):
        server.open()
        server.answer(server.question(), call_item(name="slow"))
        outputs.append(server.output())
        sent.set()

    with against(script, slow) as session:
        pending = session.ask("What time is it?")
        assert running.wait(WAIT_S)
        session.interrupt().result(WAIT_S)
        assert pending.result(WAIT_S).function_calls
        gate.set()
        assert sent.wait(WAIT_S)
        assert session.log.types("sent").count("response.create") == 1
    assert outputs == [("call_1", "late")]


def test_calls_of_a_cancelled_response_are_not_run():
    ran, outputs, sent = [], [], threading.Event()

    def script(server):
        server.open()
        details = {"type": "cancelled", "reason": "turn_detected"}
        calls = call_item(1), call_item(2, status="incomplete")
        server.answer(server.question(), *calls, status="cancelled", status_details=details)
        outputs.append(server.output())
        sent.set()

    with against(script, tool(lambda: ran.append(1), name="get_time")) as session:
        assert session.ask("What time is it?").result(WAIT_S).status == "cancelled"
        assert sent.wait(WAIT_S)
    assert ran == []
    assert [(call_id, json.loads(text)) for call_id, text in outputs] == [
        ("call_1", {"error": "not run: the response was cancelled"})
    ]


def test_a_tool_that_outlives_the_session_is_recorded_and_not_sent():
    gate, running = threading.Event(), threading.Event()

    def slow():
        running.set()
        gate.wait(WAIT_S)
        return "late"

    def script(server):
        server.open()
        server.answer(server.question(), call_item(name="slow"))

    with against(script, slow) as session:
        done = waiter(session, of_type("tool.done"))
        pending = session.ask("What time is it?")
        assert running.wait(WAIT_S)
        session.close().result(WAIT_S)
        with pytest.raises(LocalProtocolError, match="the session was closed before the answer came"):
            pending.result(WAIT_S)
        gate.set()
        assert done.wait(WAIT_S)
        assert session.conversation.replies[0].function_calls[0].output == "late"
        assert session.log.types("sent")[-1] == "response.create"


def test_calls_of_an_out_of_band_response_are_the_callers():
    def script(server):
        server.open()
        of_request = {"conversation_id": None, "metadata": server.request()["response"]["metadata"]}
        done = wire.response_done("R1", output=[call_item()])
        server.peer.send(event("response.created", response=wire.response("R1", **of_request)))
        server.peer.send({**done, "response": done["response"] | of_request})

    with against(script, get_time) as session:
        reply = session.respond(conversation="none", input=[]).result(WAIT_S)
        assert reply.function_calls and not reply.in_conversation
        assert "tool.started" not in session.log.types("local")


def test_what_the_caller_answers_by_hand_ends_the_round():
    def script(server):
        server.open()
        server.answer(server.question(), call_item(1), call_item(2, "plain"))
        assert server.output()[0] == "call_1"
        assert server.output() == ("call_2", "by hand")
        server.say(server.request())

    plain = {"type": "function", "name": "plain", "parameters": {"type": "object", "properties": {}}}
    with against(script, get_time, plain) as session:
        reply = session.ask("What time is it?").result(WAIT_S)
        assert [call.name for call in reply.function_calls] == ["get_time", "plain"]
        session.send_function_output("call_2", "by hand").result(WAIT_S)
        assert session.respond().result(WAIT_S).transcript == "It is nine."


def test_somebody_who_is_there_agrees_and_hears_of_it_whatever_was_said_meanwhile():
    asked, outputs = threading.Event(), []

    def script(server):
        server.open()
        server.answer(server.question(), call_item(name="pay"))
        assert asked.wait(WAIT_S)
        server.peer.send(*wire.spoken_turn("U2"))  # “Yes, do it.”
        outputs.append(server.output())
        server.say(server.request(), "Paid.")

    with against(script, tool(lambda: "paid", name="pay", approve=True)) as session:
        session.attend(lambda: True)
        session.listen(lambda event, elapsed_ms: event.type == "tool.approval_asked" and asked.set())
        said = waiter(session, lambda event: event.type == "response.done" and event.response.id == "R2")
        spoke = waiter(session, of_type("input_audio_buffer.speech_started"))
        pending = session.ask("Pay.")
        assert spoke.wait(WAIT_S)
        assert pending.result(WAIT_S).function_calls
        [question] = session.open_approvals
        session.decide(question.call_id, True)
        assert said.wait(WAIT_S)
        assert session.conversation.replies[0].function_calls[0].approved is True
    assert outputs == [("call_1", "paid")]


@pytest.mark.parametrize("agreed", [True, False])
def test_a_remote_tool_is_approved_run_there_and_spoken_of(agreed):
    seen = []

    def script(server):
        assert server.open()["tools"] == [MCP]
        names = {"server_label": "docs", "name": "look", "arguments": '{"for": "x"}'}
        request = server.question()
        server.answer(request, {"id": "mcpr_1", "type": "mcp_approval_request", **names})
        item = server.peer.receive("conversation.item.create")["item"]
        assert item["type"] == "mcp_approval_response" and item["approval_request_id"] == "mcpr_1"
        assert item["approve"] is agreed and ("reason" in item) is not agreed
        server.peer.send(wire.item_added({"id": "M2", **item}))
        if agreed:
            call = {"id": "mcp_1", "type": "mcp_call", "approval_request_id": "mcpr_1", **names}
            server.peer.send(wire.item_added(call), event("response.mcp_call.in_progress", item_id="mcp_1"))
            server.peer.send(event("response.mcp_call.completed", item_id="mcp_1", output_index=0))
            server.peer.send(wire.item_done({**call, "output": "found"}))
        server.say(server.request(), "Done.")

    def approve(call):
        seen.append((call.name, call.server_label, call.arguments))
        return agreed

    with against(script, MCP, approve=approve) as session:
        assert session.ask("Look.").result(WAIT_S).transcript == "Done."
        made = [turn.output for turn in session.conversation if turn.kind == "mcp_call"]
        assert made == (["found"] if agreed else [])
    assert seen == [("look", "docs", {"for": "x"})]


def test_a_remote_tool_that_needs_no_approval_is_waited_for():
    def script(server):
        server.open()
        call = {"id": "mcp_1", "type": "mcp_call", "server_label": "docs", "name": "look", "arguments": "{}"}
        server.answer(server.question(), call)
        server.peer.send(event("response.mcp_call.failed", item_id="mcp_1", output_index=0))
        server.answer(server.request(), {**call, "id": "mcp_2", "output": "found"})  # There already.
        server.say(server.request(), "Done.")

    with against(script, MCP) as session:
        assert session.ask("Look.").result(WAIT_S).transcript == "Done."


def test_a_remote_tool_that_gives_no_result_is_remarked_on(monkeypatch):
    monkeypatch.setattr("realtime_nb.sessions.tool_calls._MCP_WAIT_S", 0.05)

    def script(server):
        server.open()
        call = {"id": "mcp_1", "type": "mcp_call", "server_label": "docs", "name": "look", "arguments": "{}"}
        server.answer(server.question(), call)
        server.say(server.request(), "I found nothing.")

    with against(script, MCP) as session:
        assert session.ask("Look.").result(WAIT_S).transcript == "I found nothing."
        remark = "the MCP tool 'look' had no result after 0.05 s: the model went on without it"
        assert remark in session.conversation.remarks


def test_everything_can_be_awaited():
    async def cell():
        async with RealtimeSession(backend="local", tools=[order_status]) as session:
            return await session.ask("What is the status of order seven?")

    assert asyncio.run(cell()).transcript == "The status is on its way, the order is 7."
