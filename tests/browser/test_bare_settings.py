"""Settings in the panel: devices, which the browser remembers, and those of the session."""

import pytest
from bare import until
from conftest import TRACKS
from playwright.sync_api import expect

from realtime_nb.errors import ServerError

#: Notes where the page plays, and how loud: an analyser beside each loudspeaker.
LOUDSPEAKERS = """
window.contexts = [];
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  if (target instanceof AudioDestinationNode) {
    const { context } = target;
    context.heard = new AnalyserNode(context, { fftSize: 2048 });
    connect.call(this, context.heard);
    window.contexts.push(context);
  }
  return connect.call(this, target, ...rest);
};
window.loudness = () => {
  const { heard } = window.contexts.at(-1);
  const samples = new Float32Array(heard.fftSize);
  heard.getFloatTimeDomainData(samples);
  return Math.max(...samples.map(Math.abs));
};
"""
MICROPHONE = "window.tracks.filter((track) => track.readyState === 'live').map((track) => track.label).join()"


@pytest.fixture
def page(panel, visit, session):
    page = visit(TRACKS + LOUDSPEAKERS)
    until(lambda: panel.road == "direct")
    page.get_by_text("Settings", exact=True).click()
    return page


def connect(page, session):
    page.get_by_role("button", name="Connect", exact=True).click()
    until(lambda: session.audio)


def choose(page, name, label):
    page.get_by_label(name, exact=True).select_option(label=label)


def test_devices_change_during_a_talk_and_the_browser_remembers_them(page, panel, session, bare):
    connect(page, session)
    choose(page, "Microphone", "Fake Audio Input 2")
    page.wait_for_function(f"{MICROPHONE} === 'Fake Audio Input 2'")
    session.audio.clear()
    until(lambda: session.audio)  # It goes on.
    choose(page, "Loudspeaker", "Fake Audio Output 1")
    page.wait_for_function("window.contexts.at(-1).sinkId")
    session.begin_answer("item-2", "A long speech.", seconds=20)
    page.wait_for_function("window.loudness() > 0.25")
    page.get_by_label("Volume").fill("20")
    page.wait_for_function("window.loudness() > 0.04 && window.loudness() < 0.07")
    bare.started.clear()
    page.reload()
    assert bare.started.wait(30)
    page.get_by_text("Settings", exact=True).click()
    page.get_by_role("button", name="Turn on microphone").click()
    page.wait_for_function(f"{MICROPHONE} === 'Fake Audio Input 2'")
    page.wait_for_function("window.contexts.at(-1).sinkId")
    expect(page.get_by_label("Microphone", exact=True).locator("option:checked")).to_have_text("Fake Audio Input 2")
    expect(page.get_by_label("Volume")).to_have_value("20")


def test_a_device_that_is_pulled_out_gives_way_to_the_systems_own(page, panel, session):
    connect(page, session)
    choose(page, "Loudspeaker", "Fake Audio Output 1")
    page.wait_for_function("window.contexts.at(-1).sinkId")
    page.evaluate(
        """() => {
          const all = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
          navigator.mediaDevices.enumerateDevices = async () =>
            (await all()).filter(({ label }) => label !== "Fake Audio Output 1");
          navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
        }"""
    )
    expect(page.get_by_label("Loudspeaker").locator("option:checked")).to_have_text("System default")
    page.wait_for_function("window.contexts.at(-1).sinkId === ''")


def test_the_end_of_turns_is_chosen_at_once_and_kept_for_the_next_time_hands_free(page, panel, session):
    connect(page, session)
    expect(page.get_by_label("Eagerness")).to_be_hidden()
    choose(page, "Turns end", "when the words sound finished")
    until(lambda: session.turn_detection == {"type": "semantic_vad", "eagerness": "auto"})
    panel.line.greet()
    choose(page, "Eagerness", "low: waits longest")
    until(lambda: session.turn_detection == {"type": "semantic_vad", "eagerness": "low"})
    page.get_by_text("Hold to talk").first.click()
    until(lambda: session.turn_detection is None)
    panel.line.greet()
    expect(page.get_by_label("Turns end")).to_be_hidden()
    page.get_by_text("Hands-free").click()
    until(lambda: session.turn_detection == {"type": "semantic_vad", "eagerness": "low"})


def test_a_choice_that_needs_a_new_connection_says_so_and_makes_one(page, panel, session):
    connect(page, session)
    choose(page, "Voice", "cedar")
    until(lambda: ("update", {"voice": "cedar"}) in session.calls)
    session.refusal = ServerError("assistant audio is present", code="cannot_update_voice")
    choose(page, "Voice", "verse")
    expect(page.locator(".rtnb-notice")).to_contain_text("verse answers after the next Connect")
    expect(page.get_by_label("Voice", exact=True)).to_have_value("verse")
    assert session.voice == "cedar"
    session.refusal = None
    session.calls.clear()
    page.get_by_role("button", name="Reconnect now").click()
    until(lambda: "connect" in session.names())
    assert [call for call in session.calls if call != ("audio",)] == [
        ("close",),
        ("update", {"voice": "verse"}),
        ("connect",),
    ]
    expect(page.locator(".rtnb-notice")).to_be_hidden()
    expect(page.locator("[data-role=status]")).to_have_text("Listening: just speak")
