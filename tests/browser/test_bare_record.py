"""The record of a talk in a real browser: its picture is the seek bar of its player."""

import json

import axe
import pytest
import record_samples as samples
import wire_samples as wire
from bare import until
from playwright.sync_api import expect

import realtime_nb as rt
from realtime_nb.protocol import events as ev


def add_answer(conversation, number, seconds):
    before = f"A{number - 1}" if number else None
    pcm = samples.sound(1000 * seconds)
    for each in wire.audio_answer(
        f"A{number}", response_id=f"R{number}", previous=before, words=[f"Answer {number}."], pcm=pcm
    ):
        conversation.apply(ev.decode_server(json.dumps(each)), 100.0)


@pytest.fixture
def record(bare):
    conversation = rt.Conversation()
    add_answer(conversation, 0, 4)
    add_answer(conversation, 1, 4)
    record = rt.ConversationRecord(conversation)
    until(lambda: record._html)
    return record


def time_s(page):
    return page.locator("audio").first.evaluate("audio => audio.currentTime")


def test_the_picture_is_the_seek_bar_by_pointer_and_by_key(record, visit):
    page = visit()
    bar = page.get_by_role("slider", name="Place in the talk")
    box = bar.bounding_box()
    left, right = (float(bar.get_attribute(f"data-rtnb-{side}")) for side in ("left", "right"))
    page.mouse.click(box["x"] + box["width"] * (left + 0.75 * (1 - left - right)), box["y"] + box["height"] / 2)
    assert time_s(page) == pytest.approx(6.0, abs=0.1)
    expect(bar).to_have_attribute("aria-valuetext", "6.0 of 8.0 seconds. 0:04 AI voice: Answer 1.")
    bar.press("ArrowLeft")
    bar.press("ArrowLeft")
    assert time_s(page) == pytest.approx(2.0, abs=0.1)
    expect(page.get_by_text("0:00 AI voice: Answer 0.")).to_be_visible()
    page.get_by_role("button", name="0:04", exact=True).click()
    page.wait_for_function("() => document.querySelector('audio').currentTime > 4")
    assert "\n".join(axe.faults_in_each_theme(page, "#main")) == ""


def test_a_record_that_grows_plays_on_and_keeps_its_folds_open(record, visit):
    page = visit()
    page.get_by_text("Each turn by itself").click()
    page.get_by_role("button", name="0:04", exact=True).last.click()
    page.wait_for_function("() => document.querySelector('audio').currentTime > 4")
    add_answer(record.conversation, 2, 30)
    record._redraw.want()
    expect(page.get_by_role("button", name="0:08", exact=True).last).to_be_visible()  # In the fold.
    page.wait_for_function("() => document.querySelector('audio').currentTime > 5")


def test_a_session_without_a_talk_is_refused():
    with pytest.raises(TypeError, match="int has no conversation"):
        rt.ConversationRecord(3)
