import numpy as np
import pytest

from realtime_nb.media.clip import AudioClip
from realtime_nb.views import mimebundle


def test_a_clip_is_a_player():
    bundle = mimebundle(AudioClip(np.zeros(24_000)))
    assert set(bundle) == {"text/plain", "text/html"}
    assert bundle["text/plain"] == "AudioClip(1.00 s, 24000 Hz)"
    assert bundle["text/html"].startswith("<audio controls")


@pytest.mark.parametrize("samples", [0, 1, 10])
def test_tiny_clips_break_nothing(samples):
    assert mimebundle(AudioClip(np.zeros(samples)))["text/html"]
