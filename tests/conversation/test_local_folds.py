import pytest
import wire_samples as wire
from test_conversation import ANSWER, fold, folded, speech

from realtime_nb.protocol import events as ev
from realtime_nb.protocol.local_events import ClockAligned, FramePassed, SoundBegan, StageDone, StageStarted

CLOCK = ClockAligned(offset_ms=12.0, error_ms=1.5, round_trip_ms=1.0)
PASSED = FramePassed(item_id="U", captured_ms=120.0, arrived_ms=140.0, sent_ms=150.0, written_ms=151.0)
STARTED = SoundBegan(item_id="A", rendered_ms=900.0, latency_ms=40.0, audible=False)
SOUNDED = SoundBegan(item_id="A", rendered_ms=920.0, latency_ms=40.0, audible=True)
#: The server finds the end of speech at 1500 ms of the audio, which is sent with the 15th event, at 150 ms.
TURN = [*speech(2_500), *wire.spoken_turn(end_ms=2_000)]


def test_a_turns_last_speech_is_followed_into_the_reply():
    [reply] = folded(*TURN, CLOCK, PASSED, *ANSWER).replies
    timing = reply.timing
    assert timing.origin_ms == 150
    assert (timing.captured_ms, timing.arrived_ms, timing.written_ms) == (-30, -10, 1)
    assert timing.spoken_ms is not None and timing.clock == CLOCK


@pytest.mark.parametrize("place", range(len(ANSWER) + 1))
def test_frame_times_may_be_told_at_any_time(place):
    [reply] = folded(*TURN, *ANSWER[:place], PASSED, *ANSWER[place:]).replies
    assert (reply.timing.captured_ms, reply.timing.written_ms) == (-30, 1)


def test_speech_ends_within_its_frame():
    # 1460 ms of the audio: 40 ms before the end of the frame that was full at 120 ms.
    [reply] = folded(*speech(2_500), *wire.spoken_turn(end_ms=1_960), PASSED, *ANSWER).replies
    assert reply.timing.spoken_ms == 120 - 40 - 150


def test_a_frame_that_no_page_began_has_only_its_end():
    passed = FramePassed(item_id="U", captured_ms=None, arrived_ms=None, sent_ms=150.0, written_ms=151.0)
    [reply] = folded(*TURN, CLOCK, passed, *ANSWER).replies
    assert reply.timing.spoken_ms is reply.timing.captured_ms is reply.timing.arrived_ms is reply.timing.clock is None


def test_only_the_first_reply_to_a_turn_is_traced():
    conversation = folded(*TURN, PASSED, *ANSWER)
    request = ev.ResponseCreate(event_id="client_1")
    fold(conversation, request, wire.response_created("R2"), start_ms=1_000)
    assert conversation.reply("R2").timing.captured_ms is None


def test_a_page_says_when_the_answer_began_to_sound():
    conversation = folded(*TURN, CLOCK, *ANSWER, STARTED, SOUNDED)
    [reply] = conversation.replies
    assert reply.timing.is_played
    assert reply.timing.started_ms == 900 - 150
    assert reply.timing.first_audible_ms == 920 + 40 - 150
    assert reply.timing.clock == conversation.clock == CLOCK


def test_the_first_item_to_sound_counts():
    later = SoundBegan(item_id="A", rendered_ms=5_000.0, latency_ms=40.0, audible=True)
    [reply] = folded(*ANSWER, STARTED, SOUNDED, later).replies
    assert reply.timing.first_audible_ms == 960 - reply.timing.origin_ms


def test_sound_of_an_item_that_nobody_made_is_passed_over():
    clip = SoundBegan(item_id="clip-1", rendered_ms=1.0, latency_ms=0.0, audible=True)
    assert folded(clip).replies == []
    assert folded(*TURN, SoundBegan(item_id="U", rendered_ms=1.0, latency_ms=0.0, audible=True)).replies == []


def test_without_a_page_the_answers_leading_silence_counts():
    [reply] = folded(*TURN, *ANSWER).replies
    timing = reply.timing
    clip = reply.audio
    silence_ms = float((abs(clip.samples) > 0.001).argmax()) / 24
    assert not timing.is_played
    assert timing.first_audible_ms == timing.first_audio_ms + silence_ms


def test_sound_that_comes_late_is_heard_late():
    at = {"response_id": "R", "item_id": "A"}
    created = [each for each in ANSWER if each["type"] != "response.output_audio.delta"][:4]
    silence, sound = (ev.ResponseOutputAudioDelta(**at, delta=pcm) for pcm in (bytes(480), b"\0\x10" * 240))
    conversation = folded(*created, silence)
    conversation.apply(sound, 500.0)
    [reply] = conversation.replies
    assert reply.timing.first_audible_ms == 500 - reply.timing.origin_ms


def test_a_silent_answer_is_never_heard():
    at = {"response_id": "R", "item_id": "A"}
    conversation = folded(wire.response_created(), ev.ResponseOutputAudioDelta(**at, delta=bytes(4_800)))
    assert conversation.replies[0].timing.first_audio_ms is not None
    assert conversation.replies[0].timing.first_audible_ms is None


def test_steps_of_a_chain_have_their_times():
    conversation = folded(
        StageStarted(response_id="R", stage="text", model="m"), StageDone(response_id="R", stage="text", remark="Well.")
    )
    [reply] = conversation.replies
    assert reply.timing.stages == {"text": (10, 20)}
    assert (reply.stages["text"].model, reply.stages["text"].remark) == ("m", "Well.")
