import io

import numpy as np
import pytest
import soundfile

import realtime_nb as rt
from realtime_nb.recording.mix import Sides, beside, stretch
from realtime_nb.views.budget import AudioBudget


def tone(hertz, seconds, rate=24_000):
    return rt.AudioClip((0.6 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype("f4"), rate)


def loudest(samples, rate):
    return np.argmax(np.abs(np.fft.rfft(samples))) * rate / len(samples)


@pytest.mark.parametrize("format", ["wav", "flac", "mp3", "opus"])
def test_the_person_is_left_and_the_model_right(format):
    sides = beside(tone(400, 1.0), tone(1_000, 1.5, 8_000))
    data, rate = soundfile.read(io.BytesIO(sides.encode(format)))
    assert data.shape[1] == 2
    assert loudest(data[: rate // 2, 0], rate) == pytest.approx(400, abs=5)
    assert loudest(data[: rate // 2, 1], rate) == pytest.approx(1_000, abs=5)
    assert sides.duration_s == 1.5 and sides.peak == 1.0  # Together they clip.


def test_one_side_alone_is_mono():
    alone = tone(400, 1.0)
    assert beside(alone, None) is alone and beside(None, alone) is alone
    assert len(beside(None, None).samples) == 0


def test_both_sides_get_faster_and_stay_beside_each_other():
    fast = stretch(beside(tone(400, 2.0), tone(1_000, 1.0)), 2)
    assert isinstance(fast, Sides)
    assert fast.duration_s == pytest.approx(1.0, abs=0.02)
    assert loudest(fast.left.samples, 24_000) == pytest.approx(400, abs=5)
    assert np.abs(fast.right.samples[13_000:]).max() < 0.01


def test_a_player_cuts_both_sides():
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 24_000 * 30).astype("f4")
    budget = AudioBudget(0.1)
    embedded = budget.embed(beside(rt.AudioClip(noise), rt.AudioClip(noise[::-1].copy())))
    assert embedded.url and 1 <= embedded.embedded_s < 30
