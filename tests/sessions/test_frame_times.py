from realtime_nb.conversation.records import Turn
from realtime_nb.protocol.local_events import FramePassed
from realtime_nb.sessions.connection import RecentFrameTimes


def spoken(at_ms):
    return Turn(item_id="U", role="user", spoken_at_ms=at_ms)


def test_the_frame_with_the_last_speech_is_found():
    frame_times = RecentFrameTimes()
    for number in range(5):
        frame_times.frame(10.0 * number, 10.0 * number - 3, 10.0 * number - 1).written_ms = 10.0 * number + 1
    passed = FramePassed(item_id="U", captured_ms=17.0, arrived_ms=19.0, sent_ms=20.0, written_ms=21.0)
    assert frame_times.of(spoken(20.0)) == passed


def test_a_commit_ends_with_the_sound_before_it():
    frame_times = RecentFrameTimes()
    frame_times.frame(10.0, 7.0, 9.0)
    frame_times.commit(30.0)
    passed = frame_times.of(spoken(30.0))
    assert (passed.captured_ms, passed.arrived_ms, passed.sent_ms, passed.written_ms) == (7.0, 9.0, 30.0, None)


def test_what_is_not_known_is_not_told():
    frame_times = RecentFrameTimes()
    frame_times.commit(5.0)
    assert frame_times.of(spoken(5.0)).captured_ms is None
    assert frame_times.of(spoken(6.0)) is frame_times.of(spoken(None)) is frame_times.of(None) is None


def test_a_turn_is_told_of_once():
    frame_times = RecentFrameTimes()
    frame_times.frame(10.0, 7.0, 9.0)
    turn = spoken(10.0)
    turn.frame_times = frame_times.of(turn)
    assert frame_times.of(turn) is None


def test_a_long_session_keeps_only_what_a_turn_may_ask_for():
    frame_times = RecentFrameTimes()
    for number in range(100_000):
        frame_times.frame(float(number), None, None)
    assert len(frame_times._kept) <= 1_024
    assert frame_times.of(spoken(99_000.0)) is not None
    assert frame_times.of(spoken(0.0)) is None
