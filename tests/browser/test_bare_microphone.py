"""The microphone's JavaScript in a real browser, with the real road."""

import numpy as np
from bare import until

from realtime_nb.media.clip import from_pcm16
from realtime_nb.widgets.microphone import Microphone


def test_what_the_microphone_hears_reaches_python_without_a_gap(bare, visit):
    microphone = Microphone()
    heard = []
    microphone.on_audio(heard.append)
    page = visit()
    until(lambda: microphone.road == "direct")
    clip = microphone.record(2.0).result(30)
    assert clip.duration_s == 2.0
    spectrum = np.abs(np.fft.rfft(clip.samples))
    loudest_hz = np.argmax(spectrum) * clip.sample_rate / len(clip.samples)
    assert abs(loudest_hz - 440) < 3
    assert not microphone.recording
    page.wait_for_selector("text=● Record")
    samples = from_pcm16(b"".join(heard))
    assert len(samples) >= 48_000
