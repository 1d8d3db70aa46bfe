"""Speaking over the answer in a real browser: what the audio thread counts, with a server that is the test."""

from pathlib import Path

import numpy as np
import pytest
from bare import until
from barriers import NO_SOCKETS
from conftest import TRACKS, chromium_with
from playwright.sync_api import expect
from scripted import ScriptedSession

import realtime_nb as rt
from realtime_nb.media.clip import AudioClip
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.local_events import EchoHeard
from realtime_nb.widgets.panel import VoicePanel

#: Of the samples of the scripted answer, a sine, so many are not next to zero.
AUDIBLE = 78 / 80
#: The browser's own processing would take the burst, or all of it, for noise.
OFF = dict.fromkeys(("echoCancellation", "noiseSuppression", "autoGainControl"), False)
WORDS = "one two three four five six seven eight nine ten"


@pytest.fixture(scope="session")
def coughing_browser(playwright, tmp_path_factory):
    """Chromium whose microphone hears 3 s of next to nothing, a burst of 250 ms, and next to nothing again."""
    rng = np.random.default_rng(1)
    samples = 0.0005 * rng.standard_normal(48_000 * 6)
    samples[48_000 * 3 : 48_000 * 3 + 12_000] += 0.3 * rng.standard_normal(12_000)
    file = AudioClip(samples, 48_000).save(tmp_path_factory.mktemp("audio") / "cough.wav")
    running = chromium_with(playwright, Path(file))
    yield running
    running.close()


@pytest.fixture
def browser(coughing_browser):
    return coughing_browser


@pytest.fixture
def session():
    return ScriptedSession()


@pytest.fixture
def panel(session, bare):
    return VoicePanel(session, constraints=OFF)


@pytest.fixture
def page(panel, visit):
    page = visit(TRACKS)
    until(lambda: panel.road == "direct")
    page.get_by_role("button", name="Connect", exact=True).click()
    return page


def status(page):
    return page.locator("[data-role=status]")


def test_a_cough_pauses_the_answer_and_loses_none_of_it(page, panel, session):
    status(page).evaluate(
        """(status) => {
            window.said = [];
            new MutationObserver(() => said.push(status.textContent)).observe(status, { childList: true });
        }"""
    )
    # The microphone coughs every 6 s, so once or twice in this answer.
    response = session.begin_answer("item-1", WORDS, seconds=6.5)
    session.end_answer(response, "item-1", WORDS)
    until(lambda: panel.playback.holds and not panel.playback.busy)
    assert panel.playback.holds <= 2
    said = page.evaluate("said")
    paused = said.index("Paused: is that you?")
    assert said[paused - 1] == said[paused + 1] == "The AI is speaking"
    turn = session.conversation.turn("item-1")
    assert (turn.played_ms, turn.interrupted, turn.heard_text) == (6500, False, WORDS)
    assert panel.playback.audible_samples == pytest.approx(156_000 * AUDIBLE, rel=0.005)


def test_speech_that_the_server_confirms_ends_the_answer_where_it_paused(page, panel, session):
    session.begin_answer("item-1", WORDS, seconds=20)
    until(lambda: panel.playback.holds)
    audible = panel.playback.audible_samples
    session.hear("item-2", "Stop!", previous="item-1")
    until(lambda: "stopped" in session.names())
    _, _, played_ms = next(call for call in session.calls if call[0] == "stopped")
    # Nothing was rendered between the pause and its confirmation but the fade.
    until(lambda: panel.playback.audible_samples >= audible)
    assert played_ms == pytest.approx(panel.playback.audible_samples / AUDIBLE / 24, abs=60)
    turn = session.conversation.turn("item-1")
    assert turn.interrupted and WORDS.startswith(turn.heard_text)


def test_a_kernel_that_hears_nothing_for_a_while_does_not_keep_the_answer_going(page, panel, session, bare):
    """As on the comm, where a cell that blocks holds every message."""
    session.begin_answer("item-1", WORDS, seconds=20)
    until(lambda: panel.playback.playing)
    handlers, panel._handlers = panel._handlers, {}
    on_frame, panel.line.on_frame = panel.line.on_frame, lambda frame: None
    expect(status(page)).to_have_text("Paused: is that you?")
    panel._handlers, panel.line.on_frame = handlers, on_frame
    until(lambda: panel.playback.holds)


def test_on_the_comm_of_a_kernel_whose_cell_runs_the_answer_pauses_and_ends_where_it_paused(bare, visit, session):
    """No message reaches the kernel meanwhile, and the server's word comes when the cell ends."""
    panel = VoicePanel(session, constraints=OFF)
    page = visit(TRACKS + NO_SOCKETS)
    until(lambda: panel.road == "comm")
    page.get_by_role("button", name="Connect", exact=True).click()
    until(lambda: session.audio)
    session.begin_answer("item-1", WORDS, seconds=20)
    expect(status(page)).to_have_text("The AI is speaking")
    until(lambda: panel.playback.playing)
    bare.block()
    expect(status(page)).to_have_text("Paused: is that you?")
    assert panel.playback.holds == 0  # Nobody has told the kernel.
    bare.unblock()
    session.hear("item-2", "Stop!", previous="item-1")
    until(lambda: "stopped" in session.names())
    _, _, played_ms = next(call for call in session.calls if call[0] == "stopped")
    assert panel.playback.holds >= 1  # On a busy machine the tone comes in pieces, and each is a reason to pause.
    until(lambda: panel.playback.audible_samples / AUDIBLE / 24 >= played_ms - 60)
    assert played_ms == pytest.approx(panel.playback.audible_samples / AUDIBLE / 24, abs=60)


def test_where_the_voice_talks_on_nothing_pauses_it(page, panel, session):
    session.turn_detection = {"type": "server_vad", "interrupt_response": False}
    session.hear("item-0", "Hm.")  # The page gets it with every state.
    response = session.begin_answer("item-1", WORDS, seconds=5)
    session.end_answer(response, "item-1", WORDS)
    until(lambda: not panel.playback.busy)
    assert panel.playback.holds == 0


def test_half_duplex_keeps_the_microphone_silent_while_the_answer_plays(page, panel, session):
    page.get_by_text("Settings", exact=True).click()
    page.get_by_label("Mute me while the AI speaks").check()
    until(lambda: panel.half_duplex)
    until(lambda: any(session.audio[-960:]))
    response = session.begin_answer("item-1", WORDS, seconds=4)
    session.end_answer(response, "item-1", WORDS)
    until(lambda: panel.playback.playing)
    until(lambda: session.audio[-960:] and not any(session.audio[-960:]))
    start = len(session.audio)
    until(lambda: not panel.playback.busy)
    sent = np.frombuffer(session.audio[start:-960], "<i2")
    assert len(sent) > 48_000 and not np.flatnonzero(sent).tolist()  # The burst, too.
    assert panel.playback.holds == 0
    until(lambda: any(session.audio[-960:]))


def test_half_duplex_can_be_asked_for_in_python_and_has_no_part_in_holding_the_button(bare, visit, session):
    panel = VoicePanel(session, half_duplex=True)
    page = visit(TRACKS)
    until(lambda: panel.road == "direct")
    page.get_by_text("Settings", exact=True).click()
    switch = page.get_by_label("Mute me while the AI speaks")
    expect(switch).to_be_checked()
    panel.half_duplex = False
    expect(switch).not_to_be_checked()
    panel.hands_free = False
    expect(switch).to_be_hidden()


#: The microphone hears what the page plays, 80 ms later and 10 dB softer, as from loudspeakers in a small room.
ECHO = """
const connect = AudioNode.prototype.connect;
let ear;
AudioNode.prototype.connect = function (target, ...rest) {
  if (target === this.context.destination) {
    ear = this.context.createMediaStreamDestination();
    const air = new DelayNode(this.context, { delayTime: 0.08 });
    const far = new GainNode(this.context, { gain: 0.3 });
    [this, air, far].reduce((from, to) => (connect.call(from, to), to));
    connect.call(far, ear);
  }
  return connect.call(this, target, ...rest);
};
navigator.mediaDevices.getUserMedia = async () => ear.stream;
"""


def test_a_voice_that_hears_itself_is_told_what_to_do(bare, visit, session):
    panel = VoicePanel(session)
    page = visit(ECHO)
    until(lambda: panel.road == "direct")
    page.get_by_role("button", name="Connect", exact=True).click()
    until(lambda: session.audio)
    clip = rt.speak("I can tell you the time, add numbers, and answer questions about orders.")
    response = session.begin_answer("item-1", WORDS, seconds=0.0)
    session.say(ev.ResponseOutputAudioDelta(response_id=response, item_id="item-1", delta=clip.to_pcm16()))
    until(lambda: (session.conversation.turn("item-1").played_ms or 0) > 1500)
    assert panel.playback.holds == 0  # Its own echo is no reason to pause.
    session.hear("item-2", "I can tell you", previous="item-1")
    expect(page.locator(".rtnb-notice")).to_contain_text("The AI interrupted itself")
    [echo] = [event for event in session.noted if isinstance(event, EchoHeard)]
    assert echo.item_id == "item-1" and echo.likeness > 0.7
    assert session.conversation.turn("item-1").echoed
    page.get_by_text("Settings", exact=True).click()
    page.get_by_label("Mute me while the AI speaks").check()
    expect(page.locator(".rtnb-notice")).to_be_hidden()
