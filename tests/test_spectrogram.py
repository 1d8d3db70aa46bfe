import base64
import io

import numpy as np
import pytest
import record_samples as samples
from PIL import Image

from realtime_nb.audio import AudioClip
from realtime_nb.errors import AudioError
from realtime_nb.turns import Reply
from realtime_nb.views import mimebundle
from realtime_nb.views.spectrogram import spectrogram


def tone(hz, rate=24_000, seconds=1.0):
    return AudioClip(0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate), rate)


@pytest.mark.parametrize("hz", [300, 1_000, 4_000])
def test_a_tone_is_loudest_at_its_own_frequency(hz):
    record = spectrogram(tone(hz))
    loudest = record.frequencies_hz[record.power_db.mean(axis=1).argmax()]
    assert loudest == pytest.approx(hz, rel=0.1)


def test_the_axes_fit_the_picture():
    record = spectrogram(tone(440), bands=40, hop_ms=20)
    assert record.power_db.shape == (40, 51) == (len(record.frequencies_hz), len(record.times_s))
    assert record.power_db.max() == 0 and record.power_db.min() >= -80
    assert record.times_s[-1] == pytest.approx(1.0)
    assert record.power_db.dtype == np.float32
    assert repr(record) == "Spectrogram(40 bands, 1.00 s)"


def test_the_picture_is_a_transparent_png_of_a_known_size():
    record = spectrogram(tone(440))
    image = Image.open(io.BytesIO(record.png))
    assert (image.format, image.size) == ("PNG", (880, 308))
    assert image.convert("RGBA").getpixel((0, 0))[3] == 0
    assert len(record.png) < 100_000
    assert record.png is record.png
    bundle = mimebundle(record)
    assert base64.b64decode(bundle["image/png"]) == record.png
    assert bundle["image/png"] in bundle["text/html"]


@pytest.mark.parametrize("rate", [8_000, 48_000])
@pytest.mark.parametrize("samples", [1, 500, 24_000])
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_silent_and_tiny_clips_of_any_rate_break_nothing(rate, samples, level):
    record = spectrogram(AudioClip(level * np.ones(samples), rate))
    assert np.isfinite(record.power_db).all()
    assert record.power_db.min() >= -80 and record.power_db.max() <= 0
    assert Image.open(io.BytesIO(record.png)).size == (880, 308)


def test_silence_is_drawn_as_silence():
    assert (spectrogram(AudioClip(np.zeros(24_000))).power_db == -80).all()


def test_a_replys_audio_is_analysed():
    reply = samples.conversation().replies[0]
    assert spectrogram(reply).clip.duration_s == reply.audio.duration_s


@pytest.mark.parametrize("source", [AudioClip(np.zeros(0)), Reply(response_id="R")])
def test_without_audio_there_is_nothing_to_draw(source):
    with pytest.raises(AudioError, match="no audio to draw"):
        spectrogram(source)


@pytest.mark.parametrize("options", [{"bands": 0}, {"bands": -1}, {"hop_ms": 0}, {"hop_ms": -5.0}])
def test_bad_options_are_named(options):
    name, value = next(iter(options.items()))
    with pytest.raises(AudioError, match=f"{name}={value} must be positive"):
        spectrogram(tone(440), **options)


def test_a_picture_leaves_the_persons_figures_alone():
    import matplotlib
    import matplotlib.pyplot as plt

    backend = matplotlib.get_backend()
    assert spectrogram(tone(440)).png
    assert plt.get_fignums() == []
    assert matplotlib.get_backend() == backend
