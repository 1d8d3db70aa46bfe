import threading

import numpy as np
import pytest

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.conversation.records import Part, Reply, Turn
from realtime_nb.conversation.timeline import STEPS, Timeline, Waterfall, timeline
from realtime_nb.local.process import speak
from realtime_nb.media.clip import AudioClip
from realtime_nb.protocol.local_events import ClockAligned
from realtime_nb.recording.recording import Recording
from realtime_nb.sessions.cascade import CascadeSession
from realtime_nb.sessions.realtime import RealtimeSession

WAIT_S = 30
CLOCK = ClockAligned(offset_ms=-3.0, error_ms=1.4, round_trip_ms=0.8)
MARKS = dict(
    spoken=970.0, captured=985.0, arrived=990.0, written=1_001.0, turn_detected=1_500.0,
    first_audio=1_700.0, audible_on_arrival=1_720.0, started=1_745.0, sounded=1_760.0, audible=1_800.0,
)  # fmt: skip


def replied(number=1, asked="What time is it?", slower_ms=0.0, marks=None):
    reply = Reply(response_id=f"R{number}", asked=Turn(item_id=f"U{number}", role="user"))
    reply.asked.parts[0] = Part(kind="audio", text=asked, text_done=True)
    reply.timing.origin_ms = 1_000.0
    for name, at_ms in (MARKS if marks is None else marks).items():
        reply.timing.mark(name, at_ms + (slower_ms if at_ms >= 1_700 else 0))
    reply.timing.clock = CLOCK if "captured" in reply.timing._marks else None
    return reply


def test_a_waterfall_begins_with_the_last_speech_and_ends_with_the_first_sound():
    [waterfall] = timeline(replied()).waterfalls
    assert [span.name for span in waterfall.steps] == list(STEPS)
    assert (waterfall.steps[0].start_ms, waterfall.steps[-1].end_ms) == (0, 830)
    assert waterfall.total_ms == sum(span.duration_ms for span in waterfall.steps) == 830
    assert (waterfall.asked, waterfall.is_played, waterfall.clock) == ("What time is it?", True, CLOCK)


def test_an_unknown_step_is_missing_and_not_zero():
    unplayed = {name: MARKS[name] for name in ("turn_detected", "first_audio", "audible_on_arrival")}
    [waterfall] = timeline(replied(marks=unplayed)).waterfalls
    assert [span.name for span in waterfall.steps] == ["turn detection", "model first byte", "leading silence"]
    assert (waterfall.total_ms, waterfall.is_played, waterfall.clock) == (720, False, None)
    [waterfall] = timeline(replied(marks={})).waterfalls
    assert (waterfall.steps, waterfall.total_ms) == ((), None)


def test_the_frame_has_a_row_for_each_step():
    reply = replied()
    reply.timing.mark("text.started", 1_100.0)
    reply.timing.mark("text.done", 1_300.0)
    frame = timeline(reply).frame
    assert list(frame["step"]) == [*STEPS, "text"]
    assert list(frame["kind"]) == ["step"] * len(STEPS) + ["stage"]
    assert np.allclose(frame["end_ms"] - frame["start_ms"], frame["duration_ms"])
    assert set(frame["clock_error_ms"]) == {1.4} and set(frame["response_id"]) == {"R1"}
    empty = Timeline([]).frame
    assert list(empty.columns) == list(frame.columns) and len(empty) == 0


def test_percentiles_are_over_the_replies_that_have_the_step():
    steps = [Waterfall.of(replied(number, slower_ms=100.0 * number)) for number in range(5)]
    unplayed = Waterfall.of(replied(9, marks={"first_audio": 1_050.0}))
    summary = Timeline([*steps, unplayed]).summary.set_index("step")
    assert list(summary.index) == [*STEPS, "total"]
    assert tuple(summary.loc["total"]) == (5, 1_030.0, 1_210.0)
    assert tuple(summary.loc["road"]) == (5, 5.0, 5.0)
    assert summary.loc["model first byte"]["count"] == 6


def test_a_conversation_has_the_replies_that_belong_to_it():
    conversation = Conversation()
    for number, belongs in ((1, True), (2, False)):
        reply = replied(number)
        reply.in_conversation = belongs
        conversation._index.replies[reply.response_id] = reply
    assert [each.response_id for each in timeline(conversation).waterfalls] == ["R1"]
    assert repr(timeline(conversation)) == "Timeline(1 replies, p50=830 ms)"
    assert repr(timeline(Conversation())) == "Timeline(0 replies)"


def test_a_session_without_a_page_knows_its_socket_the_detection_and_the_answers_silence():
    pcm = AudioClip(np.pad(speak("What time is it?").samples, (12_000, 36_000))).to_pcm16()
    done = threading.Event()
    with RealtimeSession(backend="local") as session:
        session.listen(lambda event, elapsed_ms: event.type == "response.done" and done.set())
        for start in range(0, len(pcm), 960):
            session.send_audio(pcm[start : start + 960])
        assert done.wait(WAIT_S)
    [waterfall] = timeline(session.conversation).waterfalls
    assert [span.name for span in waterfall.steps] == [
        "socket",
        "turn detection",
        "model first byte",
        "leading silence",
    ]
    assert all(span.duration_ms >= 0 for span in waterfall.steps)
    [reply] = session.conversation.replies
    samples = reply.audio.samples
    silence_ms = float((np.abs(samples) > 0.001).argmax()) / 24
    assert waterfall.steps[-1].duration_ms == pytest.approx(silence_ms, abs=0.01)
    assert waterfall.total_ms == pytest.approx(reply.timing.first_audible_ms)
    assert waterfall.clock is None
    assert session.log.types("local").count("microphone.passed") == 1


def test_a_turn_by_hand_begins_with_its_last_frame():
    pcm = speak("What time is it?").to_pcm16()
    with RealtimeSession(backend="local", turn_detection=None) as session:
        for start in range(0, len(pcm), 9_600):
            session.send_audio(pcm[start : start + 9_600], captured_ms=session.elapsed_ms - 25)
        session.commit().result(WAIT_S)
        reply = session.respond().result(WAIT_S)
    [waterfall] = timeline(reply).waterfalls
    assert [span.name for span in waterfall.steps][:3] == ["road", "kernel", "socket"]
    assert waterfall.steps[0].duration_ms == pytest.approx(25, abs=5)
    assert reply.timing.captured_ms == waterfall.steps[0].start_ms - (waterfall.steps[1].end_ms)
    assert reply.timing.spoken_ms is None


def test_the_log_folded_again_gives_the_same_timeline():
    with RealtimeSession(backend="local") as session:
        session.ask(speak("What time is it?")).result(WAIT_S)
        session.ask("Hello!").result(WAIT_S)
    again = Conversation()
    for entry in session.log:
        again.apply(entry.event, entry.elapsed_ms)
    assert timeline(again).frame.equals(timeline(session.conversation).frame)
    assert len(timeline(again).waterfalls) == 2


def test_a_saved_session_shows_the_same_timeline(tmp_path):
    with RealtimeSession(backend="local") as session:
        session.ask(speak("What time is it?")).result(WAIT_S)
    session.save(tmp_path / "kept")
    kept = timeline(Recording.load(tmp_path / "kept").conversation).frame
    live = timeline(session.conversation).frame
    assert list(kept["step"]) == list(live["step"])
    assert np.allclose(kept["duration_ms"], live["duration_ms"], atol=0.01)


def test_a_chain_shows_its_steps():
    with CascadeSession(backend="local") as session:
        reply = session.ask(speak("What can you do?")).result(WAIT_S)
    [waterfall] = timeline(reply).waterfalls
    assert [span.name for span in waterfall.stages] == ["transcription", "text", "speech"]
    assert waterfall.stages[0].end_ms <= waterfall.stages[1].start_ms
    assert waterfall.steps[0].name == "model first byte"
    assert waterfall.total_ms > waterfall.stages[0].end_ms
