"""Speaking over the answer in JupyterLab, with the local voice on the other end and a microphone that talks into it."""

from pathlib import Path

import numpy as np
import pytest
from conftest import chromium_with
from playwright.sync_api import expect

import realtime_nb as rt
from realtime_nb.media.clip import AudioClip

# The microphone's file plays once and in real time, whatever keeps the machine: a sentence that came too early for the
# page or the server says nothing about interruptions.
pytestmark = [pytest.mark.jupyter, pytest.mark.flaky(reruns=1)]

CELLS = (
    # The server is started before the microphone is, whose sentence comes after 3 s, however busy the machine is.
    "import realtime_nb as rt\nrt.speak('Ready.')\n"
    "session = rt.RealtimeSession(backend='local', turn_detection={detection!r})\n"
    "panel = rt.VoicePanel(session)\npanel",
    # A sentence that the busy machine chops starts an answer that ends before it has a turn.
    "def answers():\n    replies = session.conversation.replies\n"
    "    return [reply.turns[0] for reply in replies if reply.done and reply.turns]",
)


@pytest.fixture(scope="module")
def speaking_browser(playwright, tmp_path_factory):
    """Chromium whose microphone asks for a long answer, and speaks into it 7 s later."""
    ask, cut = (rt.speak(words).resample(48_000).samples for words in ("What can you do?", "What time is it?"))
    silences = [np.zeros(round(48_000 * seconds), np.float32) for seconds in (3, 7, 20)]
    samples = np.concatenate([silences[0], ask, silences[1], cut, silences[2]])
    file = AudioClip(samples, 48_000).save(tmp_path_factory.mktemp("audio") / "interrupting.wav")
    running = chromium_with(playwright, Path(f"{file}%noloop"))
    yield running
    running.close()


FACTS = """(lambda turn, truncates: {
    'played_ms': turn.played_ms, 'truncated_ms': turn.truncated_ms, 'interrupted': turn.interrupted,
    'text': turn.text, 'heard': turn.heard_text, 'length_ms': turn.audio.duration_s * 1000,
    'truncates': [(event.item_id == turn.item_id, event.audio_end_ms) for event in truncates],
    'echoed': turn.echoed, 'underruns': panel.playback.underruns,
})(answers()[0],
   [entry.event for entry in session.log if entry.event.type == 'conversation.item.truncate'])"""


@pytest.mark.parametrize("detection", ["server_vad", "semantic_vad"])
def test_speaking_over_the_answer_stops_it_and_the_record_knows_what_was_heard(open_notebook, detection):
    notebook = open_notebook(CELLS[0].format(detection=detection), CELLS[1])
    notebook.run_all()
    notebook.panel.get_by_role("button", name="Connect", exact=True).click()
    expect(notebook.panel.locator(".rtnb-user").nth(1)).to_contain_text("What time is it?", timeout=40_000)
    notebook.until("len(answers()) > 1")
    notebook.until("not panel.playback.busy")
    facts = notebook.ask(" ".join(FACTS.split()))
    assert facts["interrupted"] and not facts["echoed"] and facts["underruns"] == 0, facts
    # The audio thread's own count went into one truncation, as it is.
    assert facts["truncates"] == [[True, facts["truncated_ms"]]]
    assert abs(facts["truncated_ms"] - facts["played_ms"]) <= 60
    # On a busy machine not all of the answer has come by then.
    assert 1_000 < facts["played_ms"] < min(11_000, facts["length_ms"])
    assert facts["text"].startswith(facts["heard"]) and 10 < len(facts["heard"]) < len(facts["text"])
    # All that was rendered but the second answer is the first one's beginning.
    second_ms = notebook.ask("answers()[1].played_ms")
    heard_ms = notebook.ask("panel.playback.audible_samples") / 24
    assert heard_ms <= facts["played_ms"] + second_ms + 60
    unheard = facts["text"].removeprefix(facts["heard"]).strip()
    expect(notebook.panel.locator(".rtnb-assistant s").first).to_contain_text(unheard)
