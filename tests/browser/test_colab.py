"""What Colab's own way to the page records. Colab's part is played here: Playwright evaluates the script instead."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import TRACKS

import realtime_nb as rt


@pytest.fixture
def colab(browser, bare, monkeypatch):
    """Return a page that `google.colab.output.eval_js` reaches."""
    context = browser.new_context()
    context.add_init_script(TRACKS)
    page = context.new_page()
    page.goto(bare.url)
    monkeypatch.setitem(sys.modules, "google.colab.output", SimpleNamespace(eval_js=page.evaluate))
    yield page
    context.close()


def test_a_clip_is_recorded_and_the_microphone_closed_again(colab):
    clip = rt.record(1)
    assert clip.sample_rate == 24_000 and clip.duration_s == pytest.approx(1, abs=0.3)
    spectrum = np.abs(np.fft.rfft(clip.samples))
    assert abs(np.argmax(spectrum) / clip.duration_s - 440) < 3
    assert colab.evaluate("window.tracks.map((track) => track.readyState)") == ["ended"]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("throw new DOMException('', 'NotAllowedError')", "does not allow the microphone here"),
        ("throw new DOMException('', 'NotFoundError')", "No microphone was found"),
    ],
)
def test_a_refusal_is_said_in_words(colab, script, words):
    colab.evaluate(f"void (navigator.mediaDevices.getUserMedia = async () => {{ {script} }})")
    with pytest.raises(rt.AudioError, match=words):
        rt.record(1)


def test_a_page_that_fails_or_says_nothing_is_an_error(monkeypatch):
    def fail(script):
        raise OSError("the output is gone")

    output = SimpleNamespace(eval_js=fail)
    monkeypatch.setitem(sys.modules, "google.colab.output", output)
    with pytest.raises(rt.AudioError, match="could not record: the output is gone"):
        rt.record(1)
    output.eval_js = lambda script: None
    with pytest.raises(rt.AudioError, match="sent no sound: run the cell again"):
        rt.record(1)
    with pytest.raises(rt.AudioError, match="seconds=0 must be positive"):
        rt.record(0)
