from __future__ import annotations

from realtime_nb.local.endpoints.transcriptions import Cue, cues_of, srt, vtt
from realtime_nb.local.recognition.heard import HeardWord

WORDS = [HeardWord("good", 500, 700), HeardWord("morning", 700, 1200)]


def test_a_segment_is_a_cue():
    assert cues_of([WORDS, [HeardWord("bye", 4000, 4400)]]) == [
        Cue(500, 1200, "good morning"),
        Cue(4000, 4400, "bye"),
    ]
    assert cues_of([]) == cues_of([[]]) == []


def test_what_is_too_long_for_one_cue_is_shown_in_several():
    words = [HeardWord("seventeen", 500 * at, 500 * at + 400) for at in range(30)]
    cues = cues_of([words])
    assert all(len(cue.text) <= 84 and cue.end_ms - cue.start_ms <= 7_000 for cue in cues)
    assert " ".join(cue.text for cue in cues).split() == ["seventeen"] * 30
    slow = [HeardWord("so", 4_000 * at, 4_000 * at + 300) for at in range(4)]
    assert [cue.start_ms for cue in cues_of([slow])] == [0, 8_000]


def test_files():
    cues = [Cue(500, 1200, "good morning"), Cue(3_723_004, 3_724_000, "bye")]
    assert srt(cues) == ("1\n00:00:00,500 --> 00:00:01,200\ngood morning\n\n2\n01:02:03,004 --> 01:02:04,000\nbye\n\n")
    assert vtt(cues) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:01.200\ngood morning\n\n01:02:03.004 --> 01:02:04.000\nbye\n\n"
    )
    assert (srt([]), vtt([])) == ("", "WEBVTT\n\n")
