import asyncio
import json
import threading

import pytest

from realtime_nb.conversation.records import Reply, Turn
from realtime_nb.errors import SettingsError
from realtime_nb.loop import submit
from realtime_nb.sessions.event_log import SessionEvents
from realtime_nb.sessions.tool_calls import MOST_CALLS, ToolCalls
from realtime_nb.tools import tool

WAIT_S = 10


class Desk:
    """Tools, and what is told and sent of their calls."""

    def __init__(self, *tools, **options):
        self.session_events = SessionEvents()
        self.calls = ToolCalls(self.session_events, **options)
        self.definitions = self.calls.take(tools)
        self.told, self.sent = [], []
        self.has_sent = threading.Event()
        self.session_events.listen(lambda event, elapsed_ms: self.told.append(event))

    async def _send(self, call_id, output):
        self.sent.append((call_id, output))
        self.has_sent.set()

    def answer(self, *calls):
        """Answer calls, given as name and arguments; return the outputs in the order of the calls."""
        turns = [call_turn(f"call_{number}", *call) for number, call in enumerate(calls)]
        submit(self.calls.answer_all(turns, self._send)).result(WAIT_S)
        return [dict(self.sent)[turn.call_id] for turn in turns]

    def done(self):
        return [event for event in self.told if event.type == "tool.done"]


def call_turn(call_id, name, arguments="{}"):
    return Turn(item_id=f"item_{call_id}", kind="function_call", call_id=call_id, name=name, arguments=arguments)


def reply_with(*calls):
    return Reply(response_id="R", outputs=dict(enumerate(calls)))


def add(a: int, b: int = 1) -> int:
    return a + b


def test_a_call_is_checked_run_and_answered():
    desk = Desk(add)
    assert desk.answer(("add", '{"a": 2}')) == ["3"]
    assert [event.type for event in desk.told] == ["tool.started", "tool.done"]
    [done] = desk.done()
    assert (done.call_id, done.name, done.output, done.error) == ("call_0", "add", "3", "")
    assert 0 <= done.ran_ms < 5_000


def test_calls_of_one_response_run_together():
    meeting = threading.Barrier(3)

    def meet():
        meeting.wait(WAIT_S)  # Breaks where they come one after the other.
        return "met"

    async def meet_later():
        return await asyncio.to_thread(meet)

    assert Desk(meet, meet_later).answer(("meet",), ("meet",), ("meet_later",)) == ["met", "met", "met"]


def test_an_output_is_sent_as_soon_as_it_is_there():
    desk = Desk(tool(lambda: desk.has_sent.wait(WAIT_S), name="slow"), tool(lambda: "there", name="quick"))
    desk.answer(("slow",), ("quick",))
    assert [call_id for call_id, _ in desk.sent] == ["call_1", "call_0"]


def test_a_tool_that_raises_tells_the_model_in_words():
    def fail():
        raise LookupError("no such order")

    async def fail_later():
        raise LookupError("no such order, later")

    desk = Desk(fail, fail_later)
    outputs = desk.answer(("fail",), ("fail_later",))
    assert [json.loads(output) for output in outputs] == [
        {"error": "LookupError: no such order"},
        {"error": "LookupError: no such order, later"},
    ]
    assert {done.error for done in desk.done()} == {"LookupError: no such order", "LookupError: no such order, later"}


def test_a_tool_that_hangs_is_given_up():
    gate = threading.Event()

    async def wait():
        await asyncio.Event().wait()

    tools = [tool(lambda: gate.wait(20), name="hang", timeout_s=0.02), tool(wait, timeout_s=0.02)]
    outputs = Desk(*tools).answer(("hang",), ("wait",))
    gate.set()
    assert [json.loads(output)["error"] for output in outputs] == [
        "hang did not answer within 0.02 s",
        "wait did not answer within 0.02 s",
    ]


def test_a_tools_own_time_out_is_not_taken_for_ours():
    def impatient():
        raise TimeoutError("the shop is closed")

    [output] = Desk(impatient).answer(("impatient",))
    assert json.loads(output) == {"error": "TimeoutError: the shop is closed"}


def test_a_tool_that_is_cancelled_by_its_own_doing_is_answered():
    async def cancelled():
        raise asyncio.CancelledError

    [output] = Desk(cancelled).answer(("cancelled",))
    assert json.loads(output) == {"error": "cancelled was cancelled"}


def test_a_megabyte_is_cut_and_the_model_is_reported():
    [output] = Desk(tool(lambda: "x" * 1_000_000, name="large")).answer(("large",))
    assert len(output) < 16_200 and "first 16,000 of 1,000,000 characters" in output


def test_a_result_that_is_no_json_is_an_error():
    circle = []
    circle.append(circle)
    [output] = Desk(tool(lambda: circle, name="round_")).answer(("round_",))
    assert "Circular reference" in json.loads(output)["error"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("add", '{"a": "x"}'), "the arguments do not fit: a: Input should be a valid integer"),
        (("add", "no json"), "the arguments do not fit: arguments: Invalid JSON"),
        (("subtract", "{}"), "there is no tool 'subtract'; there are add"),
        (("<script>" * 100, "{}"), "there is no tool '<script>"),
    ],
)
def test_a_call_that_cannot_be_made_is_answered_and_not_run(call, said):
    desk = Desk(add)
    [output] = desk.answer(call)
    assert json.loads(output)["error"].startswith(said)
    assert desk.done()[0].ran_ms is None and len(output) < 1_200
    assert "tool.started" not in [event.type for event in desk.told]


def test_a_validator_that_fails_in_its_own_way_is_reported():
    from typing import Annotated

    from pydantic import AfterValidator

    def look_up(key: Annotated[str, AfterValidator({}.__getitem__)]): ...

    [output] = Desk(look_up).answer(("look_up", '{"key": "a"}'))
    assert json.loads(output) == {"error": "KeyError: 'a'"}


def test_a_call_that_is_refused_is_not_run():
    ran = []
    pay = tool(lambda: ran.append(1), name="pay", approve=lambda call: False)
    desk = Desk(pay)
    assert json.loads(desk.answer(("pay",))[0]) == {"error": "not run: the person refused"}
    assert ran == []
    assert [event.type for event in desk.told] == ["tool.approval_asked", "tool.approval_given", "tool.done"]


def test_more_calls_at_once_than_make_sense_are_not_run():
    outputs = Desk(add).answer(*[("add", '{"a": 1}')] * (MOST_CALLS + 1))
    assert outputs[:MOST_CALLS] == ["2"] * MOST_CALLS
    assert json.loads(outputs[-1]) == {"error": f"not run: no more than {MOST_CALLS} calls at once"}


def test_a_caller_that_stops_waiting_stops_no_tool():
    gate, sent = threading.Event(), threading.Event()
    desk = Desk(tool(lambda: gate.wait(WAIT_S), name="slow"))

    async def send(call_id, output):
        sent.set()

    pending = submit(desk.calls.answer_all([call_turn("call_1", "slow")], send))
    pending.cancel()
    gate.set()
    assert sent.wait(WAIT_S)


def test_calls_of_names_that_the_caller_keeps_are_the_callers():
    plain = {"type": "function", "name": "plain"}
    added, kept, unknown = (call_turn("call_1", name) for name in ("add", "plain", "unknown"))
    nameless = call_turn("", "add")
    reply = reply_with(added, kept, unknown, nameless)
    assert Desk(add, plain).calls.calls_of(reply) == [added, unknown]
    assert Desk(add).calls.calls_of(reply, [plain]) == [added, unknown]
    assert Desk(plain).calls.calls_of(reply) == []


def test_zero_rounds_are_too_few():
    with pytest.raises(SettingsError, match="max_tool_rounds=0 must be 1 or more"):
        ToolCalls(SessionEvents(), max_rounds=0)


def test_no_tools_may_be_said_in_either_way():
    calls = ToolCalls(SessionEvents())
    assert calls.take(None) == calls.take([]) == [] and calls.functions == {}
