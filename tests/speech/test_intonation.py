import numpy as np
import pytest

from realtime_nb.media.clip import AudioClip
from realtime_nb.speech.voice import prosody, words_per_minute


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


def buzz(frequency_hz, seconds=0.6, without=(), falling=1.0):
    """Return a sound of harmonics below 4 kHz, each weaker than the one before."""
    time_s = np.arange(int(24_000 * seconds)) / 24_000
    numbers = [number for number in range(1, int(4_000 / frequency_hz) + 1) if number not in without]
    waves = sum(np.sin(2 * np.pi * frequency_hz * number * time_s + number) / number**falling for number in numbers)
    return AudioClip((0.3 * waves / np.abs(waves).max()).astype(np.float32))


def noise(kind, seed=0, seconds=1.0):
    """Return noise: white, pink, brown, in a band of low frequencies, of breath through two formants, or clicks."""
    random = np.random.default_rng(seed)
    count = int(24_000 * seconds)
    samples = random.standard_normal(count)
    if kind == "clicks":
        samples = np.eye(1, count, count // 7)[0] + np.eye(1, count, count // 2)[0]
    elif kind != "white":
        hertz = np.maximum(np.fft.rfftfreq(count, 1 / 24_000), 20.0)
        formants = sum(1 / (1 + ((hertz - middle) / 50) ** 2) for middle in (450.0, 1_500.0))
        band = (hertz > 80) & (hertz < 300)
        gain = {"pink": hertz**-0.5, "brown": 1 / hertz, "low": band, "whisper": formants}[kind]
        samples = np.fft.irfft(np.fft.rfft(samples) * gain, count)
    return AudioClip((0.3 * samples / np.abs(samples).max()).astype(np.float32))


@pytest.mark.parametrize("frequency_hz", [66, 80, 120, 210, 330, 445])
def test_a_pitch_within_the_range_is_found_even_without_its_fundamental(frequency_hz):
    for clip in (buzz(frequency_hz), buzz(frequency_hz, without=(1,)), buzz(frequency_hz, falling=9)):
        assert prosody(clip).pitch_hz == pytest.approx(frequency_hz, rel=0.01)


@pytest.mark.parametrize("frequency_hz", [50, 60, 63, 460, 500, 600, 900, 1_500])
def test_a_pitch_outside_of_the_range_is_none_and_no_octave_off(frequency_hz):
    for clip in (buzz(frequency_hz), buzz(frequency_hz, falling=9)):
        measured = prosody(clip)
        assert measured.pitch_hz is None and measured.pitch_range_semitones is None
        assert not np.isfinite(measured.fundamental_hz).any()


@pytest.mark.parametrize("kind", ["white", "pink", "brown", "low", "whisper", "clicks"])
def test_noise_has_no_pitch(kind):
    assert [prosody(noise(kind, seed)).pitch_hz for seed in range(3)] == [None] * 3


def test_a_voice_in_noise_keeps_its_pitch():
    voice, hiss = buzz(120, 1.0), noise("white")
    assert prosody(AudioClip(voice.samples + 0.2 * hiss.samples)).pitch_hz == pytest.approx(120, rel=0.01)


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


@pytest.mark.parametrize(("frequency_hz", "formant_hz"), [(150, 300), (180, 350), (120, 240)])
def test_a_telephone_voice_is_never_an_octave_off(frequency_hz, formant_hz):
    """The line leaves the fundamental out, and the first formant lifts the harmonic above it."""
    time_s = np.arange(24_000) / 24_000
    numbers = range(1, int(3_400 / frequency_hz) + 1)
    heard = [number for number in numbers if number * frequency_hz >= 300]
    levels = [1 / (1 + ((number * frequency_hz - formant_hz) / 60) ** 2) + 0.02 for number in heard]
    waves = sum(
        level * np.sin(2 * np.pi * number * frequency_hz * time_s + number)
        for number, level in zip(heard, levels, strict=True)
    )
    pitch_hz = prosody(AudioClip((0.3 * waves / np.abs(waves).max()).astype(np.float32))).pitch_hz
    assert pitch_hz is None or pitch_hz == pytest.approx(frequency_hz, rel=0.03)
