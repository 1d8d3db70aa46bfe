"""A panel's camera on a session of the local voice, with the test as page."""

import numpy as np
import pytest
from browser.bare import until
from test_panel_link import RoadToNowhere

import realtime_nb as rt
from realtime_nb.errors import PictureError
from realtime_nb.loop import submit
from realtime_nb.media.picture import Picture
from realtime_nb.widgets.desks import CameraDesk

BLUE = Picture.of(np.full((48, 64, 3), (0, 0, 200), np.uint8))
SEEN = "Your picture is 64 by 48 pixels and all blue."


class Webcam:
    """A camera without a page: it shows blue, or fails."""

    active, error = False, ""

    def __init__(self):
        self.failure = None

    def snapshot(self, *, max_side=1024, detail="auto"):
        async def take():
            if self.failure:
                raise self.failure
            return Picture.of(BLUE, detail=detail)

        return submit(take())

    def start(self):
        self.active = True

    def stop(self):
        self.active = False


class Desk:
    def __init__(self, session):
        self.session = session
        self.camera, self.road = Webcam(), RoadToNowhere()
        self.pendings, self.silenced = [], []
        self.desk = CameraDesk(
            session,
            self.road,
            self.camera,
            0.05,
            watch=self.pendings.append,
            make_silent=lambda: self.silenced.append(True),
        )

    def page(self, kind, **fields):
        """Let the page ask for something; return what went wrong."""

        async def take():
            self.desk.handlers[kind]({"kind": kind, **fields})

        submit(take()).result(30)
        return self.pendings[-1].exception(20) if self.pendings else None

    @property
    def told(self):
        return self.road.controls("camera")[-1]


@pytest.fixture
def desk():
    with rt.RealtimeSession(backend="local", turn_detection=None) as session:
        yield Desk(session)


def test_a_picture_is_shown_and_not_asked_about(desk):
    assert desk.page("show_picture") is None
    assert desk.session.conversation.replies == [] and desk.silenced == []
    assert desk.told["told"] == "1 picture shown, about 255 tokens, $0 to read once"
    assert SEEN in desk.session.ask("What do you see?").result(20).transcript


@pytest.mark.parametrize("text", ["What is this?", "  "])
def test_a_picture_is_asked_about_with_words_or_without(desk, text):
    assert desk.page("ask_picture", text=text) is None
    asked, answer = desk.session.conversation.turns
    assert (asked.text, len(asked.pictures)) == (text.strip(), 1)
    assert SEEN in answer.text
    assert desk.silenced == [True]
    assert [message["taking"] for message in desk.road.controls("camera")] == [True, False, False]


def test_what_it_costs_is_told_where_the_price_is_known(desk):
    desk.session.model = "gpt-realtime-2.1"
    desk.page("show_picture")
    assert desk.told["told"] == "1 picture shown, about 255 tokens, $0.00128 to read once"


def test_it_looks_until_it_is_told_to_stop(desk):
    desk.page("watch", on=True)
    until(lambda: desk.told["told"].endswith("not shown, because hardly anything had changed"))
    assert desk.told["watching"] and desk.told["told"].startswith("1 picture shown, about 85 tokens, $0 to read once; ")
    desk.page("watch", on=False)
    until(lambda: not desk.told["watching"])
    until(lambda: not desk.camera.active)


def test_a_look_that_failed_and_a_watch_that_ended_by_itself_are_reported(desk):
    desk.camera.failure = PictureError("the camera is covered")
    desk.page("watch", on=True)
    until(lambda: "the last picture failed: the camera is covered" in desk.told["told"])
    desk.session.close().result(30)
    until(lambda: not desk.told["watching"])
    desk.camera.failure = None


def test_a_camera_that_fails_is_an_error_unless_its_own_view_says_why(desk):
    desk.camera.failure = PictureError("no picture within 30 s: show the camera in a cell first")
    assert isinstance(desk.page("show_picture"), PictureError)
    desk.camera.error = "No camera was found."
    assert desk.page("show_picture") is None
    assert desk.session.conversation.turns == []
    assert desk.told["taking"] is False
