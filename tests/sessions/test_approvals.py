import threading

import pytest

from realtime_nb.loop import call_soon, submit
from realtime_nb.protocol.local_events import StateChanged
from realtime_nb.sessions import tool_calls as module
from realtime_nb.sessions.event_log import SessionEvents
from realtime_nb.sessions.tool_calls import Approvals, ProposedCall

WAIT_S = 10
PAY = ("call_1", "pay", '{"usd": 5}')


class Desk:
    """Approvals and what is told of them; `answer` is given to whatever is asked."""

    def __init__(self, approve=False, answer=None):
        self.session_events = SessionEvents()
        self.approvals = Approvals(self.session_events, approve)
        self.told = []
        self.asked = threading.Event()
        self.answer = answer
        self.session_events.listen(self._on_event)

    def _on_event(self, event, elapsed_ms):
        self.told.append(event)
        if event.type == "tool.approval_asked":
            self.asked.set()
            if self.answer is not None:
                self.approvals.decide(event.call_id, self.answer)

    def refusal(self, *call, **options):
        return submit(self.approvals.refusal(*(call or PAY), **options))

    @property
    def decisions(self):
        return [(event.approved, event.reason) for event in self.told if event.type == "tool.approval_given"]


@pytest.mark.parametrize(("approve", "wish"), [(False, None), (True, False), (lambda call: False, False)])
def test_a_call_without_approval_is_not_asked_about(approve, wish):
    desk = Desk(approve)
    assert desk.refusal(wish=wish).result(WAIT_S) == ""
    assert desk.told == []


@pytest.mark.parametrize(("approve", "wish"), [(True, None), (False, True), (True, True)])
@pytest.mark.parametrize(("answer", "refusal"), [(True, ""), (False, "not run: the person refused")])
def test_whoever_is_there_decides(approve, wish, answer, refusal):
    desk = Desk(approve, answer)
    desk.approvals.attend(lambda: True)
    assert desk.refusal(wish=wish).result(WAIT_S) == refusal
    asked = desk.told[0]
    assert (asked.call_id, asked.name, asked.arguments, asked.server_label) == (*PAY, "")
    assert desk.decisions == [(answer, "")]
    assert desk.approvals.open == []


def test_a_question_is_open_until_it_is_answered():
    desk = Desk(True)
    desk.approvals.attend(lambda: True)
    pending = desk.refusal()
    assert desk.asked.wait(WAIT_S)
    assert [asked.call_id for asked in desk.approvals.open] == ["call_1"]
    call_soon(desk.approvals.decide, "another", True)
    assert not pending.done()
    call_soon(desk.approvals.decide, "call_1", True)
    call_soon(desk.approvals.decide, "call_1", False)  # Too late.
    assert pending.result(WAIT_S) == ""


def test_two_questions_of_one_name_have_one_answer():
    desk = Desk(True)
    desk.approvals.attend(lambda: True)
    both = [desk.refusal(), desk.refusal()]
    assert desk.asked.wait(WAIT_S)
    submit(_nothing()).result(WAIT_S)
    call_soon(desk.approvals.decide, "call_1", True)
    assert [pending.result(WAIT_S) for pending in both] == ["", ""]


async def _nothing():
    """Let what was submitted before begin."""


def test_without_anyone_there_a_call_is_refused():
    desk = Desk(True)
    desk.approvals.attend(lambda: False)
    stop = desk.approvals.attend(lambda: True)
    stop()
    stop()
    assert desk.refusal().result(WAIT_S) == "not run: it needs approval, and nobody is there to give it"
    assert desk.decisions == [(False, "it needs approval, and nobody is there to give it")]


def test_no_answer_is_a_no(monkeypatch):
    monkeypatch.setattr(module, "APPROVAL_WAIT_S", 0.02)
    desk = Desk(True)
    desk.approvals.attend(lambda: True)
    assert "nobody gave it within" in desk.refusal().result(WAIT_S)
    assert desk.approvals.open == []
    gate = threading.Event()
    assert "nobody gave it within" in desk.refusal(wish=lambda call: gate.wait(20)).result(WAIT_S)
    gate.set()


def test_the_end_of_the_session_is_a_no():
    desk = Desk(True)
    desk.approvals.attend(lambda: True)
    pending = desk.refusal()
    assert desk.asked.wait(WAIT_S)
    call_soon(desk.session_events.announce, StateChanged(state="closed"))
    assert pending.result(WAIT_S) == "not run: the session ended before anybody approved"


def test_a_function_decides_in_scripts():
    seen = []

    def approve(call):
        seen.append(call)
        return call.arguments["usd"] < 10

    desk = Desk(approve)
    assert desk.refusal().result(WAIT_S) == ""
    assert desk.refusal("call_2", "pay", '{"usd": 50}').result(WAIT_S) == "not run: the person refused"
    assert seen[0] == ProposedCall("call_1", "pay", {"usd": 5})
    assert desk.decisions == [(True, ""), (False, "")]


def test_a_coroutine_may_decide_and_a_tools_own_comes_first():
    async def yes(call):
        return True

    assert Desk(lambda call: False).refusal(wish=yes).result(WAIT_S) == ""
    assert Desk(yes).refusal(wish=True).result(WAIT_S) == ""


@pytest.mark.parametrize("answer", ["no", 1, None])
def test_nothing_but_true_is_a_yes(answer):
    assert Desk(lambda call: answer).refusal().result(WAIT_S) == "not run: the person refused"


def test_a_function_that_fails_is_a_no_that_says_so():
    desk = Desk(lambda call: call.arguments["eur"])
    assert desk.refusal().result(WAIT_S) == "not run: asking for approval failed: KeyError: 'eur'"


def test_a_call_without_arguments_is_put_as_such():
    seen = []
    Desk(lambda call: seen.append(call)).refusal("c", "n", "").result(WAIT_S)
    assert seen[0].arguments == {}


# pydantic, which reads the arguments of a function, takes NaN and numbers that are too large.
@pytest.mark.parametrize(
    "arguments", ["[1]", "null", '{"a', '{"usd": 1000, "note": NaN}', '{"usd": 1e999}', '{"a":' * 100_000]
)
def test_what_cannot_be_shown_is_not_approved(arguments):
    desk = Desk(lambda call: call.arguments.get("usd", 0) < 10)
    refusal = "not run: its arguments are not a JSON object, so nobody could approve them"
    assert desk.refusal("c", "n", arguments).result(WAIT_S) == refusal
