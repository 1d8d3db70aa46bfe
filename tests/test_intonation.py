import numpy as np
import pytest

from realtime_nb.audio import AudioClip
from realtime_nb.intonation import prosody, words_per_minute


def glide(low_hz, high_hz, seconds=1.5, peak=0.5):
    """Return a buzz whose pitch rises evenly in semitones."""
    frequency_hz = np.geomspace(low_hz, high_hz, int(24_000 * seconds))
    phase = 2 * np.pi * np.cumsum(frequency_hz) / 24_000
    harmonics = sum(np.sin(number * phase) / number for number in range(1, 8))
    return AudioClip((peak * harmonics / np.abs(harmonics).max()).astype(np.float32))


def test_a_rising_buzz_has_its_range():
    measured = prosody(glide(100, 200))
    assert measured.pitch_range_semitones == pytest.approx(12 * 0.9, abs=0.8)  # 5th to 95th percentile
    assert measured.pitch_hz == pytest.approx(141, rel=0.05)


def test_loudness_follows_the_level():
    loud, faint = prosody(glide(120, 130)), prosody(glide(120, 130, peak=0.05))
    assert loud.loudness_db - faint.loudness_db == pytest.approx(20, abs=0.5)


def test_silence_has_no_pitch():
    measured = prosody(AudioClip(np.zeros(24_000)))
    assert measured.pitch_hz is None and measured.pitch_range_semitones is None and measured.loudness_db <= -100


def test_a_contour_goes_around_its_own_middle():
    low, high = prosody(glide(100, 200)), prosody(glide(200, 400))
    shapes = [voice.contour_semitones[np.isfinite(voice.contour_semitones)] for voice in (low, high)]
    assert np.median(shapes[0]) == pytest.approx(0, abs=0.1) and np.median(shapes[1]) == pytest.approx(0, abs=0.1)
    assert low.times_s.shape == low.fundamental_hz.shape and np.diff(low.times_s) == pytest.approx(0.02)


def test_rate_counts_words_over_the_whole_length():
    assert words_per_minute("one two three", glide(100, 110)) == pytest.approx(120)
    assert words_per_minute("", glide(100, 110)) is None
