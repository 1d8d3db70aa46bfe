"""Firefox: talking, interrupting, typing and keeping the record, with a microphone that plays the test's sound."""

import axe
import pytest
from bare import until
from lab import OpenNotebook
from scripted import ScriptedSession
from webdriver import ENTER, Firefox, SoundCard

import realtime_nb as rt
from realtime_nb.protocol.local_events import SoundBegan
from realtime_nb.widgets.panel import VoicePanel

CELL = (
    "import realtime_nb as rt\nsession = rt.RealtimeSession(backend='local')\n"
    "panel = rt.VoicePanel(session)\ndisplay(rt.Scope(panel), panel)"
)
#: How many pixels of the scope's picture of the answer are bright.
BRIGHT = """() => {
  const canvas = document.querySelector(".jp-OutputArea .rtnb-lane-player canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.filter((value, i) => i % 4 === 0 && value > 200).length;
}"""
#: Plays the record's sound, silently, and says whether half a second of it is over. It may be drawn anew meanwhile.
PLAYED = """() => {
  const audio = document.querySelector(".jp-OutputArea audio");
  if (audio?.paused) Object.assign(audio, { muted: true }).play().catch(() => {});
  return audio?.currentTime > 0.5;
}"""
HAS = "(selector, words) => [...document.querySelectorAll(selector)].some((e) => e.textContent.includes(words))"


#: The browser's own processing could take one word for noise.
OFF = dict.fromkeys(("echoCancellation", "noiseSuppression", "autoGainControl"), False)


@pytest.fixture(scope="module")
def card():
    made = SoundCard()
    yield made
    made.close()


@pytest.fixture(scope="module")
def page(card):
    made = Firefox(card)
    yield made
    made.close()


def shown(page, selector, words):
    """Wait for words in one of the elements."""
    page.wait_for_function(HAS, f".rtnb-panel {selector}", words)


@pytest.mark.jupyter
@pytest.mark.timeout(240)
def test_a_whole_talk_in_jupyterlab(page, card, jupyter, tmp_path):
    asks, cuts = (
        rt.speak(words).save(tmp_path / f"{words[:8]}.wav") for words in ("What can you do?", "What time is it?")
    )
    notebook = OpenNotebook(page, jupyter, jupyter.write("firefox.ipynb", CELL))
    notebook.run_all()
    page.click("Connect")
    notebook.until("any(entry.event.type == 'input_audio_buffer.append' for entry in session.log)")
    card.say(asks)
    shown(page, "[data-role=status]", "The AI is speaking")
    page.wait_for_function(BRIGHT)
    notebook.until("(session.conversation.replies[0].turns[0].played_ms or 0) > 1000")
    card.say(cuts)
    shown(page, ".rtnb-user", "What time is it?")
    shown(page, ".rtnb-assistant s", "session")
    notebook.until("len(session.conversation.replies) > 1 and not panel.playback.busy")
    assert notebook.ask("[turn.interrupted for turn in session.conversation.turns]") == [False, True, False, False]
    page.wait_for_function(PLAYED)

    notebook.save()
    notebook.reload()
    page.click("Turn on microphone")
    shown(page, "[data-role=status]", "Listening")
    page.click("Type a message")
    page.type(f"What is two plus three?{ENTER}")
    shown(page, ".rtnb-assistant", "2 plus 3 is 5.")
    notebook.until("len(session.conversation.replies) > 2 and not panel.playback.busy")
    assert notebook.ask("session.conversation.replies[-1].turns[0].heard_text") == "2 plus 3 is 5."
    assert notebook.ask("panel.playback.underruns") == 0


def test_speech_over_an_answer_pauses_it_and_ends_it_where_it_paused(page, card, bare, tmp_path):
    session = ScriptedSession()
    panel = VoicePanel(session, constraints=OFF)
    page.goto(bare.url)
    assert bare.started.wait(30)
    page.click("Connect")
    until(lambda: session.audio)
    session.begin_answer("item-1", "one two three four five six seven eight nine ten", seconds=30)
    until(lambda: panel.playback.playing)
    assert "\n".join(axe.faults(page, "#main")) == ""
    card.say(rt.speak("Stop!").save(tmp_path / "stop.wav"))
    until(lambda: panel.playback.holds)
    session.hear("item-2", "Stop!", previous="item-1")
    until(lambda: "stopped" in session.names())
    _, _, played_ms = next(call for call in session.calls if call[0] == "stopped")
    assert 0 < played_ms < 30_000
    assert panel.playback.underruns == 0
    assert all(event.latency_is_estimate for event in session.noted if isinstance(event, SoundBegan))
