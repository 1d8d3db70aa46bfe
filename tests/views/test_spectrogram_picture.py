import io
import itertools
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image
from test_spectrogram import cut_reply, tone

from realtime_nb.views.spectrogram import _drawable, _figure, _labels, _pooled, spectrogram


def texts(figure):
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def test_one_side_has_a_wave_the_energy_and_a_bar():
    wave, energy, bar = _figure(spectrogram(tone(440))).axes
    assert energy.get_xlabel() == "time in s" and energy.get_ylabel() == "frequency in Hz"
    assert bar.get_ylabel() == "level in dB" and bar.get_ylim() == (-80, 0)
    assert wave.get_xlim() == energy.get_xlim() == (0.0, 1.0)
    assert energy.images[0].get_array().shape == (80, 101)


def test_two_sides_are_stacked_on_one_clock():
    figure = _figure(spectrogram(cut_reply()))
    *sides, bar = figure.axes
    assert [axes.get_ylabel() for axes in sides] == ["You", "frequency in Hz", "AI voice", "frequency in Hz"]
    assert [axes.get_xlim() for axes in sides] == 4 * [pytest.approx((-0.4, 1.1))]
    tops = [axes.get_position().y1 for axes in sides]
    assert tops == sorted(tops, reverse=True) and bar.get_position().x0 > sides[0].get_position().x1
    assert [axes.get_xlabel() for axes in sides] == ["", "", "", "time in s"]


def test_between_turns_nothing_is_drawn():
    record = spectrogram(cut_reply())
    picture = _figure(record).axes[1].images[0].get_array()
    assert not picture.mask[:, record.times_s < 0].any() and picture.mask[:, record.times_s > 0.05].all()


@pytest.mark.parametrize("kind", ["mel", "stft", "cqt"])
def test_ticks_name_the_frequencies_of_their_rows(kind):
    record = spectrogram(tone(440), kind)
    energy = _figure(record).axes[1]
    labels = [float(label.get_text()) for label in energy.get_yticklabels()]
    assert len(labels) >= 4
    assert np.interp(energy.get_yticks(), np.arange(len(record.frequencies_hz)), record.frequencies_hz) == (
        pytest.approx(labels)
    )


def test_the_legend_names_the_marks_that_there_are():
    [legend] = _figure(spectrogram(cut_reply())).legends
    assert [text.get_text() for text in legend.get_texts()] == ["speech", "cut", "not heard"]
    [legend] = _figure(spectrogram(tone(440))).legends
    assert [text.get_text() for text in legend.get_texts()] == ["speech"]


def test_the_cut_is_a_line_and_the_rest_is_shaded():
    wave, energy = _figure(spectrogram(cut_reply())).axes[2:4]
    for axes in (wave, energy):
        assert [line.get_xdata()[0] for line in axes.lines if line.get_xdata()[0] == line.get_xdata()[1]] == [
            pytest.approx(0.7)
        ]
    [shade] = energy.patches
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (pytest.approx(0.7), pytest.approx(1.1))


def test_words_stand_where_they_were_spoken_or_are_gathered_to_phrases():
    [side] = spectrogram(
        tone(440, seconds=4.0), words=[("one", 0.1, 0.5), ("two", 2.0, 2.1), ("three", 2.1, 2.4)]
    ).sides
    assert _labels(side, 0.0, 4.0) == [(0.1, "one"), (2.0, "two three")]
    crowded = [(f"word{number}", number / 10, number / 10 + 0.1) for number in range(40)]
    [side] = spectrogram(tone(440, seconds=4.0), words=crowded).sides
    labels = _labels(side, 0.0, 4.0)
    assert len(labels) > 3 and any(text.endswith("…") for _, text in labels)
    assert all(earlier < later for (earlier, _), (later, _) in itertools.pairwise(labels))


@pytest.mark.parametrize("word", ["$x$", "$\\frac", "<script>", "日本語", "🎉", ""])
def test_any_word_can_be_drawn_unchanged(word):
    record = spectrogram(tone(440), words=[(word, 0.1, 0.5)])
    assert _drawable(word) in texts(_figure(record))
    assert Image.open(io.BytesIO(record.png)).width == 880
    ElementTree.fromstring(record.svg)


def test_the_ground_is_the_pages():
    record = spectrogram(cut_reply())
    image = Image.open(io.BytesIO(record.png))
    assert (image.format, image.size) == ("PNG", (880, 525))
    assert image.convert("RGBA").getpixel((0, 0))[3] == 0
    assert len(record.png) < 60_000
    drawing = ElementTree.fromstring(record.svg)
    assert drawing.tag.endswith("svg") and drawing.get("viewBox")
    assert record.svg.count("<image") == 3 and "<script" not in record.svg
    opaque = [path for path in drawing.iter() if "fill: #ffffff" in path.get("style", "")]
    assert all("opacity: 0" in path.get("style") for path in opaque)


def test_a_click_stays_visible_however_long_the_sound_is():
    values = np.full((3, 10_000), -80, np.float32)
    values[:, 4_321] = 0
    assert _pooled(values, 700).shape == (3, 700) and (_pooled(values, 700).max(axis=1) == 0).all()


def test_a_picture_leaves_the_persons_figures_alone():
    import matplotlib
    import matplotlib.pyplot as plt

    backend = matplotlib.get_backend()
    record = spectrogram(tone(440))
    assert record.png and record.svg
    assert plt.get_fignums() == []
    assert matplotlib.get_backend() == backend
