"""Turns changed from a page, on a session of the local voice."""

import pytest
from browser.bare import until
from test_panel_link import RoadToNowhere

import realtime_nb as rt
from realtime_nb.loop import submit
from realtime_nb.widgets.desks import TurnDesk


class Desk:
    def __init__(self, session):
        self.session = session
        self.road = RoadToNowhere()
        self.pendings = []
        self.playing = ""
        self.desk = TurnDesk(session, self.road, self.pendings.append, lambda: self.playing)

    def page(self, kind, item_id, **fields):
        """Let the page ask for something, and wait until it is done; return what went wrong."""

        async def take():
            self.desk.handlers[kind]({"kind": kind, "id": item_id, **fields})

        submit(take()).result(30)
        return self.pendings[-1].exception(20)


@pytest.fixture
def desk():
    with rt.RealtimeSession(backend="local", turn_detection=None) as session:
        session.ask("What is two plus three?").result(20)
        yield Desk(session)


def words(desk):
    return [turn.text for turn in desk.session.conversation]


def test_a_question_is_edited_and_asked_again(desk):
    asked = desk.session.conversation.turns[0]
    assert desk.page("edit", asked.item_id, text="What is two plus five?", again=True) is None
    assert words(desk) == ["What is two plus five?", "2 plus 5 is 7."]
    assert desk.road.controls("changed") == [{"kind": "changed", "id": asked.item_id}]


def test_what_is_edited_only_is_not_asked(desk):
    answer = desk.session.conversation.turns[1]
    assert desk.page("edit", answer.item_id, text="Five.", again=False) is None
    assert words(desk) == ["What is two plus three?", "Five."]
    assert len(desk.session.conversation.replies) == 1


def test_a_turn_is_asked_again_and_taken_out(desk):
    asked, answer = desk.session.conversation.turns
    assert desk.page("rerun", asked.item_id) is None
    assert answer.deleted and words(desk)[1] == "2 plus 3 is 5."
    assert desk.page("delete", asked.item_id) is None
    assert words(desk) == ["2 plus 3 is 5."]


def test_asking_again_ends_the_answer_that_is_being_made(desk):
    asked = desk.session.conversation.turns[0]
    story = desk.session.ask("Tell me a story.")
    until(lambda: len(desk.session.conversation.replies) == 2)
    assert desk.page("rerun", asked.item_id) is None
    assert story.result(30).status == "cancelled"
    assert words(desk) == ["What is two plus three?", "2 plus 3 is 5."]


@pytest.mark.parametrize("kind", ["edit", "rerun", "delete"])
def test_a_turn_that_is_not_there_is_an_error_and_the_page_hears_of_the_end(desk, kind):
    error = desk.page(kind, "nobody", text="x", again=False)
    assert "there is no longer a turn 'nobody' in this conversation" in str(error)
    assert desk.road.controls("changed") == [{"kind": "changed", "id": "nobody"}]


def test_that_the_cache_is_lost_is_said_once_to_the_person(desk, monkeypatch):
    usage = desk.session.conversation.replies[0].usage
    monkeypatch.setattr(type(usage), "input_tokens", property(lambda self: 2_000))
    first, second = desk.session.conversation.turns
    desk.page("edit", second.item_id, text="Five.", again=False)
    desk.page("delete", first.item_id)
    (notice,) = desk.road.controls("notice")
    assert "editing a turn in the middle of a session empties the server's cache" in notice["text"]
    assert "about 2,000 tokens" in notice["text"]


def aside(desk, text):
    desk.page("aside", "", text=text)
    return desk.road.controls("aside")[-1]


def test_an_aside_is_answered_and_not_part_of_the_conversation(desk):
    told = aside(desk, "Give this conversation a title.")
    assert told["answer"] == "What is two plus three"
    assert told["cost"] == "Not part of the conversation; cost $0"
    assert words(desk) == ["What is two plus three?", "2 plus 3 is 5."]


def test_an_aside_that_fails_is_an_error_and_the_page_waits_no_longer(desk):
    assert "prompt is empty" in str(desk.page("aside", "", text=" "))
    assert desk.road.controls("aside") == [{"kind": "aside", "asked": "", "answer": "", "cost": ""}]


@pytest.mark.parametrize(
    ("kind", "place", "interrupted"), [("delete", 1, True), ("edit", 1, True), ("delete", 0, False)]
)
def test_what_is_taken_out_while_it_sounds_is_heard_no_further(desk, kind, place, interrupted):
    desk.playing = desk.session.conversation.turns[1].item_id
    heard = []
    desk.session.listen(lambda event, _: heard.append(event.type))
    assert desk.page(kind, desk.session.conversation.turns[place].item_id, text="Five.", again=False) is None
    assert ("session.interrupted" in heard) is interrupted
