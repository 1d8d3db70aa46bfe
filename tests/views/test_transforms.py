import librosa
import numpy as np
import pytest

from realtime_nb.errors import AudioError
from realtime_nb.media.clip import AudioClip
from realtime_nb.views.transforms import Transform

DEFAULTS = {"bands": None, "hop_ms": 10.0, "window_ms": None, "lowest_hz": None, "highest_hz": None}


def transform(kind="mel", rate=24_000, **options):
    return Transform(kind, rate, **DEFAULTS | options)


def tone(hz, rate=24_000, seconds=1.0):
    return AudioClip(0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate), rate)


@pytest.mark.parametrize("kind", ["mel", "stft", "cqt", "vqt"])
@pytest.mark.parametrize("hz", [300, 1_000, 3_000])
def test_a_tone_is_loudest_at_its_own_frequency(kind, hz):
    made = transform(kind)
    power = made.power(tone(hz), 0)
    assert power.shape == (len(made.frequencies_hz), 101) and power.dtype == np.float32
    assert made.frequencies_hz[power.mean(axis=1).argmax()] == pytest.approx(hz, rel=0.1)


@pytest.mark.parametrize("kind", ["mel", "stft", "cqt", "vqt"])
@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000])
@pytest.mark.parametrize("samples", [1, 500, 24_000])
def test_clips_of_any_rate_and_length_have_their_frames(kind, rate, samples):
    made = transform(kind, rate)
    power = made.power(AudioClip(0.5 * np.ones(samples), rate), 0)
    assert power.shape == (len(made.frequencies_hz), 1 + samples // made.hop)
    assert np.isfinite(power).all()


@pytest.mark.parametrize("kind", ["mel", "stft"])
@pytest.mark.parametrize("limits", [{}, {"lowest_hz": 80.0, "highest_hz": 7_600.0, "window_ms": 25.0}])
def test_what_is_computed_here_is_what_librosa_computes(kind, limits):
    made = transform(kind, **limits)
    clip = AudioClip(0.1 * np.random.default_rng(7).standard_normal(50_000))
    options = {"n_fft": made.window, "hop_length": made.hop}
    if kind == "stft":
        wanted = (np.abs(librosa.stft(clip.samples, **options)) ** 2)[made._rows]
        centres_hz = librosa.fft_frequencies(sr=24_000, n_fft=made.window)[made._rows]
    else:
        limited = {"fmin": made.lowest_hz, "fmax": made.highest_hz}
        wanted = librosa.feature.melspectrogram(y=clip.samples, sr=24_000, n_mels=made.bands, **limited, **options)
        centres_hz = librosa.mel_frequencies(n_mels=made.bands + 2, **limited)[1:-1]
    np.testing.assert_allclose(made.power(clip, 0), wanted, rtol=1e-3, atol=1e-6 * wanted.max())
    np.testing.assert_allclose(made.frequencies_hz, centres_hz)


@pytest.mark.parametrize("kind", ["mel", "stft", "cqt"])
def test_silence_in_front_moves_sound_to_its_place(kind):
    made = transform(kind)
    click = np.zeros(4_800)
    click[2_400] = 1.0
    assert made.power(AudioClip(click), 1_200).sum(axis=0).argmax() == (2_400 + 1_200) // made.hop


def test_clips_of_another_rate_are_resampled():
    made = transform("stft")
    loudest = made.power(tone(1_000, 8_000), 0).mean(axis=1).argmax()
    assert made.frequencies_hz[loudest] == pytest.approx(1_000, abs=25)


@pytest.mark.parametrize("kind", ["mel", "stft", "cqt", "vqt"])
def test_limits_hold(kind):
    found = transform(kind, lowest_hz=200.0, highest_hz=4_000.0).frequencies_hz
    assert 195 < found[0] < 250 and 3_500 < found[-1] <= 4_000 and (np.diff(found) > 0).all()


def test_bands_and_windows_are_as_asked():
    assert len(transform("mel", bands=40).frequencies_hz) == 40
    assert len(transform("stft", window_ms=20.0).frequencies_hz) == 241
    octaves = transform("cqt", bands=12).frequencies_hz
    assert octaves[12] == pytest.approx(2 * octaves[0])


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("mell", {}, "kind='mell' is not one of mel, stft, cqt, vqt"),
        ("mel", {"bands": 0}, "bands=0 must be positive"),
        ("mel", {"bands": -1}, "bands=-1 must be positive"),
        ("mel", {"hop_ms": 0}, "hop_ms=0 must be positive"),
        ("mel", {"hop_ms": -5.0}, "hop_ms=-5.0 must be positive"),
        ("mel", {"window_ms": float("nan")}, "window_ms=nan must be positive"),
        ("stft", {"bands": 80}, "bands=80 does not go with kind='stft'"),
        ("cqt", {"window_ms": 40.0}, "window_ms=40.0 does not go with kind='cqt'"),
        ("mel", {"lowest_hz": 5_000, "highest_hz": 4_000}, "lowest_hz=5000 must be below highest_hz=4000"),
        ("mel", {"lowest_hz": 12_000}, "sample rate of 24000 Hz limits to 12000"),
        ("stft", {"lowest_hz": 101, "highest_hz": 102}, "no band from lowest_hz=101 to highest_hz=102"),
        ("cqt", {"lowest_hz": 100, "highest_hz": 101}, "no band from lowest_hz=100 to highest_hz=101"),
    ],
)
def test_options_that_cannot_be_are_named(kind, options, words):
    with pytest.raises(AudioError, match=words):
        transform(kind, **options)
