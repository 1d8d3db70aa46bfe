import numpy as np
import pytest

import realtime_nb as rt
from realtime_nb.media.activity import speech_spans
from realtime_nb.media.clip import AudioClip


def sound(*stretches, rate=24_000, noise_db=-90.0):
    """Return a tone in bursts: pairs of level in dB below full scale, and seconds; over a floor of noise."""
    tone = np.concatenate([np.full(round(seconds * rate), 10 ** (level / 20)) for level, seconds in stretches])
    tone *= np.sin(2 * np.pi * 200 * np.arange(len(tone)) / rate)
    return AudioClip(tone + 10 ** (noise_db / 20) * np.random.default_rng(0).normal(size=len(tone)), rate)


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
@pytest.mark.parametrize("noise_db", [-90.0, -40.0])
def test_bursts_are_found_over_silence_and_over_noise(rate, noise_db):
    clip = sound((-120, 0.5), (-12, 1.0), (-120, 0.7), (-20, 0.4), (-120, 0.5), rate=rate, noise_db=noise_db)
    assert np.array(speech_spans(clip)) == pytest.approx(np.array([(0.5, 1.5), (2.2, 2.6)]), abs=0.04)


def test_short_pauses_are_part_of_a_phrase_and_clicks_are_none():
    [span] = speech_spans(sound((-120, 0.3), (-12, 0.5), (-120, 0.1), (-12, 0.5), (-120, 1.0), (-12, 0.005), (-120, 1)))
    assert span == pytest.approx((0.3, 1.4), abs=0.04)


def test_a_clip_without_pauses_is_speech_throughout():
    clip = sound((-12, 1.0))
    assert speech_spans(clip) == [(0.0, clip.duration_s)]


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(24_000), 1e-4 * np.ones(24_000)])
def test_silence_is_no_speech(samples):
    assert speech_spans(AudioClip(samples)) == []


def test_a_spoken_sentence_is_found_between_silences():
    spoken = rt.speak("What is two plus three?")
    silence = np.zeros(12_000)
    spans = speech_spans(AudioClip(np.concatenate([silence, spoken.resample(24_000).samples, silence])))
    assert spans[0][0] == pytest.approx(0.5, abs=0.1)
    assert 0.5 < spans[-1][1] - spans[0][0] <= spoken.duration_s + 0.1
