import msgspec
import numpy as np
import pytest
from wire_samples import PCM, USAGE, call_item, response

from realtime_nb.conversation.records import Part, Reply, Turn, bytes_per_ms, decode_clip
from realtime_nb.media import g711
from realtime_nb.pricing.usage import Usage
from realtime_nb.protocol.items import ErrorDetail, Item, Response
from realtime_nb.protocol.local_events import Word


def spoken(text="one two three four", ms=1_000, **more):
    part = Part(kind="audio", text=text, text_done=True)
    part.add_audio(bytes(48 * ms))
    return Turn(item_id="A", role="assistant", parts={0: part}, **more)


# --- parts ---


def test_text_grows_until_it_is_whole():
    part = Part(kind="text")
    part.add_text("Hel")
    part.add_text("lo")
    assert (part.text, part.text_done) == ("Hello", False)
    part.finish_text("Hello.")
    part.add_text(" straggler")
    part.finish_text("Another end.")
    assert (part.text, part.text_done) == ("Hello.", True)


def test_an_end_without_text_keeps_what_there_is():
    part = Part(kind="text")
    part.add_text("Hel")
    part.finish_text(None)
    assert (part.text, part.text_done) == ("Hel", True)


def test_audio_grows_until_it_is_done():
    part = Part(kind="audio")
    part.add_audio(PCM[:100])
    part.add_audio(b"")
    part.add_audio(PCM[100:])
    assert part.audio_ms == 96
    assert part.clip.to_pcm16() == PCM
    part.audio_done = True
    part.add_audio(PCM)
    assert part.audio_ms == 96
    part.replace_audio(PCM[:480])
    assert part.clip.to_pcm16() == PCM[:480]


@pytest.mark.parametrize("chunks", [[], [b""], [b"\x01"]])
def test_a_part_without_a_whole_sample_has_no_clip(chunks):
    part = Part(kind="audio")
    for chunk in chunks:
        part.add_audio(chunk)
    assert part.clip is None


@pytest.mark.parametrize(
    ("encoding", "encode", "rate"),
    [
        ("audio/pcm", bytes, 24_000),
        ("audio/pcmu", g711.encode_ulaw, 8_000),
        ("audio/pcma", g711.encode_alaw, 8_000),
        ("audio/later", bytes, 24_000),
    ],
)
def test_audio_is_decoded_from_the_wires_format(encoding, encode, rate):
    pcm = (1_000 * np.sin(np.arange(800))).astype("<i2").tobytes()
    clip = decode_clip(encode(pcm), encoding)
    assert (len(clip.samples), clip.sample_rate) == (800, rate)
    assert np.abs(clip.samples * 32_768 - np.frombuffer(pcm, "<i2")).max() <= 32
    assert bytes_per_ms(encoding) * 1_000 == len(encode(bytes(2 * rate)))


def test_a_sample_that_is_cut_in_two_is_left_out():
    assert len(decode_clip(bytes(5), "audio/pcm").samples) == 2


# --- turns ---


def test_a_parts_sound_is_found_behind_its_silence():
    part = Part(kind="audio")
    assert part.find_sound(bytes(48 * 30)) is None
    part.add_audio(bytes(48 * 30))
    assert part.find_sound(bytes(48 * 10) + b"\0\x10" * 5) == 40.0
    assert part.is_audible


def test_half_a_sample_does_not_make_noise_of_silence():
    part = Part(kind="audio")
    part.add_audio(b"\x10\0\x10")  # Far below hearing; read askew, the next would be far above.
    assert part.find_sound(b"\0\x10\0\x10\0") is None


def test_a_turn_is_its_parts_in_order():
    turn = Turn(item_id="A", role="assistant")
    turn.parts[2] = Part(kind="text", text=" last ")
    turn.parts[0] = Part(kind="audio", text="first")
    turn.parts[1] = Part(kind="audio")
    turn.parts[2].add_audio(PCM[:480])
    turn.parts[0].add_audio(PCM[480:960])
    assert turn.text == "first last"
    assert turn.audio.to_pcm16() == PCM[480:960] + PCM[:480]
    assert repr(turn) == "Turn(assistant, 'first last')"


def test_half_a_sample_does_not_spoil_the_next_part():
    turn = Turn(item_id="A", role="assistant", parts={0: Part(kind="audio"), 1: Part(kind="audio")})
    turn.parts[0].add_audio(PCM[:481])
    turn.parts[1].add_audio(PCM[:480])
    assert turn.audio.to_pcm16() == PCM[:480] * 2


def test_word_times_count_from_the_start_of_all_audio():
    turn = Turn(item_id="U", role="user", parts={index: Part(kind="audio") for index in (1, 0)})
    for part, text in ((turn.parts[0], "one"), (turn.parts[1], "two")):
        part.add_audio(bytes(48 * 500))
        part.words = (Word(text, 100.0, 200.0),)
    assert turn.words == [Word("one", 100.0, 200.0), Word("two", 600.0, 700.0)]
    assert spoken().words == []


def test_a_turn_without_audio_has_none():
    assert Turn(item_id="A").audio is None


@pytest.mark.parametrize(
    ("played_ms", "heard"),
    [
        (0, ""),
        (100, ""),
        (250, "one"),
        (390, "one two"),
        (450, "one two"),
        (950, "one two three"),
        (1_000, "one two three four"),
        (5_000, "one two three four"),
    ],
)
def test_what_was_heard_ends_with_a_word(played_ms, heard):
    assert spoken(interrupted=True, played_ms=played_ms).heard_text == heard
    assert spoken(truncated_ms=played_ms).heard_text == heard


def test_lines_are_heard_like_words():
    assert spoken("one\ntwo three", interrupted=True, played_ms=700).heard_text == "one\ntwo"


def test_all_is_heard_unless_playback_was_stopped():
    assert spoken(played_ms=100).heard_text == "one two three four"
    assert spoken(interrupted=True).heard_text == "one two three four"
    assert spoken(ms=0, interrupted=True, played_ms=9).heard_text == "one two three four"


def test_nothing_is_heard_of_what_was_stopped_before_its_sound_came():
    assert spoken(ms=0, interrupted=True, played_ms=0).heard_text == ""


def test_what_the_server_cut_counts_before_what_was_played():
    assert spoken(interrupted=True, played_ms=1_000, truncated_ms=250).heard_text == "one"


def test_a_persons_turn_is_final_when_its_words_are_known():
    turn = Turn(item_id="U", role="user")
    assert not turn.is_final  # Nothing has been said yet.
    turn.parts[0] = Part(kind="audio")
    assert not turn.is_final
    turn.done = True
    assert not turn.is_final  # The words come later than the item.
    turn.parts[0].finish_text("Hi")
    assert turn.is_final
    turn.parts[1] = Part(kind="image")
    assert turn.is_final


@pytest.mark.parametrize("turn", [Turn(item_id="A", role="assistant"), Turn(item_id="F", kind="function_call_output")])
def test_other_turns_are_final_when_they_are_done(turn):
    assert not turn.is_final
    turn.done = True
    assert turn.is_final


def test_a_turn_is_speaking_until_its_end_is_detected():
    turn = Turn(item_id="U", role="user")
    assert not turn.is_speaking
    turn.audio_start_ms = 0
    assert turn.is_speaking
    turn.ended_at_ms = 5.0
    assert not turn.is_speaking


def test_an_items_description_adds_and_never_takes_away():
    turn = Turn(item_id="F")
    turn.describe(msgspec.convert(call_item(arguments="{}", status="completed"), Item))
    turn.describe(msgspec.convert({"type": "function_call"}, Item))
    assert (turn.kind, turn.status, turn.name, turn.call_id, turn.arguments) == (
        "function_call",
        "completed",
        "get_time",
        "call_1",
        "{}",
    )


def test_transcription_has_its_own_price():
    turn = Turn(item_id="U", role="user")
    assert turn.cost is None
    turn.transcription_usage, turn.transcription_model = {"type": "duration", "seconds": 60}, "gpt-realtime-whisper"
    assert turn.cost.total_usd == pytest.approx(0.017)


# --- replies ---


def described(**more):
    reply = Reply(response_id="R", model="gpt-realtime-2.1")
    reply.describe(msgspec.convert(response(**more), Response))
    return reply


def test_a_reply_is_what_the_server_says_of_it():
    reply = described(status="completed", metadata={"a": "b"})
    assert (reply.status, reply.metadata, reply.in_conversation) == ("completed", {"a": "b"}, True)
    assert reply.usage == Usage.from_realtime(USAGE)
    assert reply.cost.total_usd == pytest.approx(0.010296)


def test_a_reply_says_why_it_did_not_complete():
    cancelled = described(status="cancelled", status_details={"type": "cancelled", "reason": "turn_detected"})
    assert (cancelled.reason, cancelled.interrupted) == ("turn_detected", True)
    failed = described(
        status="failed", status_details={"type": "failed", "error": {"code": "server_error"}}, usage=None
    )
    assert failed.error == {"code": "server_error"}
    assert failed.usage is None and failed.cost is None
    assert not described(conversation_id=None).in_conversation


def test_a_reply_is_its_turns_in_order():
    reply = Reply(response_id="R")
    reply.outputs[1] = Turn(item_id="F", role="assistant", kind="function_call", name="get_time")
    reply.outputs[0] = spoken(interrupted=True, played_ms=250)
    assert [turn.item_id for turn in reply.turns] == ["A", "F"]
    assert reply.transcript == "one two three four"
    assert reply.heard_transcript == "one"
    assert reply.interrupted
    assert reply.audio.duration_s == 1
    assert [call.name for call in reply.function_calls] == ["get_time"]
    assert repr(reply) == "Reply(in_progress, 'one two three four')"
    assert Reply(response_id="R").audio is None


def test_reprs_hold_no_audio():
    turn = spoken()
    turn.transcription_error = ErrorDetail(message="No.")
    assert len(repr(turn)) < 60
    assert len(repr(turn.parts[0])) < 200


# --- how sure the transcriber was ---


def heard(text, *tokens):
    part = Part(kind="audio", text=text, text_done=True, tokens=tokens)
    return Turn(item_id="A", role="user", parts={0: part})


def test_words_with_an_improbable_token_are_unsure():
    turn = heard(
        "Call Ms O'Neill, please.", (" Call Ms", 0.9), (" O'", 0.8), ("Neill", 0.4), (",", 0.1), (" please.", 1.0)
    )
    assert [turn.text[start:end] for start, end in turn.unsure_words] == ["O'Neill"]
    assert turn.confidence == pytest.approx((0.9 * 0.8 * 0.4 * 0.1) ** (1 / 5))


def test_what_has_no_probabilities_or_those_of_other_words_marks_nothing():
    assert heard("Hello.").confidence is None and heard("Hello.").unsure_words == []
    assert heard("Hello!", ("Hello.", 0.1)).unsure_words == []
