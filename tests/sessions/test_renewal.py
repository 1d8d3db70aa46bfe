import contextlib
import threading

import pytest
import wire_samples as wire
from scripted_server import refusal, scripted

from realtime_nb.errors import ConnectionLost, LocalProtocolError, MissingKey, ServerError, SettingsError
from realtime_nb.local.process import speak
from realtime_nb.local.server import LocalServer
from realtime_nb.loop import submit
from realtime_nb.recording.recording import Recording
from realtime_nb.sessions import renewal
from realtime_nb.sessions.backend import Backend
from realtime_nb.sessions.rate_limit import Limiter
from realtime_nb.sessions.realtime import RealtimeSession

WAIT_S = 30
TEXT = {"output_modalities": ["text"]}


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(renewal, "_WAITS_S", (0.0, 0.01, 0.01, 0.01))
    monkeypatch.setattr(renewal, "_QUIET_MS", 50.0)
    monkeypatch.setattr(renewal, "_LOOK_EVERY_S", 0.02)


@contextlib.contextmanager
def local_server(**options):
    """Run a server of the local voice; yield a session's options for it."""

    async def start():
        return await LocalServer(**options).__aenter__()

    server = submit(start()).result(WAIT_S)
    try:
        yield {"backend": server.url, "api_key": server.api_key, "model": "local-rules"}
    finally:
        submit(server.__aexit__()).result(WAIT_S)


def told(session, kind, count=1):
    """Return an event that is set once a session has had that many more events of a type."""
    seen, left = threading.Event(), [count]

    def listen(event, elapsed_ms):
        if event.type == kind:
            left[0] -= 1
            if left[0] == 0:
                seen.set()

    session.listen(listen)
    return seen


def words(session):
    return [(turn.role, turn.text) for turn in session.conversation]


def test_a_session_that_expires_after_two_turns_goes_on_with_its_memory():
    with local_server(lifetime_turns=2) as server, RealtimeSession(**server, **TEXT) as session:
        renewed = told(session, "session.renewed")
        session.ask("My name is Ada.").result(WAIT_S)
        session.ask("What is two plus three?").result(WAIT_S)
        before = session.conversation.turns
        assert renewed.wait(WAIT_S)
        reply = session.ask("What is my name?").result(WAIT_S)
        assert reply.transcript == "You said that your name is Ada."
        assert session.conversation.turns[:4] == before and len(session.conversation) == 6
        [session_break] = session.conversation.breaks
        assert session_break.item_id == before[-1].item_id
        assert session_break.text.startswith("session restored after ") and session_break.text.endswith(
            ", history carried"
        )
        assert not session.conversation.errors
        assert session.state == "open" and session.error is None
        assert session.log.types("received").count("session.created") == 2


def test_a_spoken_memory_is_carried_in_words():
    with local_server(lifetime_turns=1) as server, RealtimeSession(**server, **TEXT) as session:
        renewed = told(session, "session.renewed")
        first = session.ask(speak("What can you do?")).result(WAIT_S)
        assert renewed.wait(WAIT_S)
        reply = session.ask("What did I say?").result(WAIT_S)
        assert "what can you do" in reply.transcript.lower()
        assert first.asked.audio is not None  # The record keeps the sound.
        created = [entry.event.item for entry in session.log if entry.event.type == "conversation.item.create"]
        assert [part.type for part in created[0].content] == ["input_text"]


def test_a_session_is_renewed_at_a_quiet_moment_before_its_time():
    with local_server() as server, RealtimeSession(**server, **TEXT, rotate_minutes=1 / 60) as session:
        renewed = told(session, "session.renewed")
        states = []
        session.ask("My name is Ada.").result(WAIT_S)
        session.listen(lambda event, elapsed_ms: event.type == "session.state" and states.append(event.state))
        assert renewed.wait(WAIT_S)
        assert session.ask("What is my name?").result(WAIT_S).transcript == "You said that your name is Ada."
        assert session.conversation.breaks[0].text.startswith("session renewed after 1 s, history carried")
        assert "closed" not in states


@pytest.mark.parametrize("life", [{"lifetime_turns": 1}, {"lifetime_s": 2.0}])
def test_a_session_that_is_renewed_keeps_its_place_whoever_waits_for_one(life):
    limiter = Limiter(max_sessions=1)
    with local_server(**life) as server, RealtimeSession(**server, **TEXT, limiter=limiter) as session:
        other = RealtimeSession(**server, **TEXT, limiter=limiter)
        waiting = other.connect()
        renewed = told(session, "session.renewed")
        session.ask("My name is Ada.").result(WAIT_S)
        assert renewed.wait(WAIT_S)
        assert (limiter.open, limiter.waiting) == (1, 1)
        session.close().result(WAIT_S)
        waiting.result(WAIT_S)
        other.close().result(WAIT_S)
        assert (limiter.open, limiter.waiting) == (0, 0)


def test_a_server_that_ends_sessions_early_says_when_to_renew():
    with local_server(lifetime_s=2.0) as server, RealtimeSession(**server, **TEXT) as session:
        renewed = told(session, "session.renewed")
        session.ask("My name is Ada.").result(WAIT_S)
        assert renewed.wait(WAIT_S)
        assert session.conversation.breaks[0].text.startswith("session renewed after ")


def test_what_is_said_while_the_session_is_renewed_is_not_lost():
    gate = threading.Event()
    appended = []

    def script(peer):
        if not appended:
            appended.append(0)
            peer.open()
            peer.break_off()
            return
        gate.wait(WAIT_S)
        peer.open()
        while sum(appended) < 9600:
            appended.append(len(peer.receive("input_audio_buffer.append")["audio"]) * 3 // 4)
        peer.wait_until_gone()

    with scripted(script) as address:
        session = RealtimeSession(backend=address)
        # Connecting, open, connecting, open.
        restoring, opened = told(session, "session.state", 3), told(session, "session.state", 4)
        session.connect().result(WAIT_S)
        assert restoring.wait(WAIT_S) and session.state == "connecting"
        session.send_audio(bytes(9600))
        submit(_nothing()).result(WAIT_S)
        gate.set()
        assert opened.wait(WAIT_S) and session.state == "open"
        assert session.dropped_audio_ms == 0
        session.close().result(WAIT_S)
    assert sum(appended) == 9600


async def _nothing():
    return None


def test_what_is_lost_with_the_line_is_said():
    def script(peer):
        peer.open()
        peer.read_text_question()
        peer.send(*wire.audio_answer()[:8])
        peer.send(wire.event("input_audio_buffer.speech_started", audio_start_ms=0, item_id="V"))
        peer.break_off()

    def second(peer):
        peer.open()
        for _ in range(2):
            item = peer.receive("conversation.item.create")["item"]
            peer.send(wire.item_added(item))
        peer.wait_until_gone()

    scripts = iter([script, second])
    with scripted(lambda peer: next(scripts)(peer)) as address, RealtimeSession(backend=address) as session:
        renewed = told(session, "session.renewed")
        with pytest.raises(ConnectionLost, match="broke off"):
            session.ask("What time is it?").result(WAIT_S)
        assert renewed.wait(WAIT_S)
        [reply] = session.conversation.replies
        assert (reply.status, reply.reason, reply.done) == ("incomplete", "connection_lost", True)
        assert reply.audio.duration_s > 0
        lost = session.conversation.turn("V")
        assert not lost.is_speaking and "before it was completely said" in lost.transcription_error.message
        assert "but for 1 of its 3 items, what was being said then is lost" in session.conversation.breaks[0].text


def test_waits_grow_until_it_gives_up():
    refused = []

    def process_request(connection, request):
        if not refused:
            refused.append(None)
            return None
        refused.append(None)
        return refusal(503, "")(connection, request)

    def script(peer):
        peer.open()
        peer.break_off()

    with scripted(script, process_request=process_request) as address:
        session = RealtimeSession(backend=address)
        closed = told(session, "session.state", 4)  # connecting, open, connecting, closed
        session.connect().result(WAIT_S)
        assert closed.wait(WAIT_S)
        assert session.state == "closed" and "HTTP 503" in str(session.error)
    assert len(refused) == 1 + 4


@pytest.mark.parametrize(
    ("code", "end"),
    [("insufficient_quota", 4000), ("invalid_api_key", 4000), (None, 4000), (None, 1008), (None, 1000)],
)
def test_what_would_only_come_again_is_not_tried_again(code, end):
    clients = []

    def script(peer):
        clients.append(peer)
        peer.open()
        if code:
            error = {"type": "invalid_request_error", "code": code, "message": "No."}
            peer.send(wire.event("error", error=error))
        peer.socket.close(end, "no")

    with scripted(script) as address:
        session = RealtimeSession(backend=address)
        closed = told(session, "session.state", 3)
        session.connect().result(WAIT_S)
        assert closed.wait(WAIT_S) and session.state == "closed"
        assert isinstance(session.error, ServerError if code else ConnectionLost)
    assert len(clients) == 1


def test_a_session_that_was_closed_goes_on_when_it_is_used_again():
    with local_server() as server:
        session = RealtimeSession(**server, **TEXT)
        session.ask("My name is Ada.").result(WAIT_S)
        session.close().result(WAIT_S)
        assert session.ask("What is my name?").result(WAIT_S).transcript.endswith("Ada.")
        session.close().result(WAIT_S)
        assert [session_break.text for session_break in session.conversation.breaks] == [
            "session opened again, history carried"
        ]


def test_a_session_moves_to_another_server_with_what_was_said_and_costs_what_it_costs_there():
    with local_server() as first, local_server() as second:
        session = RealtimeSession(**first, **TEXT, voice="verse")
        session.ask("My name is Ada.").result(WAIT_S)
        session.move_to(second["backend"], api_key=second["api_key"], model="local-script").result(WAIT_S)
        moved = (session.backend.base_url, session.backend.api_key, session.model, session.voice)
        assert moved == (Backend.at(second["backend"]).base_url, second["api_key"], "local-script", "verse")
        assert len(session.conversation) == 2 and session.state == "open"
        session.ask("Hello.").result(WAIT_S)
        session.close().result(WAIT_S)
        assert [reply.model for reply in session.conversation.replies] == ["local-rules", "local-script"]


def test_what_nobody_chose_changes_with_the_server_and_nothing_is_opened_unless_it_is_used():
    session = RealtimeSession(backend="local", voice="verse")
    local = session._settings
    assert local["include"] == ["item.input_audio_transcription.logprobs"]
    session.move_to("openai", api_key="sk-none", connect=False).result(WAIT_S)
    assert (session.state, session.model, session.voice) == ("closed", "gpt-realtime-2.1", "verse")
    assert "include" not in session._settings
    session.move_to("local", connect=False).result(WAIT_S)
    assert session._settings == local


def test_a_session_stays_where_it_is_when_it_cannot_move(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with local_server() as server:
        session = RealtimeSession(**server, **TEXT)
        session.connect().result(WAIT_S)
        before = session.backend
        with pytest.raises(MissingKey):
            session.move_to("openai")
        session.record_to(tmp_path / "r")
        with pytest.raises(LocalProtocolError, match=r"being recorded to '.*r', and a recording names one server"):
            session.move_to("openai", api_key="sk-new")
        assert session.backend is before and session.state == "open"
        session.close().result(WAIT_S)


def test_without_restoring_a_new_line_knows_nothing_and_the_record_says_so():
    with local_server() as server:
        session = RealtimeSession(**server, **TEXT, restore=False)
        session.ask("My name is Ada.").result(WAIT_S)
        session.close().result(WAIT_S)
        reply = session.ask("What is my name?").result(WAIT_S)
        session.close().result(WAIT_S)
        assert reply.transcript == "You have not told me your name."
        assert [session_break.text for session_break in session.conversation.breaks] == [
            "session opened again, nothing carried"
        ]
        assert [turn.text for turn in session.conversation][2] == "What is my name?"  # Behind what was not carried.


def test_a_session_begins_with_a_history():
    with local_server() as server:
        history = [{"role": "user", "content": "My name is Ada."}, ("assistant", "Hello, Ada.")]
        with RealtimeSession(**server, **TEXT, history=history) as session:
            assert words(session) == [("user", "My name is Ada."), ("assistant", "Hello, Ada.")]
            assert session.ask("What is my name?").result(WAIT_S).transcript.endswith("Ada.")
            assert len(session.conversation) == 4 and not session.conversation.breaks
        with RealtimeSession(**server, **TEXT, history=session) as other:
            assert other.ask("What is my name?").result(WAIT_S).transcript.endswith("Ada.")
            assert not {turn.item_id for turn in other.conversation} & {turn.item_id for turn in session.conversation}


def test_a_history_that_the_server_does_not_confirm_is_remarked_on(monkeypatch):
    monkeypatch.setattr(renewal, "_CARRY_WAIT_S", 0.05)

    def script(peer):
        peer.open()
        peer.wait_until_gone()

    history = [("user", "My name is Ada."), ("assistant", "Hello, Ada.")]
    with scripted(script) as address, RealtimeSession(backend=address, history=history) as session:
        session.connect().result(WAIT_S)
        remark = "the server did not confirm the whole history within 0.05 s: the model may not know all of it"
        assert remark in session.conversation.remarks


def test_a_session_begins_with_what_was_recorded(tmp_path):
    with local_server() as server:
        with RealtimeSession(**server, **TEXT, recording=tmp_path / "r") as session:
            session.ask("My name is Ada.").result(WAIT_S)
            session.ask(speak("What can you do?")).result(WAIT_S)
        recording = Recording.load(tmp_path / "r")
        with RealtimeSession(**server, **TEXT, history=recording) as other:
            assert "what can you do" in other.ask("What did I say?").result(WAIT_S).transcript.lower()
            assert other.ask("What is my name?").result(WAIT_S).transcript.endswith("Ada.")
            told_again = other.conversation.turns[2]
            assert told_again.audio.to_pcm16() == recording.conversation.turns[2].audio.to_pcm16()
            assert not other.conversation.errors


def test_pictures_and_calls_are_carried():
    def order_status(number: int) -> str:
        "Look up where an order is."
        return f"order {number} is on its way"

    with local_server() as server:
        session = RealtimeSession(**server, **TEXT, tools=[order_status])
        session.ask("What is the status of order seven?").result(WAIT_S)
        session.close().result(WAIT_S)
        session.connect().result(WAIT_S)
        kinds = [turn.kind for turn in session.conversation]
        assert kinds == ["message", "function_call", "function_call_output", "message"]
        assert session.conversation.breaks[0].text == "session opened again, history carried"
        session.close().result(WAIT_S)


def test_an_age_must_be_positive():
    with pytest.raises(SettingsError, match="rotate_minutes=0 must be positive"):
        RealtimeSession(backend="local", rotate_minutes=0)
