"""Instructions and tools on the page, on a session of the local voice."""

import pytest
from browser.bare import until
from test_panel_link import RoadToNowhere

import realtime_nb as rt
from realtime_nb.loop import submit
from realtime_nb.widgets.desks import GuideDesk


def order_status(number: int) -> str:
    """Look up where an order is."""
    return "on its way"


@pytest.fixture
def session():
    session = rt.RealtimeSession(backend="local", turn_detection=None, instructions="Be kind.", tools=[order_status])
    yield session
    session.close().result(60)


def on_the_io_thread(function, *arguments, **options):
    async def call():
        function(*arguments, **options)

    submit(call()).result(30)


def test_a_page_is_told_before_anything_is_connected_and_only_of_what_changes(session):
    road = RoadToNowhere()
    desk = GuideDesk(session, road, None)
    on_the_io_thread(desk.tell, everything=True)
    on_the_io_thread(desk.tell)
    told = {"kind": "guide", "instructions": "Be kind.", "tools": ["order_status"]}
    assert road.sent == [told]
    on_the_io_thread(desk.tell, everything=True)
    assert road.sent == [told, told]


def test_what_the_person_writes_counts_from_the_next_answer_on(session):
    road, pendings = RoadToNowhere(), []
    desk = GuideDesk(session, road, pendings.append)
    session.listen(lambda event, _: desk.on_event(event))
    session.connect().result(60)
    session.ask("Hello!").result(60)
    on_the_io_thread(desk.handlers["instruct"], {"kind": "instruct", "text": "Be brief."})
    assert pendings[0].result(60) is None
    until(lambda: road.sent[-1]["instructions"] == "Be brief.")
    assert session.instructions == "Be brief."
    assert [session_break.text for session_break in session.conversation.breaks] == ["instructions changed"]
