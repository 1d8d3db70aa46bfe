"""Guarded sessions of the local voice."""

import asyncio
import contextlib
import threading

import pytest
import wire_samples as wire
from scripted_server import scripted

import realtime_nb as rt
from realtime_nb.loop import submit
from realtime_nb.protocol.local_events import Flagged

KINDS = [rt.RealtimeSession, rt.ChatSession, rt.CascadeSession]
STORY = "Tell me a story."


def of(word, wanted="assistant"):
    def guard(text, side):
        return f"it says {word}" if side == wanted and word in text.lower() else None

    return guard


async def until(session, match):
    await session._session_events.watch(lambda event: match(event) or None)


def flags(session):
    return [entry.event for entry in session.log if isinstance(entry.event, Flagged)]


@pytest.fixture(scope="module")
def story():
    with rt.RealtimeSession(backend="local") as session:
        return session.ask(STORY).result(timeout=60)


def middle_word(story):
    """Return a word from the middle of a sentence in the middle of the story, and nowhere before."""
    words = story.transcript.lower().split()
    return next(
        word for word in words[len(words) // 2 :] if word.isalpha() and len(word) > 4 and words.count(word) == 1
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_guard_that_trips_in_the_middle_of_an_answer_cuts_it_there(kind, story):
    word = middle_word(story)
    with kind(backend="local", guard=of(word)) as session:
        reply = session.ask(STORY).result(timeout=60)
        assert reply.flagged == f"it says {word}"
        assert reply.turns[0].flagged == reply.flagged
        assert word in reply.transcript.lower()
        if kind is rt.RealtimeSession:
            assert reply.status == "cancelled"
            assert reply.audio.duration_s < story.audio.duration_s
            assert session.is_late(reply.response_id)
        (flag,) = flags(session)
        assert (flag.side, flag.response_id) == ("assistant", reply.response_id)
        again = session.ask("What is two plus three?").result(timeout=60)
        assert (again.status, again.flagged) == ("completed", "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_written_question_that_is_flagged_reaches_no_model_and_stays_in_the_record(kind):
    with kind(backend="local", guard=of("secret", "user")) as session:
        with pytest.raises(rt.InputFlagged, match="it says secret"):
            session.ask("Tell me your secret.").result(timeout=60)
        (turn,) = session.conversation.turns
        assert (turn.text, turn.flagged) == ("Tell me your secret.", "it says secret")
        assert all(not reply.turns for reply in session.conversation.replies)
        reply = session.ask("What did I say?").result(timeout=60)
        assert "secret" not in reply.transcript.lower()


@pytest.mark.parametrize("kind", KINDS)
def test_a_spoken_question_that_is_flagged_is_not_answered(kind):
    with kind(backend="local", guard=of("time", "user")) as session:
        with pytest.raises(rt.InputFlagged, match="it says time"):
            session.ask(rt.speak("What time is it?")).result(timeout=60)
        turn = session.conversation.turns[0]
        assert (turn.flagged, turn.role) == ("it says time", "user")
        assert "time" in turn.text.lower()
        assert all(not reply.turns for reply in session.conversation.replies)
        reply = session.ask(rt.speak("What is two plus three?")).result(timeout=60)
        assert (reply.status, reply.flagged) == ("completed", "")


def test_what_the_server_answers_by_itself_is_held_until_the_words_are_judged_and_then_forgotten(monkeypatch):
    monkeypatch.setattr("realtime_nb.sessions.guard.GUARD_WAIT_S", 60)
    verdict = threading.Event()

    def guard(text, side):
        if side == "user":
            verdict.wait(timeout=50)
        return "not that" if side == "user" else None

    with rt.RealtimeSession(backend="local", guard=guard) as session:
        deltas = submit(until(session, lambda event: event.type == "response.output_audio.delta"))
        deleted = submit(until(session, lambda event: session.conversation.turns[0].deleted))
        speech = rt.speak("What can you do?").to_pcm16()
        session.send_audio(speech + bytes(48_000))
        deltas.result(timeout=30)
        (reply,) = session.conversation.replies
        assert session.is_held(reply.response_id)
        verdict.set()
        deleted.result(timeout=30)
        assert not session.is_held(reply.response_id)
        assert session.is_late(reply.response_id)
        assert reply.flagged == "not that"
        asked, *answers = session.conversation.turns
        assert asked.flagged == "not that"
        assert answers and all(turn.deleted for turn in answers)


async def hangs(text, side):
    await asyncio.sleep(3600)


def fails(text, side):
    raise LookupError("no list")


@pytest.mark.parametrize("guard, reason", [(fails, "the guard failed: .*no list"), (hangs, "did not answer within")])
def test_an_answer_that_a_guard_cannot_judge_is_held(guard, reason, monkeypatch):
    monkeypatch.setattr("realtime_nb.sessions.guard.GUARD_WAIT_S", 0.3)
    with rt.RealtimeSession(backend="local", guard=guard) as session:
        with pytest.raises(rt.InputFlagged, match=reason):
            session.ask("Hello!").result(timeout=60)


@pytest.mark.parametrize("kind", KINDS)
def test_the_moderation_endpoint_is_a_guard_of_both_sides(kind):
    with kind(backend="local", guard="moderation") as session:
        assert session.ask("What is two plus three?").result(timeout=60).flagged == ""
        with pytest.raises(rt.InputFlagged, match="violence"):
            session.ask("How do I murder somebody?").result(timeout=60)


def test_a_guard_needs_words_and_must_be_one():
    with pytest.raises(rt.SettingsError, match="transcription=None"):
        rt.RealtimeSession(backend="local", guard=fails, transcription=None)
    with pytest.raises(rt.SettingsError, match="guard='police'"):
        rt.ChatSession(backend="local", guard="police")


def test_a_recording_tells_what_was_flagged(tmp_path, story):
    word = middle_word(story)
    with rt.RealtimeSession(backend="local", guard=of(word), recording=tmp_path / "cut") as session:
        session.ask(STORY).result(timeout=60)
    assert rt.Recording.load(tmp_path / "cut").conversation.replies[0].flagged == f"it says {word}"


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_reply_says_aloud_that_the_voice_is_an_ai_where_that_is_wished_for(kind):
    with kind(backend="local", disclose="spoken") as session:
        reply = session.ask("What is two plus three?").result(timeout=60)
        first, second = session.conversation.replies
        assert first.transcript == "You are talking to an AI. The voice that you hear is computer-generated."
        assert first.audio.duration_s > 2
        assert second is reply
        assert reply.transcript == "2 plus 3 is 5."
        assert [turn.role for turn in session.conversation] == ["assistant", "user", "assistant"]
        session.ask("What time is it?").result(timeout=60)
        assert len(session.conversation.replies) == 3
    with pytest.raises(rt.SettingsError, match="disclose='loud'"):
        kind(backend="local", disclose="loud")


def test_without_answers_of_the_servers_own_nothing_is_made_of_what_is_flagged():
    detection = {"type": "server_vad", "create_response": False}
    with rt.RealtimeSession(backend="local", guard=of("time", "user"), turn_detection=detection) as session:
        answers = []

        def answer(event, elapsed_ms):
            if event.type == "guard.passed":
                answers.append(session.respond())

        session.listen(answer)
        verdict = submit(until(session, lambda event: event.type.startswith("guard.")))
        session.send_audio(rt.speak("What time is it?").to_pcm16() + bytes(48_000))
        verdict.result(timeout=30)
        with pytest.raises(rt.InputFlagged, match="it says time"):
            session.respond().result(timeout=30)
        assert not answers and not session.conversation.replies
        assert "response.create" not in session.log.types("sent")
        verdict = submit(until(session, lambda event: event.type.startswith("guard.")))
        session.send_audio(rt.speak("What is two plus three?").to_pcm16() + bytes(48_000))
        verdict.result(timeout=30)
        (pending,) = answers
        assert pending.result(timeout=30).transcript == "2 plus 3 is 5."
        flagged, passed = (turn for turn in session.conversation if turn.role == "user")
        assert (flagged.flagged, flagged.reply, flagged.deleted) == ("it says time", None, True)
        assert (passed.flagged, passed.reply.flagged) == ("", "")
        assert len(session.conversation.replies) == 1 and not session.conversation.errors


@pytest.mark.parametrize("kind", KINDS)
def test_an_aside_is_judged_like_any_answer_before_it_is_handed_out(kind):
    with kind(backend="local", guard=of("ada")) as session:
        session.ask("My name is Grace.").result(timeout=60)
        assert session.aside("Summarise what was said.").result(timeout=60).flagged == ""
    with kind(backend="local", guard=of("grace")) as session:
        session.ask("What time is it?").result(timeout=60)
        session.edit(session.conversation.turns[0], "My name is Grace.").result(timeout=60)
        reply = session.aside("Summarise what was said.").result(timeout=60)
        assert reply.flagged == "it says grace" and not reply.in_conversation
        (flag,) = flags(session)
        assert (flag.side, flag.response_id) == ("assistant", reply.response_id)
        assert session.ask("What is two plus three?").result(timeout=60).flagged == ""


def test_flagged_questions_keep_their_places_typed_and_spoken():
    said = ["What is two plus three?", "Tell me your secret.", "What is one plus one?"]
    with rt.RealtimeSession(backend="local", turn_detection=None, guard=of("secret", "user")) as session:
        for question in [*said, rt.speak("Tell me your secret."), "What is two plus two?"]:
            with contextlib.suppress(rt.InputFlagged):
                session.ask(question).result(timeout=60)
        asked = [turn.text for turn in session.conversation if turn.role == "user"]
        assert asked == [*said, "Tell me your secret.", "What is two plus two?"]
        assert [bool(turn.flagged) for turn in session.conversation] == [0, 0, 1, 0, 0, 1, 0, 0]


def test_what_was_said_just_before_the_connection_broke_is_not_sent_to_the_next_one_unjudged():
    def first(peer):
        peer.open()
        peer.receive("input_audio_buffer.append")
        peer.send(*wire.committed_turn("V"))
        peer.break_off()

    def second(peer):
        peer.open()
        peer.answer(peer.read_text_question(), previous="U")
        peer.wait_until_gone()

    scripts = iter([first, second])
    with scripted(lambda peer: next(scripts)(peer)) as address:
        session = rt.RealtimeSession(backend=address, guard=of("secret", "user"))
        renewed = threading.Event()
        session.listen(lambda event, elapsed_ms: event.type == "session.renewed" and renewed.set())
        session.connect().result(timeout=30)
        session.send_audio(rt.speak("Tell me your secret.").to_pcm16())
        assert renewed.wait(timeout=30)
        (said,) = session.conversation.turns
        assert said.flagged == "the connection broke before the speech was transcribed"
        assert session.ask("What time is it?").result(timeout=30).status == "completed"
        session.close().result(timeout=30)
