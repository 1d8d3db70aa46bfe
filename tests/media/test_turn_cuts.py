import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_nb.media.turn_cuts import FoundTurn, SpokenTurn, match, spoken_turns


def found(start_ms, end_ms, *, started_at_ms=None, ended_at_ms=None):
    return FoundTurn(start_ms, end_ms, start_ms if started_at_ms is None else started_at_ms, ended_at_ms or end_ms)


def spoken(*speech):
    return SpokenTurn(tuple(speech))


def test_pauses_hold_turns_together_up_to_their_longest():
    speech = [(0.0, 400.0), (1100.0, 1500.0), (3000.0, 3500.0)]
    assert [turn.speech for turn in spoken_turns(speech, pause_ms=700)] == [tuple(speech[:2]), (speech[2],)]
    assert len(spoken_turns(speech, pause_ms=699)) == 3
    assert len(spoken_turns(speech, pause_ms=math.inf)) == 1
    assert spoken_turns([], pause_ms=700) == []


def test_a_whole_turn_is_over_as_long_after_its_last_word_as_was_waited():
    (cut,) = match([spoken((1000.0, 2000.0))], [found(700.0, 2500.0, started_at_ms=1100.0, ended_at_ms=2510.0)])
    assert (cut.latency_ms, cut.onset_ms) == (510.0, 100.0)
    assert (cut.clipped_ms, cut.lost_ms) == (0.0, 0.0)
    assert not (cut.is_split or cut.is_merged or cut.is_missed or cut.is_false_start)


def test_what_lies_behind_the_first_cut_is_clipped_but_not_lost():
    (cut,) = match([spoken((0.0, 1000.0), (1700.0, 2600.0))], [found(0.0, 1500.0), found(1500.0, 3100.0)])
    assert cut.is_split
    assert cut.clipped_end == ((1700.0, 2600.0),)
    assert (cut.clipped_ms, cut.clipped_start_ms, cut.lost_ms) == (900.0, 0.0, 0.0)
    assert cut.latency_ms == 500.0  # the whole of it can be answered after the last piece


def test_speech_before_the_turn_begins_is_lost():
    (cut,) = match([spoken((1000.0, 2000.0))], [found(1080.0, 2500.0)])
    assert (cut.clipped_start_ms, cut.clipped_end_ms, cut.lost_ms) == (80.0, 0.0, 80.0)


def test_two_turns_in_one_are_merged_and_only_the_last_has_an_end():
    first, second = match([spoken((0.0, 1000.0)), spoken((2500.0, 3000.0))], [found(0.0, 3500.0)])
    assert first.is_merged and second.is_merged
    assert (first.latency_ms, second.latency_ms) == (None, 500.0)


def test_a_turn_that_nobody_found_is_clipped_throughout_and_one_that_nobody_spoke_is_a_false_start():
    missed, false_start = match([spoken((0.0, 1000.0))], [found(5000.0, 6000.0)])
    assert missed.is_missed and missed.latency_ms is None
    assert (missed.clipped_ms, missed.lost_ms) == (1000.0, 1000.0)
    assert false_start.is_false_start and not false_start.is_split
    assert (false_start.clipped_ms, false_start.lost_ms, false_start.latency_ms) == (0.0, 0.0, None)


@pytest.mark.parametrize(("overlap_ms", "is_part"), [(63.0, False), (64.0, True)])
def test_padding_that_touches_a_word_does_not_make_a_turn_part_of_it(overlap_ms, is_part):
    cuts = match([spoken((0.0, 1000.0))], [found(0.0, 900.0), found(1000.0 - overlap_ms, 3000.0)])
    assert (len(cuts[0].found) == 2) is is_part
    assert len(cuts) == (1 if is_part else 2)


def one_after_the_other(lengths):
    """Return spans, each a gap and a length behind the last."""
    at, spans = 0.0, []
    for gap, length in lengths:
        spans.append((at + gap, at + gap + length))
        at = spans[-1][1]
    return spans


lengths = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 900)), max_size=8)


@given(lengths, lengths)
def test_a_found_turn_is_part_of_every_spoken_one_that_it_shares_speech_with(speech, turns):
    said, cut = [spoken(span) for span in one_after_the_other(speech)], [found(*s) for s in one_after_the_other(turns)]
    cuts = match(said, cut)
    assert [each.spoken for each in cuts if each.spoken] == said
    for each in cuts:
        if each.spoken:
            start, end = each.spoken.start_ms, each.spoken.end_ms
            shared = [min(end, turn.end_ms) - max(start, turn.start_ms) for turn in cut]
            assert list(each.found) == [t for t, ms in zip(cut, shared, strict=True) if ms >= min(64, end - start)]
            assert each.clipped_ms >= each.lost_ms - 1e-6 or each.is_split
    held = {turn for each in cuts if each.spoken for turn in each.found}
    assert [each.found[0] for each in cuts if each.is_false_start] == [turn for turn in cut if turn not in held]
