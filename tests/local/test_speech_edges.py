import pytest

from realtime_nb.local.recognition.turn_replay import speech_of


def speech(frames, loud=()):
    return speech_of([{"s": 0.9, ".": 0.1}[frame] for frame in frames], loud)


def test_without_loud_stretches_the_network_decides():
    assert speech("....ssss....") == [(128.0, 256.0)]
    assert speech("") == speech("......") == []


def test_a_single_frame_is_no_speech_and_a_short_gap_no_pause():
    assert speech("..s.....") == []
    assert speech("ss......ss") == [(0.0, 320.0)]
    assert speech("ss.......ss") == [(0.0, 64.0), (288.0, 352.0)]


def test_edges_are_those_of_loudness():
    assert speech("." * 20 + "s" * 20 + "." * 20, [(500.0, 1250.0)]) == [(500.0, 1250.0)]


@pytest.mark.parametrize(
    ("loud", "edges"),
    [
        ((0.0, 5_000.0), (640.0, 1280.0)),  # music goes on before and behind it
        ((900.0, 1_000.0), (640.0, 1280.0)),  # only the loudest vowel stands out of the noise
        ((240.0, 1_530.0), (240.0, 1_530.0)),
        ((239.0, 1_531.0), (640.0, 1280.0)),
    ],
)
def test_loudness_moves_edges_only_so_far(loud, edges):
    assert speech("." * 20 + "s" * 20 + "." * 20, [loud]) == [edges]


def test_stretches_that_are_moved_onto_each_other_become_one():
    assert speech("." * 20 + "s" * 20 + "." * 7 + "s" * 10, [(600.0, 1530.0)]) == [(600.0, 1824.0)]
