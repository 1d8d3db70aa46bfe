import asyncio
import gc
import warnings

import pytest
import wire_samples as wire
from scripted_server import refusal, scripted

from realtime_nb.errors import ConnectionLost, LocalProtocolError, RemoteProtocolError, ReplyTimeout, ServerError
from realtime_nb.loop import io_loop, submit
from realtime_nb.sessions.backend import Backend
from realtime_nb.sessions.connection import Connection
from realtime_nb.sessions.event_log import SessionEvents
from realtime_nb.sessions.rate_limit import Admission, Limiter

SETTINGS = {"type": "realtime", "instructions": "Be brief."}


class Line:
    """A connection, driven from a test's thread."""

    def __init__(self, address):
        self.session_events = SessionEvents()
        self.events = []
        self.session_events.listen(lambda event, elapsed_ms: self.events.append(event))
        self.connection = Connection(self.session_events, Admission(self.session_events, Limiter))
        self.backend = Backend.at(address)

    def open(self):
        return submit(self.connection.open(self.backend, "m", SETTINGS))

    def close(self):
        submit(self.connection.close()).result(20)

    def wait_until_closed(self):
        async def watch():
            if self.connection.state != "closed":
                await self.session_events.watch(lambda event: getattr(event, "state", None) == "closed" or None)

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
        connection = Line(address)
        assert connection.connection.state == "closed"
        connection.open().result(20)
        assert connection.connection.state == "open"
        assert connection.session_events.conversation.session == wire.SESSION
        connection.close()
        connection.close()
    assert [update["session"] for update in updates] == [SETTINGS]
    assert connection.states == [("connecting", ""), ("open", ""), ("closed", "")]
    events = ["session.state", "session.created", "session.update", "session.updated", "session.state", "session.state"]
    assert connection.session_events.log.types() == events
    assert connection.connection.error is None


def test_several_callers_share_one_attempt():
    clients = []

    def script(peer):
        clients.append(peer)
        quiet(peer)

    with scripted(script) as address:
        connection = Line(address)
        for pending in [connection.open() for _ in range(5)]:
            pending.result(20)
        connection.open().result(20)
        connection.close()
    assert len(clients) == 1


def test_a_line_can_be_opened_again():
    with scripted(quiet) as address:
        connection = Line(address)
        for _ in range(2):
            connection.open().result(20)
            connection.close()
    assert [state for state, _ in connection.states] == ["connecting", "open", "closed"] * 2
    times = [entry.elapsed_ms for entry in connection.session_events.log]
    assert times == sorted(times)


def test_a_line_can_be_opened_again_after_a_failure():
    refuse = [True]

    def process_request(connection, request):
        return refusal(500, "")(connection, request) if refuse.pop() else None

    with scripted(quiet, process_request=process_request) as address:
        connection = Line(address)
        with pytest.raises(ConnectionLost, match="HTTP 500"):
            connection.open().result(20)
        assert connection.connection.state == "closed"
        assert connection.states[-1] == ("closed", str(connection.connection.error))
        refuse.append(False)
        connection.open().result(20)
        assert connection.connection.error is None
        connection.close()


def test_settings_that_are_refused_fail_the_opening():
    def script(peer):
        peer.send(wire.session_created())
        update = peer.receive("session.update")
        error = {"type": "invalid_request_error", "code": "unknown_parameter", "message": "No.", "param": "session.x"}
        peer.send(wire.event("error", error=error | {"event_id": update["event_id"]}))
        peer.wait_until_gone()

    with scripted(script) as address:
        connection = Line(address)
        with pytest.raises(ServerError, match=r"No\. \[unknown_parameter\] \(parameter session\.x\)"):
            connection.open().result(20)
        assert connection.connection.state == "closed"


def test_a_server_that_speaks_beta_only_to_refuse_it_is_reported():
    def script(peer):
        error = {"type": "invalid_request_error", "code": "beta_api_shape_disabled", "message": "Use GA."}
        peer.send(wire.event("error", error=error))
        peer.socket.close(4000, "invalid_request_error.beta_api_shape_disabled")

    with scripted(script) as address:
        connection = Line(address)
        with pytest.raises(ServerError, match="remove the OpenAI-Beta header"):
            connection.open().result(20)
        assert isinstance(connection.connection.error, ServerError)


def test_a_server_that_opens_no_session_is_given_up(monkeypatch):
    monkeypatch.setattr("realtime_nb.sessions.connection._OPEN_WAIT_S", 0.1)
    with scripted(lambda peer: peer.wait_until_gone()) as address:
        connection = Line(address)
        with pytest.raises(ConnectionLost, match=r"127\.0\.0\.1 accepted the socket but opened no session"):
            connection.open().result(20)
        assert connection.connection.state == "closed"


def test_a_server_that_hangs_up_at_once_is_reported():
    with scripted(lambda peer: peer.socket.close(1011, "Too busy.")) as address:
        connection = Line(address)
        with pytest.raises(ConnectionLost, match="Too busy"):
            connection.open().result(20)


def test_a_fault_while_opening_leaves_the_line_closed(monkeypatch):
    def fail(backend):
        raise OSError("out of processes")

    monkeypatch.setattr(Backend, "located", fail)
    connection = Line("http://127.0.0.1/v1")
    with pytest.raises(OSError, match="out of processes"):
        connection.open().result(20)
    assert connection.connection.state == "closed"


def test_closing_while_opening_tells_those_who_wait():
    with scripted(lambda peer: peer.wait_until_gone()) as address:
        connection = Line(address)
        pending = connection.open()

        async def connecting():
            await asyncio.sleep(0)
            return connection.connection.state

        assert submit(connecting()).result(20) == "connecting"
        connection.close()
        with pytest.raises(LocalProtocolError, match="closed before it was open"):
            pending.result(20)
        assert connection.connection.state == "closed"


def test_an_expired_session_ends_with_its_error():
    def script(peer):
        peer.open()
        message = "Your session hit the maximum duration of 60 minutes."
        peer.send(wire.event("error", error={"type": "e", "code": "session_expired", "message": message}))
        peer.socket.close(1001, message)

    with scripted(script) as address:
        connection = Line(address)
        connection.open().result(20)
        connection.wait_until_closed()
    assert connection.connection.error.code == "session_expired"
    assert "connect again to go on" in connection.states[-1][1]


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
def test_waiting_callers_are_told_when_the_server_goes(end, text):
    def script(peer):
        peer.open()
        peer.receive("input_audio_buffer.commit")
        end(peer)

    async def commit(connection):
        event_id = connection.connection.protocol.commit()
        await connection.connection.acknowledged(event_id)

    with scripted(script) as address:
        connection = Line(address)
        connection.open().result(20)
        with pytest.raises(ConnectionLost, match=text):
            submit(commit(connection)).result(20)
        assert connection.connection.state == "closed"
        assert text in connection.states[-1][1]


def test_waiting_callers_are_told_when_the_session_closes():
    with scripted(quiet) as address:
        connection = Line(address)
        connection.open().result(20)

        async def wait():
            await connection.session_events.watch(lambda event: None)

        pending = submit(wait())
        submit(asyncio.sleep(0)).result(20)
        connection.close()
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

    async def both(connection):
        protocol, answered = connection.connection.protocol, connection.connection.acknowledged
        commit = answered(protocol.commit())
        clear = answered(protocol.clear())
        return await asyncio.gather(commit, clear, return_exceptions=True)

    with scripted(script) as address:
        connection = Line(address)
        connection.open().result(20)
        error, cleared = submit(both(connection)).result(20)
        connection.close()
    assert isinstance(error, ServerError) and error.code == "input_audio_buffer_commit_empty"
    assert cleared.type == "input_audio_buffer.cleared"


def test_a_request_that_the_server_never_confirms_is_given_up(monkeypatch):
    """Some servers do not echo what a client adds to the conversation."""
    monkeypatch.setattr("realtime_nb.sessions.connection.REPLY_TIMEOUT_S", 0.2)
    with scripted(quiet) as address:
        connection = Line(address)
        connection.open().result(20)
        protocol, acknowledged = connection.connection.protocol, connection.connection.acknowledged
        for request in (protocol.commit, protocol.clear, lambda: protocol.update({"instructions": "Be brief."})):
            with pytest.raises(ReplyTimeout, match=r"for 0\.2 s \(the last event was session\.updated"):
                submit(acknowledged(request())).result(20)
        assert connection.connection.state == "open"
        connection.close()


def test_garbage_changes_nothing():
    def script(peer):
        peer.open()
        deep = "[" * 50_000
        peer.send("", "{", "[]", b"\xff\xfe", deep, '{"type": "response.done"}', '{"type": "later", "event_id": "x"}')
        peer.send(wire.session_updated({"audio": None}), *wire.text_turn())
        peer.wait_until_gone()

    async def user_turn(connection):
        await connection.session_events.watch(lambda event: event.type == "conversation.item.done" or None)

    with scripted(script) as address:
        connection = Line(address)
        seen = submit(user_turn(connection))
        connection.open().result(20)
        seen.result(20)
        assert connection.connection.state == "open"
        assert [turn.text for turn in connection.session_events.conversation] == ["What time is it?"]
        connection.close()
    assert connection.session_events.log.types("received").count("malformed") == 6


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
        connection = Line(address)
        connection.open().result(20)
        connection.wait_until_closed()
    assert "add credit" in str(connection.connection.error)
    assert [reply.status for reply in connection.session_events.conversation.replies] == ["failed", "failed"]


def test_a_listener_that_fails_is_warned_of_and_the_session_goes_on():
    with scripted(quiet) as address, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        connection = Line(address)
        connection.session_events.listeners.insert(0, lambda event, elapsed_ms: {}["missing"])
        connection.open().result(20)
        connection.close()
    assert [state for state, _ in connection.states] == ["connecting", "open", "closed"]
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

    async def commit(connection):
        await connection.connection.acknowledged(connection.connection.protocol.commit())

    with scripted(script) as address:
        connection = Line(address)
        connection.open().result(20)
        monkeypatch.setattr(connection.session_events.conversation, "apply", fail)
        io_loop().set_exception_handler(lambda loop, context: None)  # It is also in the loop's log.
        with pytest.raises(RemoteProtocolError, match="the session broke off: ZeroDivisionError"):
            submit(commit(connection)).result(20)
        assert connection.connection.state == "closed"
        connection.close()
        gc.collect()
        io_loop().set_exception_handler(None)
