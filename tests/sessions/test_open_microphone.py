import numpy as np
import pytest

import realtime_nb as rt

WAIT_S = 90
PAUSE_S = 1.2


def vad(silence_ms):
    return {"type": "server_vad", "silence_duration_ms": silence_ms}


def silence(seconds):
    return rt.AudioClip(np.zeros(round(24_000 * seconds), np.float32))


@pytest.fixture(scope="module")
def two_sentences():
    """Two questions with a short pause between them."""
    parts = [rt.speak("What can you do?"), silence(PAUSE_S), rt.speak("What time is it?")]
    return rt.AudioClip(np.concatenate([part.resample(24_000).samples for part in parts]))


@pytest.fixture(scope="module")
def recording(two_sentences, tmp_path_factory):
    """A talk in which both sentences are one turn."""
    with rt.RealtimeSession(backend="local", turn_detection=vad(2_500)) as session:
        session.listen_to(two_sentences, speed=4).result(WAIT_S)
    return session.save(tmp_path_factory.mktemp("r") / "r")


def asked(conversation):
    return [turn for turn in conversation if turn.role == "user"]


def test_other_turn_detection_finds_other_turns(recording):
    assert len(asked(recording.conversation)) == 1
    with rt.RealtimeSession(backend="local", turn_detection=vad(300)) as session:
        again = recording.ask_again(session, live=True).result(WAIT_S)
    assert again is session.conversation
    assert [turn.text.lower().strip("?.") for turn in asked(again)] == ["what can you do", "what time is it"]
    assert all(turn.reply is not None and turn.reply.done for turn in asked(again))
    pairs = rt.diff(recording, again).pairs
    assert [(pair.one is None, pair.other is None) for pair in pairs] == [(False, False), (True, False)]


def test_an_answer_that_is_spoken_into_was_heard_up_to_there(two_sentences):
    with rt.RealtimeSession(backend="local", turn_detection=vad(300)) as session:
        conversation = session.listen_to(two_sentences).result(WAIT_S)
    first, second = (turn.reply for turn in asked(conversation))
    # A turn's beginning is set 300 ms before its speech, and speech takes a while to be sure of.
    spoken_on_ms = conversation.turns[2].audio_start_ms - conversation.turns[0].audio_end_ms + 300 + 500
    (cut,) = first.turns
    assert cut.interrupted and 0 <= cut.played_ms <= spoken_on_ms
    assert cut.truncated_ms == cut.played_ms
    assert second.status == "completed" and not second.turns[-1].interrupted


def test_a_turn_that_the_server_will_not_answer_is_not_waited_for():
    parts = [rt.speak("Count to twenty."), silence(PAUSE_S), rt.speak("What time is it?")]
    clip = rt.AudioClip(np.concatenate([part.resample(24_000).samples for part in parts]))
    deaf = vad(300) | {"interrupt_response": False}
    with rt.RealtimeSession(backend="local", turn_detection=deaf) as session:
        conversation = session.listen_to(clip, speed=4).result(WAIT_S)
        ended_ms = session.elapsed_ms
    first, second = asked(conversation)
    # An answer was being made when it ended.
    assert second.reply is None and first.reply.status == "completed"
    assert ended_ms - first.reply.timing.origin_ms - first.reply.timing.done_ms < 5_000


def test_by_hand_no_turns_are_found(recording):
    session = rt.RealtimeSession(backend="local", turn_detection=None)
    with pytest.raises(rt.SettingsError, match="turn_detection=None finds no turns in a clip"):
        recording.ask_again(session, live=True)
    assert session.state == "closed"


def test_whole_turns_are_not_live(recording):
    with pytest.raises(TypeError, match="live=True needs a RealtimeSession, which detects turns itself"):
        recording.ask_again(rt.ChatSession(backend="local"), live=True)


def test_a_speed_out_of_range_is_refused():
    session = rt.RealtimeSession(backend="local")
    with pytest.raises(rt.SettingsError, match=r"speed=0 must be between 0\.1 and 20\.0"):
        session.listen_to(silence(1), speed=0)


def test_silence_has_no_turns():
    with rt.RealtimeSession(backend="local") as session:
        assert len(session.listen_to(silence(1), speed=20).result(WAIT_S)) == 0


def test_a_session_that_ends_meanwhile_is_reported(two_sentences):
    session = rt.RealtimeSession(backend="local")
    session.connect().result(WAIT_S)
    pending = session.listen_to(two_sentences)
    session.close().result(WAIT_S)
    with pytest.raises(rt.ConnectionLost, match="closed before everything was said"):
        pending.result(WAIT_S)
