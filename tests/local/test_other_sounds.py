"""What the local voice makes of a room: music, a dog, a hum, keys, and two people at once."""

import numpy as np
import pytest

import realtime_nb as rt
from realtime_nb.local.recognition.whisper import WhisperModel
from realtime_nb.local.weights import WHISPER_TINY_EN
from realtime_nb.media.clip import AudioClip

RATE = 16_000
QUESTION = "What is two plus three?"


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("ctranslate2")
    return WhisperModel(WHISPER_TINY_EN.check(), name="tiny.en", licence="MIT")


def times(length_s):
    return np.arange(round(length_s * RATE)) / RATE


def dying(length_s, within_s):
    t = times(length_s)
    return np.minimum(1, t / 0.01) * np.exp(-t / within_s)


def placed(pieces, length_s):
    """Put sounds, each with its time, on one track, at 0.4 of full scale."""
    track = np.zeros(round(length_s * RATE))
    for at_s, piece in pieces:
        at = round(at_s * RATE)
        track[at : at + len(piece)] += piece[: len(track) - at]
    return 0.4 * track / np.abs(track).max()


def note(hz, length_s=0.6):
    t = times(length_s)
    harmonics = (np.sin(2 * np.pi * hz * n * t) / n for n in range(1, 7))
    return sum(harmonics) * dying(length_s, 0.4)


def music(length_s=6.0):
    """Chords, a melody and a drum, at 120 beats a minute."""
    random = np.random.default_rng(3)
    pieces = []
    for beat in range(int(2 * length_s) - 1):
        root = (220.0, 196.0, 174.6, 196.0)[beat % 4]
        pieces += [(beat / 2, note(root * step)) for step in (1, 1.25, 1.5)]
        pieces.append((beat / 2, 1.3 * note(440 * 2 ** (random.choice([0, 2, 4, 7, 9]) / 12), 0.3)))
        pieces.append((beat / 2, 2 * random.normal(size=800) * dying(0.05, 0.02)))
    return placed(pieces, length_s)


def dog():
    """Four barks: short, rough, from 250 up to 750 Hz and down again."""
    random = np.random.default_rng(1)
    t = times(0.18)
    phase = 2 * np.pi * np.cumsum(250 + 500 * np.exp(-(((t - 0.05) / 0.06) ** 2))) / RATE
    bark = sum(np.sin(n * phase) / n**0.7 for n in range(1, 10)) + 0.6 * random.normal(size=len(t))
    return placed([(0.6 * n, bark * dying(0.18, 0.08)) for n in range(4)], 2.6)


def hum():
    return placed([(0, np.sin(2 * np.pi * 50 * times(4)) + 0.5 * np.sin(2 * np.pi * 100 * times(4)))], 4)


def keys():
    random = np.random.default_rng(2)
    return placed([(at_s, random.normal(size=200) * dying(0.0125, 0.004)) for at_s in random.uniform(0, 2.9, 18)], 3)


def both(loudness):
    """The question, and another voice at the same time."""
    ours, other = (
        rt.speak(words, voice=voice).resample(RATE).samples
        for words, voice in ((QUESTION, "marin"), ("My order has not arrived yet.", "cedar"))
    )
    whole = np.zeros(max(len(ours), len(other)))
    whole[: len(ours)] += 0.5 * ours
    whole[: len(other)] += 0.5 * loudness * other
    return whole


def heard(model, samples):
    return model.listen((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())


@pytest.mark.parametrize("sound", [music, dog, hum, keys], ids=lambda sound: sound.__name__)
def test_other_sounds_have_no_words(model, sound):
    assert heard(model, sound()).text == ""


def test_of_two_voices_the_louder_is_heard_and_two_equal_ones_are_in_doubt(model):
    assert heard(model, both(0.1)).text == "What is 2 plus 3?"
    assert heard(model, both(1.0)).confidence < 0.6 < heard(model, both(0.1)).confidence


def test_a_question_over_music_is_heard(model):
    question = rt.speak(QUESTION).resample(RATE).samples
    assert heard(model, music()[: len(question)] + 0.6 * question).text == "What is 2 plus 3?"


@pytest.mark.parametrize("detection", ["server_vad", "semantic_vad"])
def test_music_in_an_open_microphone_is_no_turn(model, detection):
    around = np.zeros(RATE // 2), music(), np.zeros(RATE)
    with rt.RealtimeSession(backend="local", turn_detection=detection) as session:
        session.listen_to(AudioClip(np.concatenate(around), RATE)).result(60)
        assert session.conversation.turns == []
        assert session.ask(QUESTION).result(60).transcript == "2 plus 3 is 5."
