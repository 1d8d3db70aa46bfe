import json

import pytest
from browser.scripted import ScriptedSession

from realtime_nb.loop import submit
from realtime_nb.protocol.local_events import ToolDone, ToolStarted
from realtime_nb.widgets.desks import ToolDesk

PAY = {"call_id": "call_1", "name": "pay", "server_label": "", "arguments": [("usd", "5")]}


class Road:
    kind = "direct"

    def __init__(self):
        self.sent = []

    def send(self, message, *, urgent=False):
        self.sent.append(message)


class Desk:
    def __init__(self):
        self.session, self.road = ScriptedSession(), Road()
        self.desk = ToolDesk(self.session, self.road)
        self.session.listen(lambda event, elapsed_ms: self.desk.on_event(event))

    @property
    def shown(self):
        assert self.road.sent[-1]["kind"] == "tools"
        return self.road.sent[-1]["running"], self.road.sent[-1]["asks"]

    def decide(self, call_id, approved):
        async def take():
            self.desk.handlers["decide"]({"kind": "decide", "call_id": call_id, "approved": approved})

        submit(take()).result(30)


def test_a_running_tool_is_shown_until_it_is_done():
    desk = Desk()
    desk.session.say(ToolStarted(call_id="1", name="look"), ToolStarted(call_id="2", name="pay"))
    assert desk.shown == (["look", "pay"], []) and desk.desk.busy
    desk.session.say(ToolDone(call_id="1", name="look", output=""))
    assert desk.shown == (["pay"], [])
    desk.session.say(ToolDone(call_id="2", name="pay", output=""), ToolDone(call_id="3", name="never begun", output=""))
    assert desk.shown == ([], []) and not desk.desk.busy


@pytest.mark.parametrize(("pressed", "approved"), [(True, True), (False, False), ("yes", False), (1, False)])
def test_a_waiting_approval_is_shown_until_it_is_decided(pressed, approved):
    desk = Desk()
    desk.session.ask_for_approval("call_1", "pay", '{"usd": 5}')
    assert desk.shown == ([], [PAY]) and desk.desk.busy
    desk.decide("call_1", pressed)
    assert desk.shown == ([], []) and not desk.desk.busy
    assert desk.session.calls == [("decide", "call_1", approved)]
    desk.decide("call_1", True)  # A second click changes nothing.
    assert len(desk.session.calls) == 1


def test_a_session_is_attended_while_a_page_is_open():
    desk = Desk()
    [is_there] = desk.session.attending
    assert is_there()
    desk.road.kind = ""
    assert not is_there()
    desk.desk.leave()
    assert desk.session.attending == []


def test_a_question_of_any_length_has_an_end():
    desk = Desk()
    desk.session.ask_for_approval("call_1", "pay", "x" * 1_000_000)
    [(name, value)] = desk.shown[1][0]["arguments"]
    assert name == "as written" and value.endswith("x… (1,000,000 characters)") and len(value) < 21_000
    desk.session.ask_for_approval("call_2", "pay", json.dumps({f"{n}" * 500: "y" * 500 for n in range(2_000)}))
    shown = desk.shown[1][1]["arguments"]
    assert shown[-1] == ("…", "1,900 more arguments") and sum(len(name + value) for name, value in shown) < 35_000


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ('{"usd": 12345678901234567890, "to": "Ada"}', [("usd", "12345678901234567890"), ("to", "Ada")]),
        ('{"items": [1, {"a": null}], "sure": true}', [("items", '[1, {"a": null}]'), ("sure", "true")]),
        ('{"usd": 1, "usd": 1000}', [("usd", "1000")]),  # What the function gets.
        ("[1, 2]", [("as written", "[1, 2]")]),
        ('{"usd": ', [("as written", '{"usd": ')]),
        ("{}", []),
        ("", []),
    ],
)
def test_arguments_are_read_by_their_names(arguments, shown):
    desk = Desk()
    desk.session.ask_for_approval("call_1", "pay", arguments)
    assert desk.shown[1][0]["arguments"] == shown
