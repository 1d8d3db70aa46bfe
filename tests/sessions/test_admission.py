"""Sessions that share a limiter, at servers that count and refuse."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import wire_samples as wire
from scripted_server import refusal, scripted
from websockets.http11 import Response

import realtime_nb as rt
from realtime_nb.protocol.local_events import Waiting
from realtime_nb.sessions import rate_limit as rate_limit


def waits(session):
    return [entry.event.message for entry in session.log if isinstance(entry.event, Waiting)]


def test_sessions_in_threads_never_exceed_their_limiter_and_all_get_their_answer():
    lock, counts = threading.Lock(), {"open": 0, "most": 0}

    def script(peer):
        with lock:
            counts["open"] += 1
            counts["most"] = max(counts["most"], counts["open"])
        try:
            peer.open()
            peer.answer(peer.read_text_question())
            peer.wait_until_gone()
        finally:
            with lock:
                counts["open"] -= 1

    limiter = rt.Limiter(max_sessions=3)
    with scripted(script) as address:

        def run(number):
            with rt.RealtimeSession(backend=address, limiter=limiter) as session:
                return session.ask("Hello!").result(timeout=60).status, waits(session)

        with ThreadPoolExecutor(12) as threads:
            done = list(threads.map(run, range(12)))
    assert [status for status, _ in done] == ["completed"] * 12
    assert counts["most"] == 3
    waited = [said for _, said in done if said]
    assert len(waited) == 9
    assert all(
        said[0].startswith("Waiting for a free session: 3 of 3 are in use") and said[-1] == "" for said in waited
    )
    assert limiter.open == 0


def test_a_session_that_is_closed_while_it_waits_leaves_the_line():
    limiter = rt.Limiter(max_sessions=1)
    with rt.RealtimeSession(backend="local", limiter=limiter):
        second = rt.RealtimeSession(backend="local", limiter=limiter)
        opening = second.connect()
        with rt.ChatSession(backend="local") as other:  # Something that takes a while, and needs no place here.
            other.ask("Hello!").result(timeout=60)
        assert second.state == "connecting"
        second.close().result(timeout=10)
        with pytest.raises(rt.LocalProtocolError):
            opening.result(timeout=10)
    assert (limiter.open, limiter.waiting) == (0, 0)


def test_a_response_that_the_server_refuses_for_its_rate_limit_is_asked_for_again():
    error = {"type": "tokens", "code": "rate_limit_exceeded", "message": "Rate limit reached."}

    def script(peer):
        peer.open()
        request = peer.read_text_question()
        failed = wire.response("R0", "failed", status_details={"type": "failed", "error": error})
        failed["metadata"] = request["response"]["metadata"]
        peer.send(wire.event("response.created", response={**failed, "status": "in_progress", "status_details": None}))
        peer.send(wire.event("response.done", response={**failed}))
        again = peer.receive("response.create")
        peer.answer(again)
        peer.wait_until_gone()

    with scripted(script) as address, rt.RealtimeSession(backend=address, limiter=rt.Limiter()) as session:
        assert session.ask("Hello!").result(timeout=30).status == "completed"
        assert waits(session) == ["Waiting about 1 s: the server's rate limit", ""]


def test_all_who_ask_one_model_wait_for_the_tokens_that_its_server_says_are_left():
    """The first answer took 205 tokens, and the server says that 0 of 1,000 are left: they are back in 2 s."""
    limits = {"name": "tokens", "limit": 1_000, "remaining": 0, "reset_seconds": 2.0}

    def script(peer):
        peer.open()
        peer.answer(peer.read_text_question())
        peer.send(wire.event("rate_limits.updated", rate_limits=[limits | {"name": "requests"}, limits]))
        peer.answer(peer.read_text_question(), item_id="B", response_id="R2")
        peer.wait_until_gone()

    limiter = rt.Limiter()
    with scripted(script) as address, rt.RealtimeSession(backend=address, limiter=limiter) as session:
        told = threading.Event()
        session.listen(
            lambda event, _: event.type == "rate_limits.updated" and len(event.rate_limits) > 1 and told.set()
        )
        session.ask("One?").result(timeout=20)
        assert told.wait(timeout=20)
        assert session.ask("Two?").result(timeout=20).status == "completed"
        assert waits(session) == ["Waiting about 1 s: the server's rate limit", ""]


def test_a_server_that_has_no_room_for_a_session_is_tried_again_when_it_says():
    tried = []

    def process_request(connection, request):
        tried.append(request)
        if len(tried) > 1:
            return None
        answer = refusal(429, '{"error": {"message": "Too many.", "code": "rate_limit_exceeded"}}')(connection, request)
        answer.headers["Retry-After"] = "0.2"
        assert isinstance(answer, Response)
        return answer

    def script(peer):
        peer.open()
        peer.wait_until_gone()

    with scripted(script, process_request=process_request) as address:
        session = rt.RealtimeSession(backend=address, limiter=rt.Limiter())
        session.connect().result(timeout=30)
        assert len(tried) == 2
        assert waits(session)[-1] == ""
        session.close().result()


def test_a_quota_that_is_used_up_is_an_error_at_once():
    body = '{"error": {"message": "You exceeded your quota.", "code": "insufficient_quota"}}'
    with scripted(process_request=refusal(429, body)) as address:
        with pytest.raises(rt.ServerError, match="insufficient_quota"):
            rt.RealtimeSession(backend=address, limiter=rt.Limiter()).connect().result(timeout=30)


class Chat(BaseHTTPRequestHandler):
    """Refuses twice, then answers."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        if self.server.asked <= self.server.refusals:
            body = self.server.body or json.dumps({"error": {"message": "Slow down.", "code": self.server.code}})
            self.answer(self.server.status, body, ("Retry-After", self.server.wait_s))
        else:
            told = {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [CHOICE]}
            self.answer(200, json.dumps(told))

    def answer(self, status, body, *headers):
        data = body.encode()
        self.send_response(status)
        for name, value in (*headers, ("Content-Type", "application/json"), ("Content-Length", str(len(data)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


CHOICE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}


@pytest.fixture
def chat_server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Chat) as server:
        server.asked, server.code, server.body = 0, "rate_limit_exceeded", ""
        server.status, server.refusals, server.wait_s = 429, 4, "0.1"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def chat(server):
    return rt.ChatSession(
        backend=f"http://127.0.0.1:{server.server_port}/v1",
        output_modalities=["text"],
        stream=False,
        limiter=rt.Limiter(),
    )


def test_a_request_waits_as_often_as_the_server_says_and_then_is_answered(chat_server):
    with chat(chat_server) as session:
        assert session.ask("Hello!").result(timeout=30).transcript == "Hello."
        assert chat_server.asked == 5
        assert "Waiting about 1 s: the server's rate limit" in waits(session)
        assert waits(session)[-1] == ""


@pytest.mark.parametrize("body", ["busy", '{"error": "busy"}', pytest.param("[" * 100_000, id="nested")])
def test_a_request_waits_whatever_a_busy_server_says_besides(chat_server, body):
    chat_server.body, chat_server.refusals = body, 1
    with chat(chat_server) as session:
        assert session.ask("Hello!").result(timeout=30).transcript == "Hello."
    assert chat_server.asked == 2


def test_a_request_beyond_the_quota_is_not_sent_for_ever(chat_server):
    chat_server.code = "insufficient_quota"
    with chat(chat_server) as session, pytest.raises(rt.ServerError, match="insufficient_quota"):
        session.ask("Hello!").result(timeout=30)
    assert chat_server.asked == 1


@pytest.mark.parametrize("wait_s", ["3600", "inf", "Wed, 31 Dec 2098 23:59:59 GMT"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_wish_to_wait_for_too_long_is_told_at_once(chat_server, wait_s, status):
    chat_server.status, chat_server.refusals, chat_server.wait_s = status, 1, wait_s
    began = time.monotonic()
    with chat(chat_server) as session, pytest.raises(rt.ServerError, match=r"to wait .* s, more than 120"):
        session.ask("Hello!").result(timeout=30)
    assert time.monotonic() - began < 20 and chat_server.asked == 1


@pytest.mark.parametrize("wait_s", ["0", "-1", "nan", "soon", "5, 10", "Fri, 31 Dec 1999 23:59:59 GMT"])
@pytest.mark.parametrize("status", [429, 503])
def test_an_odd_wish_to_wait_is_no_reason_to_wait_long(chat_server, wait_s, status):
    chat_server.status, chat_server.refusals, chat_server.wait_s = status, 1, wait_s
    with chat(chat_server) as session:
        assert session.ask("Hello!").result(timeout=30).transcript == "Hello."


def test_a_server_at_fault_is_not_waited_for_in_silence(chat_server):
    chat_server.status, chat_server.refusals, chat_server.wait_s = 500, 1, "100"
    with chat(chat_server) as session:
        assert session.ask("Hello!").result(timeout=60).transcript == "Hello."


def test_a_server_that_refuses_for_minutes_is_an_error(chat_server, monkeypatch):
    monkeypatch.setattr(rate_limit, "REFUSED_FOR_S", 0.05)
    chat_server.refusals = 10**6
    with chat(chat_server) as session, pytest.raises(rt.ServerError, match="Slow down"):
        session.ask("Hello!").result(timeout=60)
