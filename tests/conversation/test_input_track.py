import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_nb.conversation.input_track import InputTrack


def numbered(ms, start=0):
    """Return PCM16 of which every millisecond holds its own number."""
    return b"".join((number % 32_768).to_bytes(2, "little") * 24 for number in range(start, start + ms))


def filled(ms, *, manual=False, step=20):
    track = InputTrack()
    track.manual = manual
    for start in range(0, ms, step):
        track.append(numbered(step, start), elapsed_ms=1_000.0 + start)
    return track


def test_a_turn_is_cut_where_the_server_says():
    assert filled(4_000).cut(300, 2_000) == numbered(1_700, 300)


def test_a_turn_that_reaches_beyond_what_was_sent_ends_with_it():
    track = filled(100)
    assert track.cut(50, 9_999) == numbered(50, 50)
    track.append(numbered(40, 100), 0)
    assert track.end_ms == 140
    assert track.cut(100, 140) == numbered(40, 100)


@pytest.mark.parametrize(("start_ms", "end_ms"), [(-50, 20), (50, 20), (900, 1_000), (10**30, 10**31), (0, -1)])
def test_odd_positions_break_nothing(start_ms, end_ms):
    track = filled(100)
    assert isinstance(track.cut(start_ms, end_ms), bytes)
    assert track.end_ms == 100


def test_the_next_turns_padding_reaches_back_behind_the_last_turns_end():
    track = filled(4_000)
    track.cut(0, 2_000)
    assert track.cut(1_500, 3_000) == numbered(1_500, 1_500)


def test_long_silence_is_let_go():
    track = filled(200_000, step=1_000)
    assert len(track._data) <= 61_000 * 48
    assert track.cut(190_000, 191_000) == numbered(1_000, 190_000)


def test_a_long_turn_is_kept_from_where_it_began():
    track = filled(10_000, step=1_000)
    track.hold()
    for start in range(10_000, 130_000, 1_000):
        track.append(numbered(1_000, start), 0)
    assert track.cut(9_700, 130_000) == numbered(120_300, 9_700)


def test_a_long_turn_by_hand_is_kept_whole():
    track = filled(90_000, manual=True, step=1_000)
    track.mark_commit("client_1", 0)
    track.manual = False
    for start in range(90_000, 190_000, 1_000):
        track.append(numbered(1_000, start), 0)
    commit = track.take_commit()
    assert track.cut(commit.start_ms, commit.end_ms) == numbered(90_000)


def test_commits_are_answered_in_order_and_follow_each_other():
    track = filled(1_000)
    track.mark_commit("client_1", 11)
    track.append(numbered(500, 1_000), 0)
    track.mark_commit("client_2", 12)
    assert track.take_commit() == ("client_1", 0, 1_000, 11)
    assert track.take_commit() == ("client_2", 1_000, 1_500, 12)
    assert track.take_commit() is None


def test_a_refused_commit_leaves_its_audio_to_the_next():
    track = filled(40)
    track.mark_commit("client_1", 11)
    track.refuse_commit("client_1")
    track.refuse_commit("client_1")
    track.refuse_commit(None)
    track.append(numbered(960, 40), 0)
    track.mark_commit("client_2", 12)
    assert track.take_commit() == ("client_2", 0, 1_000, 12)


def test_a_commit_refused_after_the_next_was_sent_leaves_its_audio_to_that():
    track = filled(40)
    track.mark_commit("client_1", 11)
    track.append(numbered(960, 40), 0)
    track.mark_commit("client_2", 12)
    track.refuse_commit("client_1")
    assert track.take_commit() == ("client_2", 0, 1_000, 12)


def test_what_was_cleared_belongs_to_no_turn():
    track = filled(500)
    track.clear()
    track.append(numbered(500, 500), 0)
    track.mark_commit("client_1", 0)
    assert track.take_commit()[1:3] == (500, 1_000)


def test_it_knows_when_audio_was_sent():
    track = filled(100)
    assert track.sent_at(20) == (1_000, 0)
    assert track.sent_at(21) == (1_020, 19)
    assert track.sent_at(9_999) == (1_080, 0)
    assert InputTrack().sent_at(5) == (None, 0)


@pytest.mark.parametrize("encoding", ["audio/pcmu", "audio/pcma"])
def test_telephone_audio_has_eight_bytes_a_millisecond(encoding):
    track = InputTrack(encoding, start_ms=100)
    track.append(bytes(range(160)), 0)
    assert track.end_ms == 120
    assert track.cut(110, 120) == bytes(range(80, 160))


def test_an_unknown_encoding_counts_as_pcm():
    track = InputTrack("audio/later")
    track.append(bytes(96), 0)
    assert track.end_ms == 2


@given(st.lists(st.tuples(st.integers(1, 3_000), st.booleans()), max_size=40))
def test_the_end_is_all_that_was_ever_appended(steps):
    track, total = InputTrack("audio/pcmu"), 0
    for ms, cut in steps:
        track.append(bytes(8 * ms), 0)
        total += ms
        if cut:
            assert len(track.cut(total - ms, total)) == 8 * ms
        assert track.end_ms == total


@given(
    st.lists(st.tuples(st.integers(1, 3_000), st.integers(0, 50), st.sampled_from("-hmcx")), max_size=8),
    st.booleans(),
)
def test_pieces_at_once_are_the_same_as_one_after_the_other(runs, manual):
    one, other = InputTrack("audio/pcmu"), InputTrack("audio/pcmu")
    one.manual = other.manual = manual
    for number, (count, size_ms, then) in enumerate(runs):
        data = bytes((number + index) % 256 for index in range(count * size_ms * 8))
        times = [1_000.0 * number + index for index in range(count)]
        for index, at_ms in enumerate(times):
            one.append(data[index * size_ms * 8 : (index + 1) * size_ms * 8], at_ms)
        other.extend(data, times)
        for track in (one, other):
            if then == "h":
                track.hold()
            elif then == "m":
                track.mark_commit(f"{number}", 0.0)
            elif then == "c":
                track.cut(track.end_ms - 500, track.end_ms)
            elif then == "x":
                track.clear()
        assert vars(one) == vars(other)
