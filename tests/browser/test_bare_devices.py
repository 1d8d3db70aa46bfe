"""Microphones that are missing, forbidden, taken from another widget, or of another rate."""

import numpy as np
import pytest
from bare import until
from conftest import chromium_with
from playwright.sync_api import expect
from scripted import ScriptedSession

from realtime_nb.widgets.microphone import Microphone
from realtime_nb.widgets.panel import VoicePanel


def failing(name, **fields):
    extra = "".join(f"error.{key} = {value!r};" for key, value in fields.items())
    return f"""navigator.mediaDevices.getUserMedia = async () => {{
      const error = new DOMException("", "{name}"); {extra} throw error;
    }};"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotAllowedError", "does not allow the microphone"),
        ("NotFoundError", "No microphone was found"),
        ("NotReadableError", "in use by another program"),
    ],
)
def test_a_refusal_is_said_in_words_and_the_panel_still_connects(bare, visit, name, words):
    session = ScriptedSession()
    panel = VoicePanel(session)
    page = visit(failing(name))
    until(lambda: panel.road)
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text(words)
    until(lambda: words in panel.error)
    assert session.state == "open"
    page.get_by_label("Type a message").fill("Hello")
    page.keyboard.press("Enter")
    until(lambda: ("ask", "Hello") in session.calls)


def test_record_fails_with_the_browsers_words(bare, visit):
    microphone = Microphone()
    visit(failing("NotFoundError"))
    until(lambda: microphone.road)
    with pytest.raises(Exception, match="No microphone was found"):
        microphone.record(1.0).result(30)
    assert not microphone.recording


def test_an_insecure_page_says_how_to_open_it(bare, playwright, browser):
    session = ScriptedSession()
    VoicePanel(session)
    insecure = playwright.chromium.launch(
        executable_path="/usr/bin/chromium",
        args=["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP lan.example 127.0.0.1"],
    )
    try:
        page = insecure.new_page()
        page.goto(bare.url.replace("127.0.0.1", "lan.example"))
        assert bare.started.wait(30)
        # No proxy here, and its reader's own ports are not tried: the comm is the only road.
        expect(page.locator("[data-role=facts]")).to_contain_text("widget messages")
        page.get_by_role("button", name="Connect", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("http://localhost or over https")
    finally:
        insecure.close()


def test_a_microphone_that_is_unplugged_is_missed(bare, visit):
    session = ScriptedSession()
    panel = VoicePanel(session)
    page = visit(
        """const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (c) => (window.stream = await get(c));"""
    )
    page.get_by_role("button", name="Connect", exact=True).click()
    until(lambda: session.audio)
    page.evaluate("window.stream.getTracks()[0].dispatchEvent(new Event('ended'))")
    expect(page.get_by_role("alert")).to_contain_text("unplugged")
    until(lambda: "unplugged" in panel.error)
    page.get_by_role("button", name="Turn on microphone").click()
    session.audio.clear()
    until(lambda: session.audio)


def test_a_browser_that_refuses_24_khz_is_resampled_here(bare, visit):
    microphone = Microphone()
    visit(
        """const create = AudioContext.prototype.createMediaStreamSource;
        AudioContext.prototype.createMediaStreamSource = function (stream) {
          if (this.sampleRate === 24000) throw new DOMException("another rate", "NotSupportedError");
          return create.call(this, stream);
        };"""
    )
    rates = set()
    take = microphone._on_frame
    microphone._on_frame = lambda frame: (rates.add(frame.sample_rate), take(frame))
    until(lambda: microphone.road)
    clip = microphone.record(2.0).result(30)
    assert rates and rates != {24_000}
    spectrum = np.abs(np.fft.rfft(clip.samples))
    assert abs(np.argmax(spectrum) / clip.duration_s - 440) < 3


def test_a_source_that_is_not_ours_is_heard_and_left_running(bare, visit):
    from ipywebrtc import AudioStream
    from ipywidgets import Audio

    microphone = Microphone(AudioStream(audio=Audio()))
    page = visit(
        """window.addEventListener("load", () => {
          const context = new AudioContext(), tone = context.createOscillator();
          const out = context.createMediaStreamDestination();
          tone.frequency.value = 880; tone.connect(out); tone.start();
          window.source = out.stream;
          window.resumeTone = () => context.resume();
        });"""
    )
    # What ipywebrtc's model offers, on a page that does not have ipywebrtc.
    page.evaluate(f"window.models.get('{microphone.stream.model_id}').captureStream = async () => window.source")
    page.evaluate("window.resumeTone()")
    until(lambda: microphone.road)
    clip = microphone.record(1.0).result(30)
    spectrum = np.abs(np.fft.rfft(clip.samples))
    assert abs(np.argmax(spectrum) / clip.duration_s - 880) < 5
    assert page.evaluate("window.source.getTracks()[0].readyState") == "live"


def test_a_click_that_is_taken_back_opens_no_microphone(bare, visit):
    microphone = Microphone()
    page = visit(
        """const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        window.tracks = [];
        navigator.mediaDevices.getUserMedia = async (c) => {
          await new Promise((resolve) => (window.answer = resolve));
          const stream = await get(c);
          window.tracks.push(...stream.getTracks());
          return stream;
        };"""
    )
    until(lambda: microphone.road)
    page.get_by_text("● Record").click()
    page.wait_for_function("() => Boolean(window.answer)")
    page.get_by_text("■ Stop").click()
    page.evaluate("window.answer()")
    page.wait_for_function("window.tracks.length === 1 && window.tracks[0].readyState === 'ended'")
    until(lambda: not microphone.recording)


def test_without_any_microphone_one_is_asked_for(bare, playwright):
    microphone = Microphone()
    browser = chromium_with(playwright, None)
    try:
        context = browser.new_context(permissions=["microphone"])
        page = context.new_page()
        page.goto(bare.url)
        assert bare.started.wait(30)
        page.get_by_text("● Record").click()
        expect(page.get_by_role("alert")).to_contain_text("No microphone was found")
        until(lambda: "No microphone" in microphone.error)
    finally:
        browser.close()
