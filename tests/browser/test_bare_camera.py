"""The camera in a real browser: Chromium's fake device shows a moving test picture."""

import numpy as np
import pytest
from bare import until
from barriers import NO_SOCKETS
from conftest import TRACKS
from playwright.sync_api import expect

from realtime_nb.errors import PictureError
from realtime_nb.sessions.realtime import RealtimeSession
from realtime_nb.widgets.camera import Camera

#: A film of one colour in place of a stream of ipywebrtc's.
SOURCE = """
window.film = (colour) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 240 });
  const context = canvas.getContext("2d");
  setInterval(() => { context.fillStyle = colour; context.fillRect(0, 0, 320, 240); }, 50);
  return (window.source = canvas.captureStream(20));
};
"""
FAILING = """navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", "NAME"); };"""


def shown(page):
    """How many previews show moving pictures."""
    return page.evaluate("[...document.querySelectorAll('video')].filter((v) => !v.hidden && v.videoWidth).length")


def test_a_snapshot_opens_the_camera_and_closes_it_again(bare, visit):
    camera = Camera()
    page = visit(TRACKS)
    picture = camera.snapshot().result(30)
    assert max(picture.width, picture.height) == 1024 and picture.mime_type == "image/jpeg"
    assert np.asarray(picture.image()).std() > 10  # the test picture, not a black frame
    page.wait_for_function("window.tracks.length === 1 && window.tracks[0].readyState === 'ended'")
    assert not camera.active and camera.error == ""
    small = camera.snapshot(max_side=200).result(30)
    assert max(small.width, small.height) == 200


def test_the_preview_stays_in_all_views_until_it_is_closed(bare, visit):
    camera = Camera()
    page = visit(TRACKS)
    until(lambda: camera.road)
    page.get_by_role("button", name="Camera on").click()
    until(lambda: camera.active)
    page.evaluate(f"window.addView('{camera.model_id}')")
    page.wait_for_function("[...document.querySelectorAll('video')].filter((v) => v.videoWidth).length === 2")
    assert page.evaluate("window.tracks.length") == 1
    camera.snapshot().result(30)
    assert page.evaluate("window.tracks[0].readyState") == "live"
    page.get_by_role("button", name="Camera off").first.click()
    until(lambda: not camera.active)
    page.wait_for_function("window.tracks[0].readyState === 'ended'")
    assert shown(page) == 0


def test_the_person_takes_a_picture(bare, visit):
    camera = Camera()
    page = visit()
    until(lambda: camera.road)
    page.get_by_role("button", name="Take picture").click()
    until(lambda: camera.picture)
    expect(page.get_by_text("1 picture taken")).to_be_visible()


def test_a_reload_loses_no_snapshot(bare, visit):
    camera = Camera()
    page = visit("if (!sessionStorage.seen) navigator.mediaDevices.getUserMedia = () => new Promise(() => {});")
    pending = camera.snapshot()
    page.evaluate("sessionStorage.seen = 1")
    bare.started.clear()
    page.reload()
    assert pending.result(30).width


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotAllowedError", "does not allow the camera"),
        ("NotFoundError", "No camera was found"),
        ("NotReadableError", "in use by another program"),
    ],
)
def test_a_refusal_is_said_in_words(bare, visit, name, words):
    camera = Camera()
    page = visit(FAILING.replace("NAME", name))
    with pytest.raises(PictureError, match=words):
        camera.snapshot().result(30)
    expect(page.get_by_role("alert")).to_contain_text(words)
    until(lambda: words in camera.error)
    page.get_by_role("button", name="Camera on").click()
    until(lambda: not camera.active)


def test_a_screen_needs_a_click(bare, visit):
    camera = Camera(source="screen")
    page = visit(SOURCE + "navigator.mediaDevices.getDisplayMedia = async () => window.film('rgb(0, 0, 200)');")
    until(lambda: camera.road)
    page.get_by_role("button", name="Share screen").click()
    until(lambda: camera.active)
    picture = camera.snapshot().result(30)
    assert (picture.width, picture.height) == (320, 240)
    page.evaluate("window.source.getTracks()[0].dispatchEvent(new Event('ended'))")
    expect(page.get_by_role("alert")).to_contain_text("no longer shared")
    until(lambda: not camera.active)


def test_sharing_a_screen_without_a_click_says_so(bare, visit):
    camera = Camera(source="screen")
    # The flag by which the fake camera is allowed allows screens as well.
    visit("navigator.mediaDevices.getDisplayMedia = async () => { throw new DOMException('', 'InvalidStateError'); };")
    with pytest.raises(PictureError, match="only after a click"):
        camera.snapshot().result(30)


def test_a_stream_that_is_not_ours_is_seen_and_left_running(bare, visit):
    from ipywebrtc import VideoStream
    from ipywidgets import Video

    camera = Camera(VideoStream(video=Video()))
    page = visit(SOURCE)
    page.evaluate(
        f"window.models.get('{camera.stream.model_id}').captureStream = async () => window.film('rgb(200, 30, 30)')"
    )
    picture = camera.snapshot().result(30)
    assert np.abs(np.asarray(picture.image()).reshape(-1, 3).mean(0) - (200, 30, 30)).max() < 12
    assert page.evaluate("window.source.getTracks()[0].readyState") == "live"


def test_pictures_come_over_the_comm_where_there_is_no_socket(bare, visit):
    camera = Camera()
    visit(NO_SOCKETS)
    until(lambda: camera.road == "comm")
    assert camera.snapshot().result(30).width == 1024


def test_a_session_watches_it(bare, visit):
    camera = Camera()
    page = visit(TRACKS)
    with RealtimeSession(backend="local") as session:
        watch = session.watch(camera, every_s=0.2, max_frames=3, min_change=0)
        until(lambda: watch.ended, 20)
        assert len(watch.frames) == 3 and watch.problem == ""
        assert max(watch.frames[0].width, watch.frames[0].height) == 512
        assert "You showed me 3 pictures" in session.ask("What do you see?").result(30).transcript
    until(lambda: not camera.active)
    page.wait_for_function("window.tracks.length === 1 && window.tracks[0].readyState === 'ended'")
