import asyncio
import gc
import warnings

import pytest
import wire_samples as wire
from scripted_server import refusal, scripted

from realtime_nb.errors import ConnectionLost, LocalProtocolError, RemoteProtocolError, ServerError
from realtime_nb.loop import io_loop, submit
from realtime_nb.sessions.backend import Backend
from realtime_nb.sessions.connection import Connection
from realtime_nb.sessions.event_log import Journal
from realtime_nb.sessions.rate_limit import Gate, Limiter

SETTINGS = {"type": "realtime", "instructions": "Be brief."}


class Line:
    """A connection, driven from a test's thread."""

    def __init__(self, address):
        self.journal = Journal()
        self.events = []
        self.journal.listen(lambda event, elapsed_ms: self.events.append(event))
        self.connection = Connection(self.journal, Gate(self.journal, Limiter))
        self.backend = Backend.at(address)

    def open(self):
        return submit(self.connection.open(self.backend, "m", SETTINGS))

    def close(self):
        submit(self.connection.close()).result(20)

    def wait_until_closed(self):
        async def watch():
            if self.connection.state != "closed":
                await self.journal.watch(lambda event: getattr(event, "state", None) == "closed" or None)

        try:
            submit(watch()).result(20)
        except Exception:
            assert self.connection.state == "closed"

    @property
    def states(self):
        return [(event.state, event.message) for event in self.events if event.type == "session.state"]


def quiet(peer):
    peer.open()
    peer.wait_until_gone()


def test_a_line_opens_sends_its_settings_and_closes():
    updates = []

    def script(peer):
        updates.append(peer.open())
        peer.wait_until_gone()

    with scripted(script) as address:
        line = Line(address)
        assert line.connection.state == "closed"
        line.open().result(20)
        assert line.connection.state == "open"
        assert line.journal.conversation.session == wire.SESSION
        line.close()
        line.close()
    assert [update["session"] for update in updates] == [SETTINGS]
    assert line.states == [("connecting", ""), ("open", ""), ("closed", "")]
    ladder = ["session.state", "session.created", "session.update", "session.updated", "session.state", "session.state"]
    assert line.journal.log.types() == ladder
    assert line.connection.error is None


def test_several_callers_share_one_attempt():
    clients = []

    def script(peer):
        clients.append(peer)
        quiet(peer)

    with scripted(script) as address:
        line = Line(address)
        for pending in [line.open() for _ in range(5)]:
            pending.result(20)
        line.open().result(20)
        line.close()
    assert len(clients) == 1


def test_a_line_can_be_opened_again():
    with scripted(quiet) as address:
        line = Line(address)
        for _ in range(2):
            line.open().result(20)
            line.close()
    assert [state for state, _ in line.states] == ["connecting", "open", "closed"] * 2
    times = [entry.elapsed_ms for entry in line.journal.log]
    assert times == sorted(times)


def test_a_line_can_be_opened_again_after_a_failure():
    refuse = [True]

    def process_request(connection, request):
        return refusal(500, "")(connection, request) if refuse.pop() else None

    with scripted(quiet, process_request=process_request) as address:
        line = Line(address)
        with pytest.raises(ConnectionLost, match="HTTP 500"):
            line.open().result(20)
        assert line.connection.state == "closed"
        assert line.states[-1] == ("closed", str(line.connection.error))
        refuse.append(False)
        line.open().result(20)
        assert line.connection.error is None
        line.close()


def test_settings_that_are_refused_fail_the_opening():
    def script(peer):
        peer.send(wire.session_created())
        update = peer.receive("session.update")
        error = {"type": "invalid_request_error", "code": "unknown_parameter", "message": "No.", "param": "session.x"}
        peer.send(wire.event("error", error=error | {"event_id": update["event_id"]}))
        peer.wait_until_gone()

    with scripted(script) as address:
        line = Line(address)
        with pytest.raises(ServerError, match=r"No\. \[unknown_parameter\] \(parameter session\.x\)"):
            line.open().result(20)
        assert line.connection.state == "closed"


def test_a_server_that_speaks_beta_only_to_refuse_it_is_told():
    def script(peer):
        error = {"type": "invalid_request_error", "code": "beta_api_shape_disabled", "message": "Use GA."}
        peer.send(wire.event("error", error=error))
        peer.socket.close(4000, "invalid_request_error.beta_api_shape_disabled")

    with scripted(script) as address:
        line = Line(address)
        with pytest.raises(ServerError, match="remove the OpenAI-Beta header"):
            line.open().result(20)
        assert isinstance(line.connection.error, ServerError)


def test_a_server_that_opens_no_session_is_given_up(monkeypatch):
    monkeypatch.setattr("realtime_nb.sessions.connection._OPEN_WAIT_S", 0.1)
    with scripted(lambda peer: peer.wait_until_gone()) as address:
        line = Line(address)
        with pytest.raises(ConnectionLost, match=r"127\.0\.0\.1 accepted the socket but opened no session"):
            line.open().result(20)
        assert line.connection.state == "closed"


def test_a_server_that_hangs_up_at_once_is_told():
    with scripted(lambda peer: peer.socket.close(1011, "Too busy.")) as address:
        line = Line(address)
        with pytest.raises(ConnectionLost, match="Too busy"):
            line.open().result(20)


def test_a_fault_while_opening_leaves_the_line_closed(monkeypatch):
    def fail(backend):
        raise OSError("out of processes")

    monkeypatch.setattr(Backend, "located", fail)
    line = Line("http://127.0.0.1/v1")
    with pytest.raises(OSError, match="out of processes"):
        line.open().result(20)
    assert line.connection.state == "closed"


def test_closing_while_opening_tells_those_who_wait():
    with scripted(lambda peer: peer.wait_until_gone()) as address:
        line = Line(address)
        pending = line.open()

        async def connecting():
            await asyncio.sleep(0)
            return line.connection.state

        assert submit(connecting()).result(20) == "connecting"
        line.close()
        with pytest.raises(LocalProtocolError, match="closed before it was open"):
            pending.result(20)
        assert line.connection.state == "closed"


def test_an_expired_session_ends_with_its_error():
    def script(peer):
        peer.open()
        message = "Your session hit the maximum duration of 60 minutes."
        peer.send(wire.event("error", error={"type": "e", "code": "session_expired", "message": message}))
        peer.socket.close(1001, message)

    with scripted(script) as address:
        line = Line(address)
        line.open().result(20)
        line.wait_until_closed()
    assert line.connection.error.code == "session_expired"
    assert "connect again to go on" in line.states[-1][1]


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (lambda peer: peer.break_off(), "broke off"),
        (lambda peer: peer.socket.close(1001, "Going away."), "Going away"),
        (lambda peer: peer.socket.close(1011), "closed the connection"),
        (lambda peer: peer.socket.close(1000), "ended the session"),
    ],
    ids=["cut", "1001", "1011", "1000"],
)
def test_those_who_wait_are_told_when_the_server_goes(end, text):
    def script(peer):
        peer.open()
        peer.receive("input_audio_buffer.commit")
        end(peer)

    async def commit(line):
        event_id = line.connection.protocol.commit()
        await line.connection.acknowledged(event_id)

    with scripted(script) as address:
        line = Line(address)
        line.open().result(20)
        with pytest.raises(ConnectionLost, match=text):
            submit(commit(line)).result(20)
        assert line.connection.state == "closed"
        assert text in line.states[-1][1]


def test_those_who_wait_are_told_when_the_session_is_closed():
    with scripted(quiet) as address:
        line = Line(address)
        line.open().result(20)

        async def wait():
            await line.journal.watch(lambda event: None)

        pending = submit(wait())
        submit(asyncio.sleep(0)).result(20)
        line.close()
        with pytest.raises(LocalProtocolError, match="closed before the answer came"):
            pending.result(20)


def test_an_error_reaches_only_whom_it_answers():
    def script(peer):
        peer.open()
        first = peer.receive("input_audio_buffer.commit")
        peer.receive("input_audio_buffer.clear")
        error = {"type": "e", "code": "input_audio_buffer_commit_empty", "message": "Too small."}
        peer.send(wire.event("error", error=error | {"event_id": first["event_id"]}))
        peer.send(wire.event("input_audio_buffer.cleared"))
        peer.wait_until_gone()

    async def both(line):
        protocol, answered = line.connection.protocol, line.connection.acknowledged
        commit = answered(protocol.commit())
        clear = answered(protocol.clear())
        return await asyncio.gather(commit, clear, return_exceptions=True)

    with scripted(script) as address:
        line = Line(address)
        line.open().result(20)
        error, cleared = submit(both(line)).result(20)
        line.close()
    assert isinstance(error, ServerError) and error.code == "input_audio_buffer_commit_empty"
    assert cleared.type == "input_audio_buffer.cleared"


def test_garbage_changes_nothing():
    def script(peer):
        peer.open()
        deep = "[" * 50_000
        peer.send("", "{", "[]", b"\xff\xfe", deep, '{"type": "response.done"}', '{"type": "later", "event_id": "x"}')
        peer.send(wire.session_updated({"audio": None}), *wire.text_turn())
        peer.wait_until_gone()

    async def user_turn(line):
        await line.journal.watch(lambda event: event.type == "conversation.item.done" or None)

    with scripted(script) as address:
        line = Line(address)
        seen = submit(user_turn(line))
        line.open().result(20)
        seen.result(20)
        assert line.connection.state == "open"
        assert [turn.text for turn in line.journal.conversation] == ["What time is it?"]
        line.close()
    assert line.journal.log.types("received").count("malformed") == 6


def test_an_error_in_a_failed_response_ends_the_session_where_it_is_fatal():
    def script(peer):
        peer.open()
        error = {"type": "insufficient_quota", "code": "insufficient_quota", "message": "No credit."}
        details = {"type": "failed", "error": error}
        odd = {"type": "failed", "error": {"code": ["odd"], "message": None}}
        peer.send(wire.response_created(), wire.response_done(status="failed", status_details=odd))
        peer.send(wire.response_created("R2"), wire.response_done("R2", status="failed", status_details=details))
        peer.wait_until_gone()

    with scripted(script) as address:
        line = Line(address)
        line.open().result(20)
        line.wait_until_closed()
    assert "add credit" in str(line.connection.error)
    assert [reply.status for reply in line.journal.conversation.replies] == ["failed", "failed"]


def test_a_listener_that_fails_is_warned_of_and_the_session_goes_on():
    with scripted(quiet) as address, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = Line(address)
        line.journal.listeners.insert(0, lambda event, elapsed_ms: {}["missing"])
        line.open().result(20)
        line.close()
    assert [state for state, _ in line.states] == ["connecting", "open", "closed"]
    assert any("a listener failed on session.created: KeyError('missing')" in str(each.message) for each in caught)


def test_a_fault_of_our_own_leaves_nobody_waiting(monkeypatch):
    def fail(event, elapsed_ms):
        if event.type == "conversation.item.added":
            raise ZeroDivisionError("a bug")

    def script(peer):
        peer.open()
        peer.receive("input_audio_buffer.commit")
        peer.send(*wire.text_turn())
        peer.wait_until_gone()

    async def commit(line):
        await line.connection.acknowledged(line.connection.protocol.commit())

    with scripted(script) as address:
        line = Line(address)
        line.open().result(20)
        monkeypatch.setattr(line.journal.conversation, "apply", fail)
        io_loop().set_exception_handler(lambda loop, context: None)  # It is also in the loop's log.
        with pytest.raises(RemoteProtocolError, match="the session broke off: ZeroDivisionError"):
            submit(commit(line)).result(20)
        assert line.connection.state == "closed"
        line.close()
        gc.collect()
        io_loop().set_exception_handler(None)
