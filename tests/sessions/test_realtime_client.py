import asyncio
import json
import threading
import warnings

import numpy as np
import pytest
import wire_samples as wire
from scripted_server import scripted
from wire_samples import PCM, event, without

import realtime_nb as rt
from realtime_nb.errors import AudioError, ConnectionLost, LocalProtocolError, MissingKey, ServerError, SettingsError
from realtime_nb.local.process import speak
from realtime_nb.loop import Pending, submit
from realtime_nb.media.clip import AudioClip
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.local_events import Interrupted
from realtime_nb.sessions.realtime import RealtimeSession

MANUAL = without(wire.SESSION, "audio", "input", turn_detection=None)
CLIP = AudioClip.from_pcm16(PCM * 2)
WAIT_S = 30


@pytest.fixture(scope="module")
def question():
    return speak("What time is it?")


@pytest.fixture
def local():
    with RealtimeSession(backend="local") as session:
        yield session


def waiter(session, match):
    """Return an event that is set when `match` is true of something that the session is told."""
    seen = threading.Event()
    stop = session.listen(lambda event, elapsed_ms: match(event) and seen.set())
    return seen, stop


def against(script, **options):
    """Return a context in which a script answers a session."""
    return _Against(script, options)


class _Against:
    def __init__(self, script, options):
        self.server = scripted(script)
        self.options = options

    def __enter__(self):
        self.session = RealtimeSession(backend=self.server.__enter__(), **self.options)
        return self.session

    def __exit__(self, *error):
        self.session.close().result(WAIT_S)
        return self.server.__exit__(*error)


# --- with the local voice -------------------------------------------------------------------------------------------


def test_a_written_question_is_answered_in_speech(local):
    reply = local.ask("Hello!").result(WAIT_S)
    assert (reply.status, reply.model) == ("completed", "local-voice")
    assert reply.transcript
    assert reply.audio.duration_s > 0.3 and reply.audio.peak > 0.05
    assert reply.asked.text == "Hello!"
    assert reply.usage.output_tokens > 0 and reply.cost.total_usd == 0
    assert 0 <= reply.timing.created_ms <= reply.timing.first_audio_ms <= reply.timing.done_ms
    assert local.conversation.replies == [reply]


def test_a_spoken_question_is_heard(local, question):
    reply = local.ask(question).result(WAIT_S)
    assert "time" in reply.asked.text.lower()
    assert reply.asked.is_final
    assert reply.asked.audio.duration_s == pytest.approx(question.duration_s, abs=0.01)
    assert reply.transcript
    assert local.turn_detection["type"] == "server_vad"  # As it was before.


def test_a_recording_of_another_rate_is_heard(local, question):
    clip = question.resample(16_000)
    assert "time" in local.ask(clip).result(WAIT_S).asked.text.lower()


def test_a_turn_by_hand(question):
    with RealtimeSession(backend="local", turn_detection=None) as session:
        assert session.turn_detection is None
        session.send_audio(question.to_pcm16())
        item_id = session.commit().result(WAIT_S)
        reply = session.respond().result(WAIT_S)
        assert reply.asked.item_id == item_id
        assert reply.status == "completed"


def test_audio_of_a_microphone_makes_turns_by_itself(local, question):
    done, stop = waiter(local, lambda event: event.type == "response.done")
    pcm = AudioClip(np.pad(question.samples, (12_000, 36_000))).resample(48_000).to_pcm16()
    for start in range(0, len(pcm), 9_600):
        local.send_audio(pcm[start : start + 9_600], 48_000)
    assert done.wait(WAIT_S)
    stop()
    user, answer = local.conversation.turns[:2]
    assert (user.role, answer.role) == ("user", "assistant")
    assert user.audio.duration_s > 0.5
    [reply] = local.conversation.replies
    assert reply.asked is user and reply.timing.turn_detected_ms is not None


def test_several_questions_are_answered_one_after_the_other(local):
    replies = [pending.result(WAIT_S) for pending in [local.ask("Hello!"), local.ask("What is two plus two?")]]
    assert [reply.status for reply in replies] == ["completed", "completed"]
    assert replies[0] is not replies[1]


def test_an_interrupted_answer_is_cancelled(local):
    begun, stop = waiter(local, lambda event: event.type == "response.output_audio.delta")
    pending = local.ask("Count from one to twenty, please.")
    assert begun.wait(WAIT_S)
    stop()
    response_id = local.conversation.replies[0].response_id
    assert local.interrupt().result(WAIT_S)
    assert local.is_late(response_id)
    reply = pending.result(WAIT_S)
    assert (reply.status, reply.reason) == ("cancelled", "client_cancelled")
    assert "session.interrupted" not in local.log.types("received")
    assert not local.interrupt().result(WAIT_S)


def test_a_speaker_that_was_stopped_tells_the_server_once(local):
    reply = local.ask("Hello!").result(WAIT_S)
    [turn] = reply.turns
    truncated, stop = waiter(local, lambda event: event.type == "conversation.item.truncated")
    local.heard(turn.item_id, 120)
    local.heard(turn.item_id, 200, stopped=True)
    local.heard(turn.item_id, 220, stopped=True)
    assert truncated.wait(WAIT_S)
    stop()
    assert turn.truncated_ms == 200
    assert turn.interrupted and turn.heard_text != turn.text
    assert local.log.types("sent").count("conversation.item.truncate") == 1


def test_an_answer_of_which_nothing_was_heard_is_forgotten_and_stays_in_the_record(local):
    local.ask("Count to three.").result(WAIT_S)
    unheard = local.ask("Say good evening.").result(WAIT_S)
    [turn] = unheard.turns
    deleted, stop = waiter(local, lambda event: event.type == "conversation.item.deleted")
    local.heard(turn.item_id, 0, stopped=True)
    local.heard(turn.item_id, 0, stopped=True)
    assert deleted.wait(WAIT_S)
    stop()
    assert local.ask("What did you say?").result(WAIT_S).transcript == "I said: One, two, three."
    assert turn in local.conversation and turn.deleted
    assert local.conversation.turns[3] is turn  # In its place, whatever the server puts behind what it still has.
    assert (turn.text, turn.heard_text, unheard.heard_transcript) == ("Good evening.", "", "")
    assert local.log.types("sent").count("conversation.item.delete") == 1 and not local.conversation.errors
    assert "interrupted before a word was heard" in str(turn._repr_mimebundle_()["text/plain"])
    # The person may still take it out of the record, and ask again.
    again = local.rerun(unheard).result(WAIT_S)
    assert again.transcript == "Good evening." and turn not in local.conversation and not local.conversation.errors


def test_an_answer_that_is_interrupted_before_its_first_sample_is_forgotten_when_it_is_over(local):
    added, stop = waiter(local, lambda event: event.type == "response.output_item.added")
    asked = []

    def cut(event, elapsed_ms):
        if event.type == "response.output_item.added" and not asked:
            asked.append(event.item.id)
            local.interrupt()
            local.heard(event.item.id, 0, stopped=True)

    stop_too = local.listen(cut)
    pending = local.ask("Count from one to twenty, please.")
    assert added.wait(WAIT_S)
    assert pending.result(WAIT_S).status == "cancelled"
    stop(), stop_too()
    assert local.ask("What did you say?").result(WAIT_S).transcript == "I have not said anything yet."
    assert not local.conversation.errors


def test_of_several_answers_in_a_response_each_is_cut_forgotten_or_left_for_itself():
    """As gpt-realtime-2 makes them: a remark, a call, and more; all came before the first was heard to its end."""

    def script(peer):
        peer.open()
        request = peer.read_text_question()
        first = wire.audio_answer("A", response_id="R")[1:-2]
        second = wire.audio_answer("B", response_id="R", previous="A")[1:-2]
        third = wire.audio_answer("C", response_id="R", previous="B")[1:-2]
        items = [wire.spoken_item(item_id, "".join(wire.WORDS), "completed") for item_id in "ABC"]
        peer.send(wire.response_created("R", metadata=request["response"]["metadata"]))
        for index, each in enumerate((first, second, third)):
            peer.send(*(one | {"output_index": index} if "output_index" in one else one for one in each))
        peer.send(wire.response_done("R", output=items, metadata=request["response"]["metadata"]))
        told = [peer.receive("conversation.item.truncate", "conversation.item.delete") for _ in range(2)]
        assert [(each["type"], each["item_id"]) for each in told] == [
            ("conversation.item.truncate", "B"),
            ("conversation.item.delete", "C"),
        ]
        assert told[0]["audio_end_ms"] == 20
        peer.send(event("conversation.item.truncated", item_id="B", content_index=0, audio_end_ms=20))
        peer.send(event("conversation.item.deleted", item_id="C"))

    with against(script) as session:
        reply = session.ask("Hello!").result(WAIT_S)
        deleted, _ = waiter(session, lambda event: event.type == "conversation.item.deleted")
        first, second, third = reply.turns
        session.heard("A", round(first.audio.duration_s * 1000))
        session.heard("B", 20, stopped=True)
        session.heard("C", 0, stopped=True)
        assert deleted.wait(WAIT_S)
        assert first.heard_text == first.text and third.heard_text == ""
        assert second.text.startswith(second.heard_text) and second.heard_text != second.text
        assert [turn.item_id for turn in session.conversation][-3:] == ["A", "B", "C"]


def test_an_answer_that_is_still_being_made_is_cut_though_all_that_came_was_played(local):
    begun, stop = waiter(local, lambda event: event.type == "response.output_audio.delta")
    truncated, stop_too = waiter(local, lambda event: event.type == "conversation.item.truncated")
    answer = []

    def cut(event, elapsed_ms):
        # On the I/O thread, before anything else can come.
        if event.type == "response.output_audio.delta" and not answer:
            answer.append(event.item_id)
            local.heard(event.item_id, int(local.conversation.received_ms(event.item_id)), stopped=True)

    local.listen(cut)
    pending = local.ask("Count from one to twenty, please.")
    assert begun.wait(WAIT_S) and truncated.wait(WAIT_S)
    stop(), stop_too()
    pending.result(WAIT_S)
    turn = local.conversation.turn(answer[0])
    assert 0 < turn.truncated_ms < turn.audio.duration_s * 1000
    assert turn.text.startswith(turn.heard_text) and turn.heard_text != turn.text


def test_an_answer_that_was_played_to_the_end_is_not_cut(local):
    reply = local.ask("Hello!").result(WAIT_S)
    [turn] = reply.turns
    local.heard(turn.item_id, round(turn.audio.duration_s * 1_000) + 50, stopped=True)
    assert local.clear().result(WAIT_S)
    assert "conversation.item.truncate" not in local.log.types("sent")


def test_settings_can_be_changed(local):
    assert local.voice == "marin"
    local.update(voice="echo", instructions="Be brief.", turn_detection=None).result(WAIT_S)
    assert local.voice == "echo"
    assert local.conversation.session["instructions"] == "Be brief."
    assert local.turn_detection is None


def test_a_setting_that_the_server_refuses_is_reported_and_not_kept(local):
    with pytest.raises(ServerError) as caught:
        local.update(voice="nobody").result(WAIT_S)
    assert (caught.value.code, caught.value.param) == ("invalid_value", "session.audio.output.voice")
    local.update(instructions="Be brief.").result(WAIT_S)
    local.close().result(WAIT_S)
    local.connect().result(WAIT_S)
    assert (local.voice, local.conversation.session["instructions"]) == ("marin", "Be brief.")


def test_a_function_is_called_and_answered():
    tool = {
        "type": "function",
        "name": "get_weather",
        "description": "Get the weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
    options = {"tools": [tool], "tool_choice": "required", "output_modalities": ["text"]}
    with RealtimeSession(backend="local", **options) as session:
        reply = session.ask("What is the weather in Paris?").result(WAIT_S)
        [call] = reply.function_calls
        assert call.name == "get_weather"
        assert isinstance(json.loads(call.arguments), dict)
        session.send_function_output(call.call_id, json.dumps({"weather": "sunny"})).result(WAIT_S)
        second = session.respond(tool_choice="none").result(WAIT_S)
        assert second.status == "completed"
        assert [turn.kind for turn in session.conversation] == [
            "message",
            "function_call",
            "function_call_output",
            "message",
        ]


def test_an_out_of_band_response_leaves_the_conversation_alone(local):
    reply = local.respond(conversation="none", output_modalities=["text"], metadata={"topic": "mood"}).result(WAIT_S)
    assert (reply.status, reply.in_conversation, reply.metadata["topic"]) == ("completed", False, "mood")
    assert len(local.conversation) == 0


def test_it_connects_again_after_it_was_closed(question):
    session = RealtimeSession(backend="local")
    session.ask("Hello!").result(WAIT_S)
    session.close().result(WAIT_S)
    assert session.state == "closed" and session.error is None
    reply = session.ask(question).result(WAIT_S)
    assert "time" in reply.asked.text.lower()
    assert reply.asked.audio.duration_s == pytest.approx(question.duration_s, abs=0.01)
    assert len(session.conversation.replies) == 2
    session.close().result(WAIT_S)


def test_everything_can_be_awaited():
    async def cell():
        async with RealtimeSession(backend="local") as session:
            pending = session.ask("Hello!")
            types = []
            async for each in session:
                types.append(each.type)
                if each.type == "response.done":
                    break
            reply = await pending
            assert reply.status == "completed"
            return types, session

    types, session = asyncio.run(cell())
    assert types.index("response.created") < types.index("response.output_audio.delta") < types.index("response.done")
    assert session.state == "closed"


def test_iterating_ends_with_the_session():
    async def cell():
        session = RealtimeSession(backend="local")
        await session.connect()

        async def collect():
            return [each.type async for each in session]

        collecting = asyncio.create_task(collect())
        await asyncio.sleep(0)
        await session.clear()
        await session.close()
        return await asyncio.wait_for(collecting, WAIT_S)

    assert asyncio.run(cell()) == ["input_audio_buffer.cleared", "session.state"]


def test_the_log_holds_both_ways_and_what_was_sent(local, question):
    local.ask(question).result(WAIT_S)
    sent = [entry for entry in local.log if entry.direction == "sent" and entry.event.type.endswith("append")]
    assert sum(entry.audio_bytes for entry in sent) == len(question.to_pcm16())
    assert b"".join(entry.event.audio for entry in sent) == question.to_pcm16()
    assert "response.done" in local.log.types("received")


# --- with a scripted server -----------------------------------------------------------------------------------------


def test_a_server_that_never_echoes_metadata_is_understood():
    def script(peer):
        peer.open()
        peer.read_text_question()
        peer.send(*wire.audio_answer())
        peer.wait_until_gone()

    with against(script) as session:
        assert session.ask("What time is it?").result(WAIT_S).transcript == "It is ten past nine."


def test_a_request_that_comes_in_between_is_asked_again():
    def script(peer):
        peer.open()
        request = peer.read_text_question()
        message = "Conversation already has an active response in progress: V."
        error = {"type": "e", "code": "conversation_already_has_active_response", "message": message}
        peer.send(wire.response_created("V"), event("error", error=error | {"event_id": request["event_id"]}))
        peer.send(wire.response_done("V"))
        peer.answer(peer.receive("response.create"))
        peer.wait_until_gone()

    with against(script) as session:
        reply = session.ask("What time is it?").result(WAIT_S)
        assert (reply.response_id, reply.transcript) == ("R", "It is ten past nine.")


def test_a_request_that_is_refused_raises():
    def script(peer):
        peer.open()
        request = peer.read_text_question()
        error = {"type": "e", "code": "invalid_value", "message": "No.", "event_id": request["event_id"]}
        peer.send(event("error", error=error))
        peer.answer(peer.read_text_question())
        peer.wait_until_gone()

    with against(script) as session:
        with pytest.raises(ServerError, match=r"No\. \[invalid_value\]"):
            session.ask("What time is it?").result(WAIT_S)
        assert session.ask("And now?").result(WAIT_S).status == "completed"


def test_a_connection_lost_in_an_answer_is_reported_and_the_beginning_is_kept():
    def script(peer):
        peer.open()
        peer.read_text_question()
        peer.send(*wire.audio_answer()[:8])
        peer.break_off()

    with against(script, restore=False) as session:
        with pytest.raises(ConnectionLost, match="broke off"):
            session.ask("What time is it?").result(WAIT_S)
        assert session.state == "closed"
        assert isinstance(session.error, ConnectionLost)
        [reply] = session.conversation.replies
        assert (reply.status, reply.reason) == ("incomplete", "connection_lost") and reply.audio.duration_s > 0


def test_a_clip_is_one_turn_whatever_the_turn_detection():
    """Fields that a server adds to its turn detection later go back to it as they came."""
    session = without(wire.SESSION, "audio", "input", turn_detection={"type": "server_vad", "mood": "calm"})

    def script(peer):
        peer.open(session)
        off = peer.receive("session.update")["session"]["audio"]["input"]
        assert off == {"turn_detection": None}
        peer.receive("input_audio_buffer.clear")
        peer.receive("input_audio_buffer.append")
        peer.receive("input_audio_buffer.commit")
        back = peer.receive("session.update")["session"]["audio"]["input"]
        assert back == {"turn_detection": {"type": "server_vad", "mood": "calm"}}
        peer.send(wire.session_updated(MANUAL), *wire.committed_turn(), wire.session_updated(session))
        peer.answer(peer.receive("response.create"))
        peer.send(*wire.transcription())
        peer.wait_until_gone()

    with against(script) as session_:
        reply = session_.ask(CLIP).result(WAIT_S)
        assert reply.asked.text == "What time is it?"
        assert reply.asked.audio.to_pcm16() == CLIP.to_pcm16()


def test_the_words_of_a_clip_are_waited_for_no_longer_than_they_may_take(monkeypatch):
    monkeypatch.setattr("realtime_nb.sessions.responses._TRANSCRIPT_WAIT_S", 0.05)

    def script(peer):
        peer.open(MANUAL)
        for kind in ("clear", "append", "commit"):
            peer.receive(f"input_audio_buffer.{kind}")
        peer.send(*wire.committed_turn())
        peer.answer(peer.receive("response.create"))
        peer.wait_until_gone()

    with against(script) as session:
        reply = session.ask(CLIP).result(WAIT_S)
        assert reply.status == "completed" and not reply.asked.is_final


def test_telephone_audio_goes_out_in_its_own_format():
    session = without(MANUAL, "audio", "input", format={"type": "audio/pcmu"})
    lengths = []

    def script(peer):
        peer.open(session)
        audio = b""
        while (got := peer.receive("input_audio_buffer.append", "input_audio_buffer.commit"))["type"].endswith(
            "append"
        ):
            audio += ev.decode_client(json.dumps(got)).audio
        lengths.append(len(audio))
        peer.send(*wire.committed_turn())
        peer.wait_until_gone()

    with against(script, input_format="g711_ulaw", turn_detection=None) as session_:
        session_.connect().result(WAIT_S)
        for _ in range(10):
            session_.send_audio(bytes(4_800))
        assert session_.commit().result(WAIT_S) == "U"
    assert lengths[0] == pytest.approx(8_000, abs=400)  # The filter keeps a little.


def test_the_output_of_a_function_is_acknowledged_by_its_own_item():
    def script(peer):
        peer.open()
        peer.send(wire.item_added(wire.spoken_item("late")))
        output = peer.receive("conversation.item.create")["item"] | {"id": "O"}
        peer.send(wire.item_added(wire.spoken_item("other")), event("input_audio_buffer.cleared"))
        peer.send(wire.item_added(output))
        peer.wait_until_gone()

    with against(script) as session:
        session.send_function_output("call_1", "9:10").result(WAIT_S)
        assert session.conversation.turn("O").output == "9:10"


def test_changes_that_overlap_are_answered_apart():
    def script(peer):
        peer.open()
        first, second = peer.receive("session.update"), peer.receive("session.update")
        assert first["session"] == {"type": "realtime", "instructions": "Be brief."}
        peer.send(wire.session_updated())
        error = {"type": "e", "code": "cannot_update_voice", "message": "Too late.", "event_id": second["event_id"]}
        peer.send(event("error", error=error))
        for item_id in ("U1", "U2"):
            peer.receive("input_audio_buffer.commit")
            peer.send(*wire.committed_turn(item_id))
        peer.wait_until_gone()

    with against(script) as session:
        session.connect().result(WAIT_S)
        first, second = session.update(instructions="Be brief."), session.update(voice="echo")
        first.result(WAIT_S)
        with pytest.raises(ServerError, match="Too late"):
            second.result(WAIT_S)
        commits = [session.commit(), session.commit()]
        assert [commit.result(WAIT_S) for commit in commits] == ["U1", "U2"]


def test_a_question_of_which_a_part_is_refused_raises():
    def refuse(peer, request):
        error = {
            "type": "e",
            "code": "string_above_max_length",
            "message": "Too long.",
            "event_id": request["event_id"],
        }
        peer.send(event("error", error=error))
        peer.answer(peer.receive("response.create"))

    def script(peer):
        peer.open(MANUAL)
        refuse(peer, peer.receive("conversation.item.create"))
        while peer.receive("input_audio_buffer.clear", "response.cancel")["type"] == "response.cancel":
            pass  # Nobody wants the rest of an answer to nothing, if it is not over yet.
        peer.receive("input_audio_buffer.append")
        refuse(peer, peer.receive("input_audio_buffer.commit"))
        peer.wait_until_gone()

    with against(script) as session:
        for question in ("What time is it?", CLIP):
            with pytest.raises(ServerError, match="Too long"):
                session.ask(question).result(WAIT_S)


# --- without any server ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        ((), TypeError, "needs something to ask"),
        ((42,), TypeError, "cannot ask with int"),
        ((b"abc",), TypeError, "cannot ask with bytes"),
        ((AudioClip(np.ones(100)),), AudioError, "the clip is 4 ms long: record or load more"),
        ((AudioClip(np.zeros(24_000)),), AudioError, "silent from end to end"),
    ],
)
def test_an_impossible_question_is_refused_at_once(content, error, said):
    session = RealtimeSession(backend="local")
    with pytest.raises(error, match=said):
        session.ask(*content)
    assert session.state == "closed" and len(session.log) == 0


def test_a_bad_option_is_refused_at_once():
    with pytest.raises(SettingsError, match="'temperature' is not a session setting"):
        RealtimeSession(backend="local", temperature=1)
    session = RealtimeSession(backend="local")
    with pytest.raises(SettingsError, match="speed"):
        session.update(speed=9)
    with pytest.raises(SettingsError, match=r"mood.*cannot be set for one response"):
        session.respond(mood="good")


def test_a_missing_key_is_told_at_once(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingKey):
        RealtimeSession(backend="openai")
    assert RealtimeSession().backend.name == "local"


@pytest.mark.parametrize(("pcm", "rate", "said"), [(b"abc", 24_000, "3 bytes"), (b"ab", 0, "sample_rate=0")])
def test_broken_microphone_audio_is_refused_at_once(pcm, rate, said):
    with pytest.raises(AudioError, match=said):
        RealtimeSession(backend="local").send_audio(pcm, rate)


def test_audio_before_the_session_is_open_is_dropped_and_counted():
    session = RealtimeSession(backend="local")
    session.send_audio(bytes(4_800))
    session.send_audio(bytes(3_200), 16_000)
    submit(asyncio.sleep(0)).result(WAIT_S)
    assert session.dropped_audio_ms == 200
    assert session.state == "closed"


@pytest.mark.parametrize("call", ["commit", "clear"])
def test_a_closed_session_says_so(call):
    with pytest.raises(LocalProtocolError, match="while the session is closed"):
        getattr(RealtimeSession(backend="local"), call)().result(WAIT_S)


def test_closing_and_interrupting_a_closed_session_does_nothing():
    session = RealtimeSession(backend="local")
    assert session.close().result(WAIT_S) is None
    assert session.interrupt().result(WAIT_S) is False


def test_settings_changed_before_connecting_go_out_with_the_first_update():
    session = RealtimeSession(backend="local", instructions="Be brief.")
    session.update(voice="echo").result(WAIT_S)
    assert session.voice == "echo"
    with session:
        assert session.voice == "echo"
        assert session.conversation.session["instructions"] == "Be brief."


def test_what_a_session_is_before_it_is_open():
    session = RealtimeSession(backend="local")
    assert (session.model, session.voice, session.turn_detection) == ("local-voice", "marin", {"type": "server_vad"})
    assert RealtimeSession(backend="local", turn_detection=None).turn_detection is None
    assert repr(session) == "RealtimeSession('local-voice' at 'local', closed, 0 turns)"
    assert isinstance(session.close(), Pending)


def test_a_model_that_is_shut_down_is_warned_of():
    with pytest.warns(FutureWarning, match="'gpt-realtime' is shut down on 2027-01-20; use gpt-realtime-2.1"):
        RealtimeSession(model="gpt-realtime", api_key="sk-test")
    with pytest.warns(FutureWarning, match="'whisper-1' is shut down"):
        RealtimeSession(transcription="whisper-1", api_key="sk-test")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "sk-test" not in repr(RealtimeSession(api_key="sk-test"))


@pytest.mark.parametrize("kind", [RealtimeSession, rt.ChatSession, rt.CascadeSession])
def test_iterating_ends_at_once_where_the_session_is_closed_already(kind):
    session = kind(backend="local")

    async def collect():
        return [each.type async for each in session]

    session.connect().result(WAIT_S)
    session.close().result(WAIT_S)
    assert asyncio.run(asyncio.wait_for(collect(), WAIT_S)) == []


@pytest.mark.parametrize("kind", [RealtimeSession, rt.ChatSession, rt.CascadeSession])
def test_iterating_begins_before_the_session_and_ends_with_it_though_it_was_never_open(kind):
    async def collect(session):
        return [each.type async for each in session]

    async def cell(use):
        session = kind(backend="local")
        collecting = asyncio.create_task(collect(session))
        await asyncio.sleep(0)
        if use:
            await session.connect()
        await session.close()
        return await asyncio.wait_for(collecting, WAIT_S)

    assert "session.created" in asyncio.run(cell(use=True))
    assert asyncio.run(cell(use=False)) == ["session.state"]


def test_an_iteration_in_a_loop_that_was_closed_is_let_go(local):
    events = aiter(local)

    async def begin():
        first = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        local.note(Interrupted())
        return await first

    before = len(local._session_events.listeners)
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(begin()) == Interrupted()
    assert len(local._session_events.listeners) == before + 1
    loop.close()
    local.note(Interrupted())  # Warnings are errors here.
    local.clear().result(WAIT_S)
    assert len(local._session_events.listeners) == before


def test_the_answer_to_a_request_is_the_server_s_event(local, question):
    """A commit's event is told behind a local one about its sound, which is no answer."""
    local.update(turn_detection=None).result(WAIT_S)
    local.connect().result(WAIT_S)
    for start in range(0, len(question.to_pcm16()), 4_800):
        local.send_audio(question.to_pcm16()[start : start + 4_800], question.sample_rate, captured_ms=start / 48)
    told = []
    local.listen(lambda event, elapsed_ms: told.append(event.type))
    item_id = local.commit().result(WAIT_S)
    assert local.conversation.turn(item_id).role == "user"
    assert told.index("microphone.passed") < told.index("input_audio_buffer.committed")
