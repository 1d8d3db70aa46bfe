"""WebKitGTK's MiniBrowser: a panel talks there, and says what is missing."""

import shutil

import numpy as np
import pytest
from bare import until
from scripted import ScriptedSession
from webdriver import MINI_BROWSER, SoundCard, WebKit

from realtime_nb.media.clip import AudioClip
from realtime_nb.widgets.camera import Camera
from realtime_nb.widgets.panel import VoicePanel
from realtime_nb.widgets.speaker import Speaker

pytestmark = pytest.mark.skipif(
    not (MINI_BROWSER and shutil.which("WebKitWebDriver") and shutil.which("Xvfb") and shutil.which("pulseaudio")),
    reason="needs Debian's packages webkit2gtk-driver, xvfb and pulseaudio (tests/ensure_webkit.sh)",
)

#: Whether a speaker that is blocked asks for a click.
ASKS = """() => [...document.querySelectorAll("button")].some(
  (button) => button.checkVisibility() && button.textContent === "Click anywhere to hear it")"""


@pytest.fixture
def page():
    card = SoundCard()
    made = WebKit(card)
    yield made
    made.close()
    card.close()


def test_a_panel_talks_and_says_what_is_missing(page, bare):
    session = ScriptedSession()
    panel, speaker, camera = VoicePanel(session), Speaker(), Camera()
    page.goto(bare.url)
    assert bare.started.wait(30)
    until(lambda: panel.road and speaker.road)
    playing = speaker.play(AudioClip(0.3 * np.sin(np.arange(12_000) / 10), 24_000))
    page.wait_for_function(ASKS)
    page.click("Connect")
    assert playing.result(30) == pytest.approx(500, abs=0.1)
    until(lambda: session.audio)

    words = "one two three"
    response = session.begin_answer("item-1", words, seconds=1)
    session.end_answer(response, "item-1", words)
    until(lambda: panel.playback.audible_samples > 20_000 and not panel.playback.busy)
    assert session.conversation.turn("item-1").heard_text == words
    assert session.conversation.reply(response).timing.latency_is_estimate  # WebKitGTK says 0 ms.

    camera.active = True
    until(lambda: camera.error == "No camera was found. Plug one in and try again.")
