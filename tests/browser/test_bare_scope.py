"""The scope in a real browser: frames drawn, pixels that follow the sound, and a kernel that hears nothing of it."""

import numpy as np
import pytest
from bare import until
from scripted import ScriptedSession

from realtime_nb.media.clip import AudioClip
from realtime_nb.widgets.microphone import Microphone
from realtime_nb.widgets.panel import VoicePanel
from realtime_nb.widgets.scope import Scope
from realtime_nb.widgets.speaker import Speaker

#: Counts the frames of each canvas, and times them; benchmarks/scope.py has how many there are in a second.
FRAMES = """
window.frames_ms = new Map();
const put = CanvasRenderingContext2D.prototype.putImageData;
CanvasRenderingContext2D.prototype.putImageData = function (...args) {
  const list = window.frames_ms.get(this.canvas) ?? [];
  window.frames_ms.set(this.canvas, [...list, performance.now()]);
  return put.apply(this, args);
};
window.frames = (selector) => (window.frames_ms.get(document.querySelector(selector)) ?? []).length;
"""
#: Whether there is something bright in the lower part of the picture, where loud energy is; and where, from the top.
BRIGHT = """(selector) => {
  const canvas = document.querySelector(selector);
  const { data, width, height } = canvas.getContext("2d").getImageData(0, 28, canvas.width, canvas.height - 28);
  const rows = new Set();
  for (let i = 0; i < data.length; i += 4) if (data[i] > 200) rows.add(Math.floor(i / 4 / width));
  return [...rows].sort((a, b) => a - b);
}"""


def tone(seconds, hz=440.0):
    t = np.arange(round(24_000 * seconds)) / 24_000
    return AudioClip(0.3 * np.sin(2 * np.pi * hz * t), 24_000)


def wait_for_frames(page, selector, count=20):
    """Wait until that many more frames are drawn."""
    had = page.evaluate("window.frames", selector)
    page.wait_for_function(
        "([selector, wanted]) => window.frames(selector) >= wanted", arg=[selector, had + count], timeout=20_000
    )


@pytest.fixture
def speaker(bare):
    return Speaker()


@pytest.fixture
def scope(speaker):
    return Scope(speaker)


@pytest.fixture
def page(scope, speaker, visit):
    page = visit(FRAMES)
    page.click("#main")
    until(lambda: speaker.road == "direct")
    return page


def test_what_is_played_is_drawn_at_its_height(page, speaker):
    playing = speaker.play(tone(6.0, hz=3_000))
    wait_for_frames(page, ".rtnb-lane-player canvas")
    high = page.evaluate(BRIGHT, ".rtnb-lane-player canvas")
    speaker.stop()
    playing.result(30)
    page.wait_for_function(f"() => !({BRIGHT})('.rtnb-lane-player canvas').length", timeout=20_000)
    speaker.play(tone(2.0, hz=300)).result(30)
    low = page.evaluate(BRIGHT, ".rtnb-lane-player canvas")
    assert high and low and np.mean(low) - np.mean(high) > 10


def test_nothing_is_drawn_of_silence(page, speaker):
    speaker.play(tone(0.3)).result(30)
    # The picture runs out, and drawing stops.
    page.wait_for_function(
        """() => {
          const times = window.frames_ms.get(document.querySelector(".rtnb-lane-player canvas")) ?? [0];
          return performance.now() - times[times.length - 1] > 1500;
        }""",
        timeout=20_000,
    )
    assert page.evaluate(BRIGHT, ".rtnb-lane-player canvas") == []


def test_the_kernel_hears_nothing_of_it(page, speaker, scope, bare):
    sent = []
    scope.on_msg(lambda *message: sent.append(message))
    before = bare.upstream_messages
    speaker.play(tone(2.0)).result(30)
    assert page.evaluate("window.frames", ".rtnb-lane-player canvas") > 20
    assert sent == [] and bare.upstream_messages == before


def test_a_kernel_that_is_busy_stops_no_frame(page, speaker, bare):
    speaker.play(tone(8.0))
    wait_for_frames(page, ".rtnb-lane-player canvas", 10)
    bare.block()
    wait_for_frames(page, ".rtnb-lane-player canvas")
    bare.unblock()


def test_a_view_that_goes_away_draws_no_more(page, speaker, scope):
    speaker.play(tone(8.0))
    wait_for_frames(page, ".rtnb-lane-player canvas", 10)
    page.evaluate(
        "(id) => { window.canvas = document.querySelector('canvas'); models.get(id).hide(); }", scope.model_id
    )
    assert page.locator("canvas").count() == 0
    drawn = "(window.frames_ms.get(window.canvas) ?? []).length"
    had = page.evaluate(drawn)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate(drawn) == had


def test_with_reduced_motion_the_picture_stands_still(speaker, scope, visit):
    moves = "CanvasRenderingContext2D.prototype.drawImage = () => { window.moved = true; };"
    page = visit(FRAMES + moves, reduced_motion="reduce")
    page.click("#main")
    until(lambda: speaker.road == "direct")
    speaker.play(tone(2.0)).result(30)
    assert page.evaluate("window.frames", ".rtnb-lane-player canvas") > 20
    assert not page.evaluate("window.moved")


def test_a_microphone_is_drawn_and_when_muted_it_is_silence(bare, visit):
    microphone = Microphone()
    scope = Scope(microphone)
    page = visit(FRAMES)
    until(lambda: microphone.road == "direct")
    page.get_by_role("button", name="Record").click()
    canvas = ".rtnb-lane-capture canvas"
    page.wait_for_function(f"() => ({BRIGHT})('{canvas}').length > 0", timeout=20_000)
    wait_for_frames(page, canvas)
    page.get_by_role("button", name="Mute").click()
    page.wait_for_function(f"() => !({BRIGHT})('{canvas}').length", timeout=20_000)
    scope.close()


@pytest.mark.parametrize("reduced_motion", ["no-preference", "reduce"])
def test_the_panel_shows_both_sides_unless_nothing_may_move(bare, visit, reduced_motion):
    session = ScriptedSession()
    panel = VoicePanel(session)
    page = visit(FRAMES, reduced_motion=reduced_motion)
    until(lambda: panel.road == "direct")
    page.get_by_text("Details", exact=True).click()
    assert not page.get_by_text("Sound", exact=True).is_visible()
    page.get_by_role("button", name="Connect", exact=True).click()
    until(lambda: session.audio)
    if reduced_motion == "reduce":
        assert not page.locator(".rtnb-scope canvas").first.is_visible()
        page.get_by_text("Sound", exact=True).click()
    session.begin_answer("item-2", "Good morning to you.", seconds=6.0)
    for side in ("capture", "player"):
        page.wait_for_function(f"() => ({BRIGHT})('.rtnb-lane-{side} canvas').length > 0", timeout=20_000)
        wait_for_frames(page, f".rtnb-lane-{side} canvas", 30)
    assert page.locator(".rtnb-axis").all_inner_texts() == ["You\n8 kHz\n60 Hz", "AI\n8 kHz\n60 Hz"]
    # A picture that stands still is overwritten from left to right, so no place in it is "now".
    times = ["−8 s", "now"] if reduced_motion == "no-preference" else []
    assert page.locator(".rtnb-clock span").all_text_contents() == times
