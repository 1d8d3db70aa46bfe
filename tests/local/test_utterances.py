from __future__ import annotations

import numpy as np
import pytest

from realtime_nb.local.endpoints.audio_files import LONGEST_MS, cut_utterances


def tone(seconds, level=0.3):
    return (level * np.sin(np.arange(round(seconds * 16_000)) / 3)).astype("f4")


def quiet(seconds, noise=0.0):
    return (noise * np.random.default_rng(5).standard_normal(round(seconds * 16_000))).astype("f4")


def times(samples):
    return [(each.start_ms, each.end_ms) for each in cut_utterances(samples)]


def test_pauses_part_utterances():
    found = times(np.concatenate([quiet(1), tone(2), quiet(1), tone(1), quiet(1)]))
    assert found == [(840, 3160), (3840, 5160)]


def test_a_short_pause_belongs_to_its_utterance():
    assert len(times(np.concatenate([tone(1), quiet(0.3), tone(1)]))) == 1


def test_noise_is_not_taken_for_speech():
    samples = np.concatenate([quiet(1), tone(2), quiet(1)]) + quiet(4, noise=0.01)
    assert times(samples) == [(840, 3160)]


def test_a_recording_without_pauses_is_one_utterance():
    assert times(tone(3)) == [(0, 3000)]


@pytest.mark.parametrize("samples", [quiet(0), quiet(2), quiet(2, noise=0.0001)])
def test_silence_holds_none(samples):
    assert times(samples) == []


def test_long_ones_are_cut_where_they_are_quietest():
    samples = tone(20)
    samples[10 * 16_000 : 10 * 16_000 + 320] = 0
    assert times(samples) == [(0, 10_000), (10_000, 20_000)]
    assert all(end - start <= LONGEST_MS for start, end in times(tone(100)))


def test_they_hold_the_very_samples():
    samples = tone(1.0123)
    [only] = cut_utterances(samples)
    assert len(only.pcm) == 2 * len(samples)
    assert only.end_ms == 1012
