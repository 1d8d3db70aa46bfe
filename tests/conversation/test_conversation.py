import json

import msgspec
import pytest
import wire_samples as wire
from hypothesis import given
from hypothesis import strategies as st
from wire_samples import PCM, SESSION, USAGE, WORDS, event, out, response_created, response_done, without

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.pricing.usage import Usage
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.items import Item, ResponseOptions
from realtime_nb.protocol.local_events import ApprovalGiven, Heard, ToolDone, Word, WordsTimed

TEXT = "".join(WORDS)
QUESTION = "What time is it?"


def speech(ms):
    """Return what a microphone sends, 100 ms an event; every sample is its own position in ms."""
    samples = b"".join((number % 32_768).to_bytes(2, "little") * 24 for number in range(ms))
    return [ev.InputAudioBufferAppend(audio=samples[at : at + 4_800]) for at in range(0, len(samples), 4_800)]


def folded(*events, session=SESSION, step_ms=10.0):
    """Fold a session and these events, one every `step_ms`: server messages as dicts, others as they are."""
    conversation = Conversation()
    conversation.apply(ev.decode_server(json.dumps(event("session.created", session=session))), 0.0)
    fold(conversation, *events, step_ms=step_ms)
    return conversation


def fold(conversation, *events, start_ms=0.0, step_ms=10.0):
    for number, each in enumerate(events, start=1):
        if isinstance(each, dict):
            each = ev.decode_server(json.dumps(each))
        conversation.apply(each, start_ms + number * step_ms)


def record(conversation):
    """Return everything that a conversation holds, but for times and for what was asked."""
    turns = [
        {
            **{
                name: getattr(turn, name)
                for name in ("item_id", "role", "kind", "status", "text", "heard_text", "done")
            },
            **{name: getattr(turn, name) for name in ("name", "call_id", "arguments", "output", "is_final")},
            "audio": turn.audio.to_pcm16() if turn.audio else None,
            "span": (turn.audio_start_ms, turn.audio_end_ms, turn.truncated_ms),
        }
        for turn in conversation
    ]
    replies = {
        reply.response_id: {
            **{name: getattr(reply, name) for name in ("status", "reason", "error", "transcript", "usage", "done")},
            "turns": [turn.item_id for turn in reply.turns],
            "in_conversation": reply.in_conversation,
            "audio": reply.audio.to_pcm16() if reply.audio else None,
        }
        for reply in conversation.replies
    }
    return {"turns": turns, "replies": replies}


def order(conversation):
    return [turn.item_id for turn in conversation]


# --- orderings of the wire ------------------------------------------------------------------------------------------


def test_connect():
    conversation = Conversation()
    fold(conversation, wire.session_created())
    assert conversation.session == SESSION
    fold(conversation, wire.session_updated(SESSION | {"instructions": "Be long."}))
    assert conversation.session["instructions"] == "Be long."
    assert (len(conversation), conversation.replies, conversation.errors) == (0, [], [])


def check_spoken_exchange(conversation):
    user, answer = conversation
    assert (user.item_id, user.role, user.status, user.text) == ("U", "user", "completed", QUESTION)
    assert user.is_final
    assert (answer.item_id, answer.role, answer.status, answer.text) == ("A", "assistant", "completed", TEXT)
    assert answer.audio.to_pcm16() == PCM
    assert answer.is_final
    [reply] = conversation.replies
    assert (reply.status, reply.transcript, reply.done, reply.in_conversation) == ("completed", TEXT, True, True)
    assert reply.asked is user and user.reply is reply
    assert reply.turns == [answer]
    assert reply.usage == Usage.from_realtime(USAGE)
    assert reply.model == "gpt-realtime-2.1"


ANSWER = wire.audio_answer()
TRANSCRIPTION = wire.transcription()


@pytest.mark.parametrize("place", range(len(ANSWER) + 1))
def test_a_spoken_turn_whose_words_land_anywhere(place):
    conversation = folded(*wire.spoken_turn(), *ANSWER[:place], *TRANSCRIPTION, *ANSWER[place:])
    check_spoken_exchange(conversation)
    assert conversation.turn("U").transcription_usage == {"type": "duration", "seconds": 3}
    assert conversation.turn("U").cost.total_usd == pytest.approx(0.017 / 20)


def test_words_may_come_while_the_person_still_speaks():
    started, *rest = wire.spoken_turn()
    early, *late = TRANSCRIPTION
    conversation = folded(started, early)
    assert conversation.turn("U").text == "What"
    assert not conversation.turn("U").is_final
    assert conversation.turn("U").is_speaking
    fold(conversation, *rest, *late, *ANSWER)
    check_spoken_exchange(conversation)


def test_a_spoken_turn_holds_the_audio_that_the_server_took():
    conversation = folded(*speech(2_500), *wire.spoken_turn(start_ms=300, end_ms=2_000))
    [turn] = conversation
    samples = turn.audio.to_pcm16()
    assert turn.audio.duration_s == 1.7
    assert (samples[:2], samples[-2:]) == ((300).to_bytes(2, "little"), (1_999).to_bytes(2, "little"))


def test_a_first_answers_done_without_predecessor_changes_no_place():
    conversation = folded(*wire.spoken_turn(), *wire.audio_answer(done_previous=None), *TRANSCRIPTION)
    assert order(conversation) == ["U", "A"]


def test_a_turn_by_hand():
    manual = without(SESSION, "audio", "input", turn_detection=None)
    commit = ev.InputAudioBufferCommit(event_id="client_1")
    conversation = folded(*speech(500), commit, *wire.committed_turn(), *TRANSCRIPTION, *ANSWER, session=manual)
    check_spoken_exchange(conversation)
    assert conversation.turn("U").audio.duration_s == 0.5


def test_a_long_turn_by_hand_keeps_all_its_audio():
    update = ev.SessionUpdate(session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    back = ev.SessionUpdate(
        session={"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
    )
    commit = ev.InputAudioBufferCommit(event_id="client_1")
    conversation = folded(*speech(900), update, ev.InputAudioBufferClear(), *speech(90_000), commit, back)
    fold(conversation, *speech(70_000), *wire.committed_turn())
    assert conversation.turn("U").audio.to_pcm16() == b"".join(each.audio for each in speech(90_000))


def test_a_refused_commit_leaves_its_audio_to_the_next():
    manual = without(SESSION, "audio", "input", turn_detection=None)
    refusal = event("error", error={"type": "invalid_request_error", "message": "Too small.", "event_id": "client_1"})
    conversation = folded(*speech(100), ev.InputAudioBufferCommit(event_id="client_1"), refusal, session=manual)
    fold(conversation, *speech(300), ev.InputAudioBufferCommit(event_id="client_2"), *wire.committed_turn())
    assert conversation.turn("U").audio.duration_s == 0.4
    assert [error.error.message for error in conversation.errors] == ["Too small."]


def test_a_spoken_turn_began_before_its_end_by_its_length():
    conversation = folded(*speech(2_500), *wire.spoken_turn(start_ms=300, end_ms=2_000))
    turn = conversation.turn("U")
    # Appends pass every 10 ms; the last 500 ms are the silence that ended the turn: speech lasted from 300 to 1500.
    assert (turn.spoken_at_ms, turn.began_at_ms) == (150.0, 150.0 - 1_200)


def test_a_turn_ended_by_hand_began_before_its_commit_by_its_length():
    manual = without(SESSION, "audio", "input", turn_detection=None)
    conversation = folded(*speech(400), ev.InputAudioBufferCommit(event_id="client_1"), session=manual)
    fold(conversation, *wire.committed_turn())
    assert conversation.turn("U").began_at_ms == 50.0 - 400


def test_an_answer_began_to_sound_when_the_first_report_allows():
    conversation = folded(*wire.text_turn(), *ANSWER)
    assert conversation.turn("A").began_at_ms is None
    for elapsed_ms, played_ms in ((900.0, 40), (930.0, 80), (990.0, 96)):
        conversation.apply(Heard(item_id="A", played_ms=played_ms), elapsed_ms)
    assert conversation.turn("A").began_at_ms == 850.0


def test_word_times_are_the_turns():
    timed = WordsTimed(item_id="U", content_index=0, words=(Word("what", 100.0, 250.0),))
    conversation = folded(*speech(2_500), *wire.spoken_turn(), timed)
    assert conversation.turn("U").words == [Word("what", 100.0, 250.0)]


def test_cleared_audio_belongs_to_no_turn():
    manual = without(SESSION, "audio", "input", turn_detection=None)
    commit = ev.InputAudioBufferCommit(event_id="client_1")
    conversation = folded(*speech(400), ev.InputAudioBufferClear(), *speech(200), commit, session=manual)
    fold(conversation, event("input_audio_buffer.cleared"), *wire.committed_turn())
    assert conversation.turn("U").audio.duration_s == 0.2


def test_a_turn_that_nobody_writes_down_is_final():
    silent = without(SESSION, "audio", "input", transcription=None)
    conversation = folded(*speech(2_500), *wire.spoken_turn(), session=silent)
    assert conversation.turn("U").is_final
    assert conversation.turn("U").text == ""


def test_a_text_turn():
    conversation = folded(*wire.text_turn(), *wire.text_answer())
    user, answer = conversation
    assert (user.text, user.is_final, user.audio) == (QUESTION, True, None)
    assert (answer.text, answer.audio) == (TEXT, None)
    assert conversation.replies[0].asked is user


def test_a_text_turn_answered_with_audio():
    conversation = folded(*wire.text_turn(), *ANSWER)
    check_spoken_exchange(conversation)


def test_a_function_call_and_its_second_answer():
    output = {"id": "O", "type": "function_call_output", "status": "completed", "call_id": "call_1", "output": "9:10"}
    conversation = folded(*wire.text_turn(), *wire.call_answer())
    [reply] = conversation.replies
    [call] = reply.function_calls
    assert (call.name, call.call_id, call.arguments) == ("get_time", "call_1", '{"zone": "UTC"}')
    assert (call.role, call.kind, call.text, call.is_final) == ("assistant", "function_call", "", True)
    fold(conversation, wire.item_added(output, "F"), wire.item_done(output, "F"))
    fold(conversation, *wire.audio_answer(response_id="R2", previous="O"))
    assert order(conversation) == ["U", "F", "O", "A"]
    assert (conversation.turn("O").output, conversation.turn("O").kind) == ("9:10", "function_call_output")
    assert call.output == "9:10"
    assert list(conversation.frame["text"])[1:3] == ['{"zone": "UTC"}', "9:10"]
    first, second = conversation.replies
    assert first.asked is second.asked is conversation.turn("U")
    assert conversation.turn("U").reply is first


def test_commentary_and_a_call_in_one_response():
    conversation = folded(*wire.text_turn(), *wire.commentary_and_call())
    assert order(conversation) == ["U", "A", "F"]
    [reply] = conversation.replies
    assert [turn.item_id for turn in reply.turns] == ["A", "F"]
    assert reply.transcript == "Let me look."
    assert reply.audio.to_pcm16() == PCM
    assert [call.arguments for call in reply.function_calls] == ['{"zone": "UTC"}']


def test_two_audio_items_in_one_response():
    first = wire.audio_answer("A1", words=("One. ",))
    second = wire.audio_answer("A2", words=("Two.",), previous="A1")
    for each in second:
        if "output_index" in each:
            each["output_index"] = 1
    done = response_done(output=[first[-2]["response"]["output"][0], second[-2]["response"]["output"][0]])
    conversation = folded(*wire.text_turn(), *first[:-2], *second[1:-2], done)
    assert order(conversation) == ["U", "A1", "A2"]
    [reply] = conversation.replies
    assert reply.transcript == "One. Two."
    assert reply.audio.to_pcm16() == PCM * 2


def test_barge_in():
    cut = wire.audio_answer(
        status="cancelled", end={"status_details": {"type": "cancelled", "reason": "turn_detected"}}
    )
    started, *rest = wire.spoken_turn("U2", "A", start_ms=3_000, end_ms=4_000)
    straggler = out("response.output_audio.delta", delta=wire.b64(PCM))
    heard = Heard(item_id="A", played_ms=48, stopped=True)
    conversation = folded(*wire.text_turn(), *cut[:8], started, heard, *cut[8:], straggler)
    fold(conversation, event("conversation.item.truncated", item_id="A", content_index=0, audio_end_ms=48))
    fold(
        conversation,
        *rest,
        *wire.transcription("U2", ["Stop."]),
        *wire.audio_answer("A2", response_id="R2", previous="U2"),
    )
    assert order(conversation) == ["U", "A", "U2", "A2"]
    answer = conversation.turn("A")
    assert (answer.status, answer.text, answer.truncated_ms, answer.interrupted) == ("incomplete", TEXT, 48, True)
    assert answer.heard_text == "It is ten"
    assert answer.audio.to_pcm16() == PCM  # The straggler behind the end is no part of it.
    reply = conversation.reply("R")
    assert (reply.status, reply.reason, reply.interrupted) == ("cancelled", "turn_detected", True)
    assert reply.heard_transcript == "It is ten"
    assert conversation.reply("R2").asked is conversation.turn("U2")


def test_a_cut_in_a_later_part_counts_from_the_beginning_of_the_item():
    deltas = [*wire.audio_deltas(bytes(48 * 100)), *wire.audio_deltas(bytes(48 * 100), content_index=1)]
    truncated = event("conversation.item.truncated", item_id="A", content_index=1, audio_end_ms=30)
    conversation = folded(*wire.text_turn(), *deltas, truncated)
    assert conversation.turn("A").truncated_ms == conversation.turn("A").heard_ms == 130


def test_stragglers_after_a_cancel_change_no_words():
    cut = wire.audio_answer(status="cancelled")
    late = [
        *wire.transcript_deltas(["late ", "words"]),
        out("response.output_audio_transcript.done", transcript="other"),
    ]
    before, after = folded(*wire.text_turn(), *cut), folded(*wire.text_turn(), *cut, *late)
    assert record(after) == record(before)


def test_a_response_is_asked_by_the_last_turn_that_has_ended():
    """The next turn may have begun when the answer to the last one is created."""
    started = wire.spoken_turn("U2", "U")[0]
    conversation = folded(*wire.spoken_turn(), started, response_created())
    assert conversation.replies[0].asked is conversation.turn("U")


def test_an_answer_that_is_played_to_the_end_is_heard():
    conversation = folded(
        *wire.text_turn(), *ANSWER, Heard(item_id="A", played_ms=40), Heard(item_id="A", played_ms=96)
    )
    assert conversation.turn("A").played_ms == 96
    assert conversation.turn("A").heard_text == TEXT
    fold(conversation, Heard(item_id="A", played_ms=20), Heard(item_id="unheard of", played_ms=1))
    assert conversation.turn("A").played_ms == 96


def test_an_out_of_band_response_leaves_no_trace_in_the_conversation():
    aside = wire.text_answer("B", response_id="OOB")
    aside = [each for each in aside if not each["type"].startswith("conversation.item")]
    for each in aside:
        if "response" in each:
            each["response"] |= {"conversation_id": None, "metadata": {"topic": "mood"}}
    merged = wire.interleaved(ANSWER, aside)
    conversation = folded(*wire.text_turn(), *merged)
    assert order(conversation) == ["U", "A"]
    reply = conversation.reply("OOB")
    assert (reply.transcript, reply.in_conversation, reply.metadata) == (TEXT, False, {"topic": "mood"})
    assert reply.asked is None
    assert conversation.reply("R").transcript == TEXT


def test_an_idle_timeout_makes_a_turn_of_the_silence():
    timeout = event("input_audio_buffer.timeout_triggered", audio_start_ms=1_000, audio_end_ms=7_000, item_id="U")
    conversation = folded(*speech(7_500), timeout, *wire.committed_turn(), *ANSWER)
    assert conversation.turn("U").audio.duration_s == 6
    assert conversation.replies[0].asked is conversation.turn("U")


def test_a_deleted_item_is_gone_from_the_order():
    conversation = folded(*wire.text_turn(), *ANSWER, event("conversation.item.deleted", item_id="U"))
    assert order(conversation) == ["A"]
    assert conversation.turn("U").deleted
    fold(conversation, *wire.text_turn(), event("conversation.item.deleted", item_id="unheard of"))
    assert order(conversation) == ["A"]


def test_an_item_may_be_put_first_or_between():
    system = {"id": "S", "type": "message", "role": "system", "content": [{"type": "input_text", "text": "Hi"}]}
    item = Item(id="S", type="message", role="system")
    create = ev.ConversationItemCreate(event_id="client_1", item=item, previous_item_id="root")
    conversation = folded(*wire.text_turn(), *ANSWER, create, wire.item_added(system), wire.item_done(system))
    assert order(conversation) == ["S", "U", "A"]
    fold(conversation, *wire.text_turn("M", "Between.", "S"))
    assert order(conversation) == ["S", "M", "U", "A"]


def test_a_retrieved_item_may_bring_audio():
    item = wire.user_item(content=[{"type": "input_audio", "audio": wire.b64(PCM), "transcript": "Hi"}])
    conversation = folded(event("conversation.item.retrieved", item=item))
    turn = conversation.turn("U")
    assert (turn.audio.to_pcm16(), turn.text) == (PCM, "Hi")
    assert order(conversation) == []


def test_an_image_has_its_place_among_the_words():
    content = [
        {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
        {"type": "input_text", "text": "What?"},
    ]
    item = wire.user_item(content=content)
    conversation = folded(wire.item_added(item), wire.item_done(item))
    [turn] = conversation
    assert turn.parts[0].image_url.startswith("data:image/png")
    assert (turn.text, turn.is_final) == ("What?", True)


IMAGE = [{"type": "input_image", "image_url": "data:image/png;base64,AA=="}]


def image_turn(item_id, previous=None):
    item = wire.user_item(item_id, content=IMAGE)
    return [wire.item_added(item, previous), wire.item_done(item, previous)]


def test_a_picture_is_kept_as_it_was_sent_where_the_server_does_not_send_it_back():
    sent = {"type": "message", "role": "user", "id": "U", "content": IMAGE}
    create = msgspec.convert({"type": "conversation.item.create", "item": sent}, ev.ConversationItemCreate)
    bare = wire.user_item("U", content=[{"type": "input_image"}])
    conversation = folded(create, wire.item_added(bare), wire.item_done(bare))
    [turn] = conversation
    assert turn.parts[0].image_url == IMAGE[0]["image_url"]


def test_a_picture_that_is_shown_beside_a_question_is_not_what_is_answered():
    conversation = folded(*wire.text_turn(), *image_turn("P", "U"), response_created())
    assert conversation.replies[0].asked is conversation.turn("U")


def test_a_picture_alone_is_answered():
    conversation = folded(*wire.text_turn(), *ANSWER, *image_turn("P", "A"), response_created("resp_2"))
    assert conversation.replies[-1].asked is conversation.turn("P")


def test_words_that_cannot_be_made_out_end_the_wait():
    kind = "conversation.item.input_audio_transcription.failed"
    failed = event(kind, item_id="U", content_index=0, error={"code": "audio_unintelligible", "message": "Unclear."})
    conversation = folded(*wire.spoken_turn(), failed)
    turn = conversation.turn("U")
    assert (turn.is_final, turn.text, turn.transcription_error.message) == (True, "", "Unclear.")


@pytest.mark.parametrize("status", ["incomplete", "failed"])
def test_a_response_may_end_early(status):
    details = {"type": status, "reason": "max_output_tokens", "error": {"code": "server_error", "message": "Sorry."}}
    conversation = folded(*wire.text_turn(), response_created(), response_done(status=status, status_details=details))
    [reply] = conversation.replies
    assert (reply.status, reply.reason, reply.error["code"]) == (status, "max_output_tokens", "server_error")
    assert reply.audio is None and reply.transcript == ""


def test_telephone_audio_is_told_by_the_session():
    session = without(SESSION, "audio", "input", format={"type": "audio/pcmu"})
    session = without(session, "audio", "output", format={"type": "audio/pcma"})
    sent = ev.InputAudioBufferAppend(audio=bytes(8_000))
    conversation = folded(
        sent, *wire.spoken_turn(start_ms=0, end_ms=500), *wire.audio_answer(pcm=bytes(800)), session=session
    )
    assert (conversation.turn("U").audio.duration_s, conversation.turn("U").audio.sample_rate) == (0.5, 8_000)
    assert (conversation.turn("A").audio.duration_s, conversation.turn("A").audio.sample_rate) == (0.1, 8_000)
    assert conversation.received_ms("A") == 100
    assert conversation.received_ms("unheard of") == 0


def test_after_a_reconnection_the_server_counts_from_its_own_beginning():
    conversation = folded(*speech(5_000), *wire.spoken_turn(start_ms=0, end_ms=4_000), *ANSWER)
    fold(conversation, wire.session_created(), *speech(1_000), *wire.spoken_turn("U2", start_ms=200, end_ms=700))
    assert order(conversation) == ["U", "A", "U2"]
    assert conversation.turn("U2").audio.to_pcm16()[:2] == (200).to_bytes(2, "little")
    assert conversation.turn("U2").audio.duration_s == 0.5


def test_an_error_is_kept():
    conversation = folded(event("error", error={"type": "server_error", "message": "Sorry.", "code": None}))
    assert [each.error.message for each in conversation.errors] == ["Sorry."]


def test_it_says_of_itself_how_much_it_holds():
    conversation = folded(*wire.text_turn(), *ANSWER)
    assert repr(conversation) == "Conversation(2 turns, 1 replies)"
    assert len(conversation) == 2
    assert conversation.turn("unheard of") is None and conversation.reply("unheard of") is None


# --- timing ---------------------------------------------------------------------------------------------------------


def test_a_spoken_turn_is_timed_from_the_last_speech_that_was_sent():
    events = [*speech(2_500), *wire.spoken_turn(end_ms=2_000), *ANSWER]
    conversation = folded(*events)  # An event every 10 ms of session time; 100 ms of audio in each of the first 25.
    [reply] = conversation.replies
    # Speech ended at 2000 - 500 ms of the audio: sent with the 15th event.
    assert reply.timing.origin_ms == 150
    assert reply.timing.turn_detected_ms == 270 - 150
    assert reply.timing.created_ms == 310 - 150
    assert reply.timing.first_text_ms == 350 - 150
    assert reply.timing.first_audio_ms == 360 - 150
    assert reply.timing.done_ms == (310 + 10 * (len(ANSWER) - 2)) - 150


def test_a_turn_by_hand_is_timed_from_its_commit():
    manual = without(SESSION, "audio", "input", turn_detection=None)
    request = ev.ResponseCreate(event_id="client_2")
    conversation = folded(
        *speech(100), ev.InputAudioBufferCommit(), request, *wire.committed_turn(), *ANSWER, session=manual
    )
    [reply] = conversation.replies
    assert reply.timing.origin_ms == 20
    assert reply.timing.created_ms == 70 - 20


def test_a_text_turn_is_timed_from_the_request():
    conversation = folded(*wire.text_turn(), ev.ResponseCreate(event_id="client_1"), *ANSWER)
    assert conversation.replies[0].timing.origin_ms == 30
    assert conversation.replies[0].timing.created_ms == 10
    assert conversation.replies[0].timing.turn_detected_ms is None


def test_requests_that_overlap_are_timed_apart():
    mine = ev.ResponseCreate(event_id="client_1", response=ResponseOptions())
    aside = ev.ResponseCreate(event_id="client_2", response=ResponseOptions(conversation="none"))
    second = ev.ResponseCreate(event_id="client_3", response=ResponseOptions(conversation="none"))
    conversation = folded(mine, aside, second)
    fold(conversation, response_created("B2", conversation_id=None, metadata={"request": "client_3"}), start_ms=100)
    fold(conversation, response_created("B1", conversation_id=None, metadata={"request": "client_2"}), start_ms=110)
    fold(conversation, response_created("R", metadata={"request": "client_1"}), start_ms=120)
    origins = {reply.response_id: reply.timing.origin_ms for reply in conversation.replies}
    assert origins == {"R": 10, "B1": 20, "B2": 30}


def test_a_refused_request_times_nothing():
    refusal = event("error", error={"type": "invalid_request_error", "message": "No.", "event_id": "client_1"})
    conversation = folded(ev.ResponseCreate(event_id="client_1"), refusal, response_created())
    assert conversation.replies[0].timing.origin_ms == 30


# --- whatever the order ---------------------------------------------------------------------------------------------


def lanes(item_id, reply_item_id, response_id, previous):
    """Return the parts of an exchange, each in its own order."""
    spoken = wire.spoken_turn(item_id, previous)
    answer = wire.audio_answer(reply_item_id, response_id=response_id, previous=item_id)
    words = [each for each in answer if "output_audio_transcript" in each["type"]]
    sound = [each for each in answer if "output_audio." in each["type"]]
    frame = [each for each in answer if each not in words and each not in sound]
    return [spoken, wire.transcription(item_id), frame, words, sound]


def two_exchanges():
    first, second = lanes("U", "A", "R", None), lanes("U2", "A2", "R2", "A")
    heard = [*first[0], *wire.spoken_turn("U2", "A", start_ms=2_200, end_ms=3_500)]  # One buffer, one order.
    return [heard, *first[1:], *second[1:]]


TWO_EXCHANGES = two_exchanges()
IN_ORDER = [each for lane in TWO_EXCHANGES for each in lane]


@st.composite
def merges(draw, parts):
    """Return the events of all parts in an order that keeps each part's own."""
    turns = draw(st.permutations([number for number, part in enumerate(parts) for _ in part]))
    rest = [iter(part) for part in parts]
    return [next(rest[number]) for number in turns]


@given(merges(TWO_EXCHANGES))
def test_parts_may_interleave_in_any_way(events):
    expected = record(folded(*speech(4_000), *IN_ORDER))
    assert [turn["item_id"] for turn in expected["turns"]] == ["U", "A", "U2", "A2"]
    conversation = folded(*speech(4_000), *events)
    assert record(conversation) == expected


@given(merges([wire.text_turn(), *lanes("U2", "A2", "R2", "F")[1:], wire.commentary_and_call()]))
def test_parts_of_a_call_may_interleave_in_any_way(events):
    conversation = folded(*events)
    # The answer's place is told by a turn that is not among the events.
    assert [item_id for item_id in order(conversation) if item_id != "A2"] == ["U", "A", "F"]
    assert conversation.reply("R").function_calls[0].arguments == '{"zone": "UTC"}'
    assert conversation.reply("R2").audio.to_pcm16() == PCM


@given(st.data())
def test_what_arrives_twice_counts_once(data):
    events = [*wire.spoken_turn(), *wire.interleaved(ANSWER, TRANSCRIPTION)]
    again = data.draw(st.lists(st.integers(0, len(events) - 1), max_size=20))
    twice = list(enumerate(events)) + [(data.draw(st.integers(at, len(events))), events[at]) for at in again]
    twice.sort(key=lambda pair: pair[0])
    assert record(folded(*speech(2_500), *(each for _, each in twice))) == record(folded(*speech(2_500), *events))


@given(st.data())
def test_lost_deltas_are_made_good_by_what_follows(data):
    events = [*wire.spoken_turn(), *TRANSCRIPTION, *wire.commentary_and_call()]
    whole = record(folded(*events))
    kept = [each for each in events if not each["type"].endswith(".delta") or data.draw(st.booleans())]
    lossy = folded(*kept)
    for each in (whole, after := record(lossy)):
        for part in [*each["turns"], *each["replies"].values()]:
            del part["audio"]  # Sound that is lost is lost.
    assert after == whole


LOSSES = (
    "output_audio_transcript.done content_part output_item conversation.item.added conversation.item.done "
    "response.created function_call_arguments"
)


@pytest.mark.parametrize("lost", LOSSES.split())
def test_one_lost_kind_of_event_is_made_good_by_the_others(lost):
    events = [*wire.text_turn(), *wire.commentary_and_call()]
    conversation = folded(*(each for each in events if lost not in each["type"]))
    assert order(conversation) == ["U", "A", "F"]
    assert conversation.turn("A").text == "Let me look."
    assert conversation.reply("R").function_calls[0].arguments == '{"zone": "UTC"}'
    assert all(turn.is_final for turn in conversation)


@given(st.data())
def test_unknown_events_change_nothing(data):
    events = [*wire.spoken_turn(), *wire.interleaved(ANSWER, TRANSCRIPTION)]
    strange = [
        {"type": "response.output_smell.delta", "event_id": "event_x", "item_id": "A", "delta": "rose"},
        {"type": "conversation.item.added", "item": "broken"},
        {"type": "response.done"},
        event("rate_limits.updated", rate_limits=[]),
        event("input_audio_buffer.cleared"),
    ]
    mixed = list(events)
    for each in data.draw(st.lists(st.sampled_from(strange), max_size=8)):
        mixed.insert(data.draw(st.integers(0, len(mixed))), each)
    assert record(folded(*mixed)) == record(folded(*events))


def test_a_call_keeps_what_became_of_it():
    done = ToolDone(call_id="call_1", name="get_time", output='{"error":"no clock"}', error="no clock", ran_ms=12.0)
    conversation = folded(*wire.text_turn(), *wire.call_answer(), ApprovalGiven(call_id="call_1", approved=True), done)
    [call] = conversation.replies[0].function_calls
    assert (call.approved, call.tool_ms, call.tool_error, call.output) == (True, 12.0, "no clock", done.output)
    fold(conversation, ToolDone(call_id="unheard of", name="x", output=""))


def test_what_an_mcp_server_does_and_asks_is_reported():
    names = {"server_label": "docs", "name": "look", "arguments": "{}"}
    asked = {"id": "mcpr_1", "type": "mcp_approval_request", **names}
    given = {"id": "M2", "type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
    failed = {"id": "M3", "type": "mcp_call", **names, "error": {"type": "http_error", "code": 500, "message": "Down."}}
    tools = {"id": "M0", "type": "mcp_list_tools", "server_label": "docs", "tools": [{"name": "look"}]}
    conversation = folded(*(wire.item_done(item) for item in (tools, asked, given, failed)))
    turns = {turn.item_id: turn for turn in conversation}
    assert list(turns) == ["M0", "mcpr_1", "M2", "M3"]
    assert (turns["mcpr_1"].server_label, turns["mcpr_1"].name, turns["M2"].approved) == ("docs", "look", True)
    assert turns["M3"].tool_error == "Down."


EVERYTHING = [
    *IN_ORDER,
    *wire.commentary_and_call("A2"),
    *speech(300),
    ev.InputAudioBufferCommit(event_id="client_1"),
    ev.InputAudioBufferClear(),
    ev.ResponseCreate(event_id="client_2", response=ResponseOptions(conversation="none")),
    ev.ConversationItemCreate(item=Item(id="U", type="message"), previous_item_id="root"),
    Heard(item_id="A", played_ms=20, stopped=True),
    ToolDone(call_id="call_1", name="get_time", output="9:10", ran_ms=1.0),
    ApprovalGiven(call_id="call_1", approved=False),
    wire.session_created(),
    wire.session_updated(without(SESSION, "audio", "input", format={"type": "audio/pcmu"})),
    wire.item_added(wire.user_item("X"), "X"),
    wire.item_added(wire.user_item("Y"), "Z"),
    wire.item_added(wire.user_item("Z"), "Y"),
    wire.item_added({"type": "message"}, "X"),
    event("conversation.item.truncated", item_id="A", content_index=0, audio_end_ms=50),
    event("conversation.item.deleted", item_id="A"),
    event("error", error={"type": "server_error", "message": "Sorry.", "event_id": "client_1"}),
    event("input_audio_buffer.speech_stopped", audio_end_ms=-(10**12), item_id="U"),
    event("input_audio_buffer.committed", item_id="W"),
]


@given(st.lists(st.sampled_from(range(len(EVERYTHING))), max_size=80))
def test_no_order_of_events_breaks_it(numbers):
    conversation = folded(*(EVERYTHING[number] for number in numbers))
    assert len(set(order(conversation))) == len(conversation)
    assert record(conversation) == record(folded(*(EVERYTHING[number] for number in numbers)))
    assert repr(list(conversation)) and repr(conversation.replies)


odd_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                "audio input output format type turn_detection silence_duration_ms transcription model".split()
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["audio", "model"]), odd_values),
    st.dictionaries(st.sampled_from(list(USAGE)), odd_values),
)
def test_odd_settings_and_usage_break_nothing(session, usage):
    end = {"usage": usage, "metadata": usage, "status_details": {"type": "failed", "error": usage}}
    answer = wire.audio_answer(end=end)
    conversation = folded(*speech(300), *wire.spoken_turn(), *TRANSCRIPTION, *answer, session=session)
    assert [turn.text for turn in conversation] == [QUESTION, TEXT]
    assert repr(conversation.replies[0].cost) and repr(conversation.turn("U").cost)


def test_of_a_servers_probabilities_only_those_that_can_be_some_count():
    conversation = Conversation()
    logprobs = [{"token": "Hi", "logprob": -1.0}, {"token": 7, "logprob": -1.0}, {"token": "x", "logprob": "much"}]
    logprobs += [{"token": "y", "logprob": 0.5}, {}, {"token": "!", "logprob": -1e9}]
    completed = ev.ConversationItemInputAudioTranscriptionCompleted(item_id="A", transcript="Hi!", logprobs=logprobs)
    conversation.apply(completed, 0.0)
    turn = conversation.turn("A")
    assert [token for token, _ in turn.parts[0].tokens] == ["Hi", "!"]
    assert 0 < turn.confidence < 1e-10 and turn.unsure_words == [(0, 2)]
