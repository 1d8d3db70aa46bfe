import asyncio
import importlib.util
import logging
from dataclasses import replace

import numpy as np
import pytest

from realtime_nb.errors import MissingExtra
from realtime_nb.local.recognition.turn_model import TurnModel, load_turn_model, turn_features
from realtime_nb.local.weights import SMART_TURN, WeightsError

RATE = 16_000
installed = pytest.mark.skipif(
    not SMART_TURN.is_installed, reason="pipecat-ai, which holds the network, is not installed"
)


def tone(hertz, seconds, amplitude=8_000):
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(RATE * seconds)) / RATE)).astype("<i2").tobytes()


def made_sound():
    """Return 3 s that whistle upwards over noise."""
    time_s = np.arange(3 * RATE) / RATE
    noise = np.random.default_rng(0).normal(scale=300, size=len(time_s))
    return (6_000 * np.sin(2 * np.pi * (100 + 900 * time_s) * time_s) + noise).astype("<i2").tobytes()


@pytest.fixture
def swapped(tmp_path, monkeypatch):
    """Install a package whose network is another file of the same length."""
    info = tmp_path / "holds_weights-1.14.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: holds-weights\nVersion: 1.14.0\n")
    (info / "RECORD").write_text("")
    (name,), (file,) = SMART_TURN.files, SMART_TURN.files.values()
    (tmp_path / name).write_bytes(bytes(file.size))
    monkeypatch.syspath_prepend(tmp_path)
    return replace(SMART_TURN, package="holds-weights", folder=".")


def test_a_tone_is_in_its_band_and_nothing_is_before_it():
    features = turn_features(tone(1_000, 2))
    assert (features.shape, features.dtype) == ((80, 800), np.float32)
    edges = np.linspace(0, 15 + 27 * np.log(8) / np.log(6.4), 82)  # 1 kHz is 15 on Slaney's scale
    band = np.argmin(abs(edges[1:-1] - 15))
    assert (features[:, 610:790].argmax(axis=0) == band).all()
    assert features[band, 610:790].min() > features[:, :590].max() + 1


def test_the_last_eight_seconds_of_a_long_sound_count():
    sound = made_sound()
    long = tone(300, 7) + sound + tone(500, 5)
    assert (turn_features(long) == turn_features(long[-8 * 2 * RATE :])).all()
    assert (turn_features(long) != turn_features(long[: 8 * 2 * RATE])).any()


def reference_features(sound):
    """Return them by the code of those who trained the network, which lies beside it."""
    path = SMART_TURN.check().parent / "_whisper_features.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    samples = (np.frombuffer(sound, "<i2").astype(np.float32) / 32_768)[-8 * RATE :]
    return reference.compute_whisper_log_mel_features(np.pad(samples, (8 * RATE - len(samples), 0)))


@installed
@pytest.mark.parametrize("sound", [made_sound(), tone(440, 9), b"", bytes(2 * RATE)], ids=["made", "long", "", "quiet"])
def test_the_features_are_those_that_the_network_learned_with(sound):
    np.testing.assert_allclose(turn_features(sound), reference_features(sound), atol=1e-5)


async def answered(weights, sound=b""):
    """Return what a network answers, and what it calls itself by then."""
    model = TurnModel(weights)
    answer = await model.probability(sound or made_sound())
    model.close()
    return answer, model.name


@installed
def test_the_networks_answer_is_a_probability():
    sound = made_sound()
    answer, name = asyncio.run(answered(SMART_TURN, sound))
    ((expected,),) = load_turn_model().run(None, {"input_features": reference_features(sound)[None]})[0]
    # Its 8-bit arithmetic makes more of the last bits of the features than they deserve.
    assert answer == pytest.approx(expected, abs=0.2)
    assert 0 < answer < 1 and name == "smart-turn 3.2"


@installed
def test_the_network_answers_off_the_loop():
    async def main():
        model = TurnModel()
        rounds = 0

        async def others():
            nonlocal rounds
            while True:
                rounds += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(others())
        answers = await asyncio.gather(*[model.probability(made_sound()) for _ in range(3)])
        counting.cancel()
        model.close()
        return rounds, answers

    rounds, answers = asyncio.run(main())
    assert rounds > 50 and None not in answers and len(set(answers)) == 1


def test_another_file_in_the_networks_place_is_refused(swapped, caplog):
    with pytest.raises(WeightsError, match=r"smart-turn 3\.2 is not used: .*SHA-256"):
        load_turn_model(swapped)
    with caplog.at_level(logging.WARNING):
        assert asyncio.run(answered(swapped)) == (None, "")
    assert "turns end by their words alone: smart-turn 3.2 is not used" in caplog.text


def test_without_its_package_there_is_no_answer_and_no_name(caplog):
    missing = replace(SMART_TURN, package="no-such-weights-here")
    with pytest.raises(MissingExtra, match="no-such-weights-here"):
        load_turn_model(missing)
    with caplog.at_level(logging.WARNING):
        assert asyncio.run(answered(missing)) == (None, "")
    assert not caplog.records


@installed
def test_it_is_loaded_when_somebody_needs_it_and_once():
    async def main():
        model = TurnModel()
        assert model.name == "smart-turn 3.2" and model._network is None
        model.prepare()
        loading = model._network
        assert await model.probability(made_sound()) is not None
        assert model._network is loading
        model.close()

    asyncio.run(main())
