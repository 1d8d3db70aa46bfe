"""A question put at once, or at the pace of speech."""

import numpy as np
import pytest

import realtime_nb as rt
from realtime_nb.experiments.cell import ask
from realtime_nb.media.clip import AudioClip

WAIT_S = 60


@pytest.fixture(scope="module")
def question():
    return rt.speak("What is two plus three?")


@pytest.mark.parametrize("kind", [rt.RealtimeSession, rt.ChatSession])
def test_live_takes_as_long_as_question_and_answer_sound(kind, question):
    with kind(backend="local") as session:
        reply = ask(session, question, live=True, timeout_s=WAIT_S)
        elapsed_ms = session.elapsed_ms
        assert reply.status == "completed" and reply.audio.duration_s > 0.5
        assert elapsed_ms >= 1000 * (question.duration_s + reply.audio.duration_s)
        heard_from_ms = reply.timing.origin_ms + reply.timing.first_audio_ms
        assert elapsed_ms - heard_from_ms >= 1000 * reply.audio.duration_s - 50  # Two frames, and a timer.
        if kind is rt.RealtimeSession:
            assert reply.timing.turn_detected_ms > 300  # The server found the turn's end, by the silence after it.


def test_otherwise_the_clip_is_a_turn_at_once(question):
    with rt.RealtimeSession(backend="local") as session:
        reply = ask(session, question, live=False, timeout_s=WAIT_S)
        assert reply.status == "completed"
        assert "input_audio_buffer.speech_stopped" not in session.log.types("received")  # Nobody waited for silence.
        types = session.log.types("sent")
        assert types.count("input_audio_buffer.commit") == 1


def test_turns_that_are_ended_by_hand_are_said_first(question):
    with rt.RealtimeSession(backend="local", turn_detection=None) as session:
        reply = ask(session, question, live=True, timeout_s=WAIT_S)
        assert reply.status == "completed" and reply.timing.origin_ms >= 1000 * question.duration_s


def test_a_clip_without_speech_is_told_from_an_answer():
    hum = AudioClip(0.001 * np.sin(np.arange(12_000) / 40))
    with rt.RealtimeSession(backend="local") as session, pytest.raises(rt.RealtimeError, match="found no turn"):
        ask(session, hum, live=True, timeout_s=WAIT_S)


def test_the_microphone_closes_when_the_question_is_cancelled(question):
    with rt.RealtimeSession(backend="local") as session:
        with pytest.raises(TimeoutError):
            ask(session, question, live=True, timeout_s=0.1)
        assert ask(session, question, live=False, timeout_s=WAIT_S).status == "completed"
