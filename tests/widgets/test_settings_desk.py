"""Settings chosen in a page, on a session of the local voice."""

import pytest
from test_guide_desk import on_the_io_thread
from test_panel_link import RoadToNowhere

import realtime_nb as rt
from realtime_nb.widgets.desks import SettingsDesk


class Choosing:
    def __init__(self):
        self.session = rt.RealtimeSession(backend="local", turn_detection=None)
        self.road, self.pendings, self.detected, self.settled = RoadToNowhere(), [], [], []
        self.desk = SettingsDesk(
            self.session,
            self.road,
            self.pendings.append,
            detect=self.detected.append,
            on_settled=lambda: self.settled.append((self.session.model, self.session.voice)),
        )
        self.session.listen(lambda event, _: self.desk.on_event(event))

    def do(self, kind, **message):
        on_the_io_thread(self.desk.handlers[kind], {"kind": kind, **message})
        for pending in self.pendings:
            pending.result(30)

    @property
    def notices(self):
        return [notice["text"] for notice in self.road.controls("notice")]


@pytest.fixture
def choosing():
    choosing = Choosing()
    yield choosing
    choosing.session.close().result(60)


def test_before_there_is_a_connection_all_choices_count_for_it(choosing):
    choosing.do("choose", name="voice", value="cedar")
    choosing.do("choose", name="model", value="local-script")
    session = choosing.session
    assert (session.state, session.voice, session.model) == ("closed", "cedar", "local-script")
    assert choosing.settled[-1] == ("local-script", "cedar") and not choosing.notices
    session.connect().result(30)
    assert session.conversation.session["model"] == "local-script" and session.voice == "cedar"


def test_a_voice_changes_until_it_has_spoken_and_then_with_the_next_connection(choosing):
    session = choosing.session
    session.connect().result(30)
    choosing.do("choose", name="voice", value="cedar")
    assert session.voice == "cedar" and not choosing.notices
    session.ask("My name is Ada.").result(30)
    choosing.do("choose", name="voice", value="verse")
    choosing.do("choose", name="model", value="local-rules")
    assert (session.voice, session.model) == ("cedar", "local-voice")
    assert ["verse answers" in choosing.notices[0], "local-rules answers" in choosing.notices[1]] == [True, True]
    shown = choosing.road.controls("settings")[-1]
    assert (shown["voice"], shown["model"]) == ("verse", "local-rules")
    choosing.do("reconnect")
    assert (session.state, session.voice, session.model) == ("open", "verse", "local-rules")
    assert session.ask("What is my name?").result(30).transcript.endswith("Ada.")


def test_a_choice_that_is_taken_back_needs_no_new_connection(choosing):
    session = choosing.session
    session.connect().result(30)
    session.ask("Hello!").result(30)
    choosing.do("choose", name="model", value="local-rules")
    choosing.do("choose", name="model", value="local-voice")
    session.close().result(30)
    assert choosing.road.controls("settings")[-1]["model"] == session.model == "local-voice"


def test_what_the_server_does_after_a_turn_is_kept_when_its_end_is_found_otherwise(choosing):
    choosing.session.update(turn_detection={"type": "server_vad", "interrupt_response": False}).result(30)
    choosing.do("detect", type="semantic_vad", eagerness="high")
    assert choosing.detected == [{"type": "semantic_vad", "eagerness": "high", "interrupt_response": False}]


def test_known_models_can_be_chosen(choosing):
    on_the_io_thread(choosing.desk.tell, everything=True)
    told = choosing.road.controls("settings")[-1]
    assert told["models"] == ["local-voice", "local-rules", "local-script"] and "marin" in told["voices"]
    choosing.session.backend = rt.Backend("openai", "https://api.openai.com/v1", "sk-none")
    choosing.session.model = "my-own-model"
    on_the_io_thread(choosing.desk.tell)
    told = choosing.road.controls("settings")[-1]
    assert "gpt-realtime-2.1" in told["models"] and "my-own-model" in told["models"]
    assert not {"gpt-realtime-whisper", "gpt-4o-realtime-preview"} & {*told["models"]}
