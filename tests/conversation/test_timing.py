from itertools import pairwise

import numpy as np
import pytest

from realtime_nb.conversation.timing import Timing, first_audible_ms
from realtime_nb.media.clip import AudioClip


def marked(origin_ms=1_000.0, **marks):
    timing = Timing()
    timing.origin_ms = origin_ms
    for name, at_ms in marks.items():
        timing.mark(name, at_ms)
    return timing


def test_times_count_from_the_origin():
    timing = Timing()
    timing.origin_ms = 1_000.0
    timing.mark("created", 1_150.0)
    timing.mark("first_audio", 1_300.0)
    timing.mark("first_audio", 1_400.0)
    timing.mark("turn_detected", None)
    assert (timing.created_ms, timing.first_audio_ms) == (150.0, 300.0)
    assert timing.turn_detected_ms is timing.first_text_ms is timing.done_ms is None
    assert repr(timing) == "Timing(created_ms=150, first_audio_ms=300)"


def test_what_came_before_the_origin_is_negative():
    timing = marked(spoken=970.0, captured=985.0, arrived=990.0, written=1_001.0)
    assert (timing.spoken_ms, timing.captured_ms, timing.arrived_ms, timing.written_ms) == (-30, -15, -10, 1)


PLAYED = dict(
    spoken=970.0, captured=985.0, arrived=990.0, written=1_001.0, turn_detected=1_500.0, created=1_510.0,
    first_audio=1_700.0, audible_on_arrival=1_720.0, started=1_745.0, sounded=1_760.0, audible=1_800.0,
)  # fmt: skip


def test_steps_follow_each_other_from_the_microphone_to_the_loudspeaker():
    timing = marked(**PLAYED)
    assert timing.steps == {
        "capture": (-30, -15),
        "road": (-15, -10),
        "kernel": (-10, 0),
        "socket": (0, 1),
        "turn detection": (1, 500),
        "model first byte": (500, 700),
        "playback pre-roll": (700, 745),
        "leading silence": (745, 760),
        "loudspeaker": (760, 800),
    }
    assert timing.first_audible_ms == 800
    assert timing.voice_to_voice_ms == 830
    assert sum(end - start for start, end in timing.steps.values()) == timing.voice_to_voice_ms


def test_without_a_page_an_answer_is_heard_as_it_comes():
    timing = marked(written=1_001.0, turn_detected=1_500.0, first_audio=1_700.0, audible_on_arrival=1_720.0)
    assert list(timing.steps) == ["socket", "turn detection", "model first byte", "leading silence"]
    assert timing.first_audible_ms == 720
    assert not timing.is_played
    assert timing.voice_to_voice_ms is timing.spoken_ms is timing.started_ms is None


@pytest.mark.parametrize("unknown", [name for name in PLAYED if name not in ("created", "audible_on_arrival")])
def test_what_is_not_known_is_absent_and_its_time_goes_to_the_next_step(unknown):
    whole, timing = marked(**PLAYED), marked(**{name: at for name, at in PLAYED.items() if name != unknown})
    lost = set(whole.steps) - set(timing.steps)
    if unknown == "started":  # The page did not play it.
        assert timing.first_audible_ms == 720
        return
    assert len(lost) == 1
    spans = list(timing.steps.values())
    assert all(before[1] == after[0] for before, after in pairwise(spans))


def test_an_answer_that_was_silenced_before_its_first_sound_was_not_heard():
    timing = marked(first_audio=1_700.0, audible_on_arrival=1_720.0, started=1_745.0)
    assert timing.first_audible_ms is None
    assert list(timing.steps) == ["model first byte", "playback pre-roll"]


def test_a_written_question_begins_with_the_request():
    assert marked(first_audio=1_040.0).steps == {"model first byte": (0, 40)}
    assert marked().steps == {}


@pytest.mark.parametrize(("loud", "found_ms"), [(0.0011, 10.0), (-0.0011, 10.0), (0.0009, None)])
def test_sound_begins_above_minus_sixty_decibels(loud, found_ms):
    samples = np.zeros(480, np.float32)
    samples[240] = loud
    assert first_audible_ms(AudioClip(samples)) == found_ms
