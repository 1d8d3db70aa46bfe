"""The camera in the panel, with the local voice: what is shown is seen, priced, and spoken of."""

import re

import pytest
from axe import faults_in_each_theme
from bare import until
from conftest import TRACKS
from playwright.sync_api import expect
from test_bare_access import what_does_not_fit
from test_bare_camera import FAILING, SOURCE

import realtime_nb as rt
from realtime_nb.widgets.panel import VoicePanel

RED = "Your picture is 320 by 240 pixels and all red."


@pytest.fixture
def session():
    with rt.RealtimeSession(backend="local", turn_detection=None) as session:
        yield session


@pytest.fixture
def panel(session, bare):
    return VoicePanel(session, camera=rt.Camera(), watch_every_s=0.2)


def opened(panel, visit, init=TRACKS):
    page = visit(init)
    until(lambda: panel.road == "direct" and panel.camera.road)
    return page


def film(colour):
    """The browser's camera, filming one colour."""
    return SOURCE + f"navigator.mediaDevices.getUserMedia = async () => window.film('{colour}');"


def told(page):
    return page.locator("[data-role=told]")


def test_a_picture_is_asked_about_with_what_is_typed(panel, session, visit):
    page = opened(panel, visit, film("rgb(200, 30, 30)"))
    page.get_by_label("Type a message").fill("What is this?")
    page.get_by_role("button", name="Ask about it").click()
    rows = page.locator(".rtnb-turn")
    expect(rows.nth(1)).to_contain_text(RED)
    expect(rows.nth(0)).to_contain_text("What is this?")
    picture = rows.nth(0).get_by_role("img")
    expect(picture).to_have_attribute("alt", "[picture, 320 × 240]")
    page.wait_for_function("document.querySelector('.rtnb-shown img').naturalWidth === 160")
    expect(rows.nth(0).locator("figcaption")).to_contain_text("about 255 tokens")
    expect(told(page)).to_contain_text("1 picture shown, about 255 tokens")
    expect(page.get_by_label("Type a message")).to_have_value("")


def test_a_picture_that_is_shown_is_not_asked_about_and_the_next_answer_has_seen_it(panel, session, visit):
    page = opened(panel, visit, film("rgb(200, 30, 30)"))
    page.get_by_role("button", name="Show to the AI").click()
    expect(page.locator(".rtnb-shown img")).to_be_visible()
    assert session.conversation.replies == []
    page.get_by_label("Type a message").fill("What do you see?")
    page.keyboard.press("Enter")
    expect(page.locator(".rtnb-turn").nth(2)).to_contain_text(RED)


def test_it_keeps_showing_until_the_switch_is_off_and_tells_what_that_costs(panel, session, visit):
    page = opened(panel, visit)
    switch = page.get_by_label("Keep showing, every 0.2 s")
    switch.check()
    expect(page.locator(".rtnb-shown img")).not_to_have_count(0)
    expect(told(page)).to_have_text(re.compile(r"^\d+ pictures shown, about [\d,]+ tokens"))
    expect(told(page)).to_have_attribute("aria-live", "off")  # Or a screen reader would count every one.
    page.wait_for_function("document.querySelector('.rtnb-seeing video').videoWidth > 0")
    switch.click()  # Not `uncheck`: a report that is under way can tick it once more.
    expect(switch).not_to_be_checked()
    until(lambda: not panel.camera.active)
    page.wait_for_function("window.tracks.length && window.tracks.every((track) => track.readyState === 'ended')")
    assert session.conversation.replies == []


def test_a_hidden_panel_stops_watching(panel, session, visit):
    page = opened(panel, visit)
    page.get_by_label("Keep showing").check()
    expect(page.locator(".rtnb-shown img")).not_to_have_count(0)
    page.evaluate(f"window.models.get('{panel.model_id}').hide()")
    until(lambda: not panel.line._camera._watches[-1].is_running)
    page.wait_for_function("window.tracks.length && window.tracks.every((track) => track.readyState === 'ended')")


def test_a_camera_that_is_refused_says_so_once(panel, visit):
    page = opened(panel, visit, FAILING.replace("NAME", "NotAllowedError"))
    page.get_by_role("button", name="Show to the AI").click()
    expect(page.get_by_role("alert").filter(has_text="does not allow the camera")).to_have_count(1)
    expect(page.get_by_role("button", name="Show to the AI")).to_be_enabled()
    assert panel.error == ""
    # Whatever the panel draws next leaves the camera's alert alone.
    panel.error = "Something else."
    expect(page.get_by_role("alert").filter(has_text="Something else.")).to_have_count(1)
    panel.error = ""
    expect(page.get_by_role("alert").filter(has_text="Something else.")).to_have_count(0)
    expect(page.get_by_role("alert").filter(has_text="does not allow the camera")).to_have_count(1)


def test_a_stream_of_ipywebrtc_is_a_camera(session, bare, visit):
    from ipywebrtc import VideoStream
    from ipywidgets import Video

    panel = VoicePanel(session, camera=VideoStream(video=Video()))
    page = opened(panel, visit, SOURCE)
    source = f"window.models.get('{panel.camera.stream.model_id}')"
    page.evaluate(source + ".captureStream = async () => window.film('rgb(200, 30, 30)')")
    page.get_by_role("button", name="Ask about it").click()
    expect(page.locator(".rtnb-assistant")).to_contain_text(RED)


def test_everybody_can_use_it(panel, visit):
    page = opened(panel, visit)
    page.get_by_role("button", name="Camera on").click()
    page.get_by_role("button", name="Show to the AI").click()
    expect(page.locator(".rtnb-shown img")).to_be_visible()
    assert "\n".join(faults_in_each_theme(page, "#main")) == ""
    assert what_does_not_fit(page, 320) == []


def test_a_panel_without_a_camera_has_no_buttons_for_one(session, bare, visit):
    panel = VoicePanel(session)
    page = visit()
    until(lambda: panel.road == "direct")
    expect(page.locator(".rtnb-seeing")).to_be_hidden()
