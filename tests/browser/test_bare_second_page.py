"""Several pages on one panel: one has the sound, the others watch."""

import numpy as np
import pytest
from bare import until
from barriers import NO_SOCKETS, NO_WORKER
from conftest import TRACKS
from playwright.sync_api import expect

from realtime_nb.media.clip import AudioClip
from realtime_nb.widgets import road
from realtime_nb.widgets.camera import Camera
from realtime_nb.widgets.microphone import Microphone
from realtime_nb.widgets.speaker import Speaker

ELSEWHERE = "Somebody talks in another window"
#: A tab that was duplicated, of a kernel behind jupyter-server-proxy, which passes no close code on.
TWIN = (
    NO_WORKER
    + """
Storage.prototype.getItem = () => "twin";
self.WebSocket = class extends self.WebSocket {
  set onclose(told) { super.onclose = () => told({ code: 1005 }); }
};
"""
)
ROADS = pytest.mark.parametrize(("init", "kind"), [(TRACKS, "direct"), (TRACKS + NO_SOCKETS, "comm")])


def status(page):
    return page.locator("[data-role=status]")


def turns(page):
    return page.locator(".rtnb-turn .rtnb-line")


def connect(page, session):
    page.get_by_role("button", name="Connect", exact=True).click()
    until(lambda: session.audio)
    expect(status(page)).to_have_text("Listening: just speak")


@ROADS
def test_a_second_page_watches_until_someone_talks_there(session, panel, visit, init, kind):
    first = visit(init)
    until(lambda: panel.road == kind)
    connect(first, session)
    session.hear("item-1", "Good morning!")
    second = visit(init)
    expect(status(second)).to_have_text(ELSEWHERE)
    expect(turns(second)).to_have_text(["YouGood morning!"])
    response = session.begin_answer("item-2", "And to you.", seconds=0.1, previous="item-1")
    session.end_answer(response, "item-2", "And to you.")
    for page in first, second:
        expect(turns(page)).to_have_text(["YouGood morning!", "AIAnd to you."])
    # It only looks: nothing there can be pressed but one button.
    buttons = second.locator("button:visible:enabled")
    expect(buttons).to_have_text(["Talk here"])
    expect(second.get_by_label("Type a message")).to_be_disabled()
    before = len(session.audio)
    until(lambda: len(session.audio) > before + 24_000)
    expect(status(first)).to_have_text("Listening: just speak")
    expect(first.locator("[data-role=facts]")).to_contain_text("1 other window is watching")

    buttons.click()
    expect(status(second)).to_have_text("Listening: just speak")
    expect(status(first)).to_have_text(ELSEWHERE)
    first.wait_for_function("window.tracks.length === 1 && window.tracks[0].readyState === 'ended'")
    response = session.begin_answer("item-3", "Here I am.", seconds=0.5, previous="item-2")
    session.end_answer(response, "item-3", "Here I am.")
    expect(turns(first)).to_have_count(3)
    until(lambda: panel.playback.audible_samples > 11_000)
    assert panel.road == kind and session.names().count("close") == 0


def test_a_reload_keeps_the_sound_and_a_closed_page_passes_it_on(session, panel, visit, monkeypatch):
    monkeypatch.setattr(road, "_RETURNS_WITHIN_S", 600.0)
    first = visit()
    connect(first, session)
    second = visit()
    expect(status(second)).to_have_text(ELSEWHERE)
    first.reload()
    expect(status(first)).to_have_text("Connected, microphone off")
    expect(status(second)).to_have_text(ELSEWHERE)
    monkeypatch.setattr(road, "_RETURNS_WITHIN_S", 0.0)
    first.goto("about:blank")
    expect(status(second)).to_have_text("Connected, microphone off")
    assert session.state == "open"


def test_two_tabs_with_one_name_do_not_take_the_sound_from_each_other(session, panel, visit):
    first = visit(TWIN)
    connect(first, session)
    second = visit(TWIN)
    expect(status(first)).to_have_text(ELSEWHERE)
    expect(second.locator("[data-role=facts]")).to_contain_text("1 other window is watching")


def has_stopped(page):
    """Wait until a page has let its one track go."""
    page.wait_for_function("window.tracks.length === 1 && window.tracks[0].readyState === 'ended'")


@ROADS
def test_a_microphone_moves_to_where_it_is_used(bare, visit, init, kind):
    microphone = Microphone()
    heard = []
    microphone.on_audio(heard.append)
    first = visit(init)
    until(lambda: microphone.road == kind)
    first.get_by_role("button", name="Record").click()
    until(lambda: heard)
    second = visit(init)
    use_here = second.get_by_role("button", name="Use here")
    expect(second.get_by_text("In use in another window.")).to_be_visible()
    expect(second.locator("button:visible:enabled")).to_have_text(["Use here"])
    assert second.evaluate("window.tracks.length") == 0
    use_here.click()
    # It goes on recording there.
    expect(second.get_by_role("button", name="Stop recording")).to_be_visible()
    has_stopped(first)
    expect(first.get_by_role("button", name="Use here")).to_be_visible()
    heard.clear()
    until(lambda: len(heard) > 5)
    assert microphone.recording and microphone.road == kind
    second.get_by_role("button", name="Stop recording").click()
    has_stopped(second)
    until(lambda: not microphone.recording)


@ROADS
def test_a_speaker_moves_to_where_it_is_to_be_played(bare, visit, init, kind):
    speaker = Speaker()
    first = visit(init)
    first.click("#main")  # Browsers let a page sound only after a gesture.
    until(lambda: speaker.road == kind)
    pending = speaker.play(AudioClip(0.1 * np.ones(24_000 * 60)))
    until(lambda: speaker.playback.audible_samples)
    second = visit(init)
    play_here = second.get_by_role("button", name="Play here")
    expect(play_here).to_be_visible()
    assert speaker.playing and not pending.done()
    play_here.click()
    # The rest of the clip was in the first page, and is gone with its sound.
    assert 0 < pending.result(30) < 60_000
    expect(first.get_by_role("button", name="Play here")).to_be_visible()
    expect(play_here).to_be_hidden()
    assert speaker.play(AudioClip(0.1 * np.ones(4_800))).result(30) == pytest.approx(200, abs=0.1)
    assert speaker.road == kind and not speaker.playing


@ROADS
def test_a_camera_moves_to_where_it_is_used(bare, visit, init, kind):
    camera = Camera()
    first = visit(init)
    until(lambda: camera.road == kind)
    first.get_by_role("button", name="Camera on").click()
    until(lambda: camera.active)
    second = visit(init)
    use_here = second.get_by_role("button", name="Use here")
    expect(second.locator("button:visible:enabled")).to_have_text(["Use here"])
    assert second.evaluate("window.tracks.length") == 0
    use_here.click()
    expect(second.get_by_role("button", name="Camera off")).to_be_visible()
    has_stopped(first)
    expect(first.get_by_role("button", name="Use here")).to_be_visible()
    assert camera.snapshot().result(30).width
    assert camera.active and camera.road == kind
