"""Closing a session ends what is under way, what waits, and what is about to connect; nothing is left open."""

import asyncio
import threading

import httpx
import pytest
from openai import AsyncOpenAI
from scripted_server import scripted

import realtime_nb as rt
from realtime_nb.errors import LocalProtocolError
from realtime_nb.sessions import api as http

WAIT_S = 30
KINDS = [rt.ChatSession, rt.CascadeSession]


class Silent(httpx.AsyncBaseTransport):
    """A server that is asked, and never answers."""

    def __init__(self):
        self.asked = threading.Semaphore(0)
        self.requests = 0

    async def handle_async_request(self, request):
        self.requests += 1
        self.asked.release()
        await asyncio.Event().wait()


@pytest.fixture(params=KINDS)
def silent(request):
    """A session with a server that never answers."""
    transport = Silent()
    client = AsyncOpenAI(api_key="none", http_client=httpx.AsyncClient(transport=transport), max_retries=0)
    session = request.param(client=client)
    yield session, transport
    session.close().result(WAIT_S)


def test_closing_ends_the_questions_that_wait(silent):
    session, transport = silent
    pending = [session.ask(f"q{number}") for number in range(4)]
    assert transport.asked.acquire(timeout=WAIT_S)
    session.close().result(WAIT_S)
    for each in pending:
        with pytest.raises(LocalProtocolError, match=r"stopped before it was complete|before the question was put"):
            each.result(WAIT_S)
    assert transport.requests == 1 and session.state == "closed"
    assert [reply.status for reply in session.conversation.replies] == ["cancelled"]


def test_closing_ends_the_questions_that_wait_for_a_realtime_server():
    asked, sockets = threading.Event(), []

    def silent(peer):
        sockets.append(peer)
        peer.open()
        peer.read_text_question()
        asked.set()
        peer.wait_until_gone()

    with scripted(silent) as url:
        session = rt.RealtimeSession(backend=rt.Backend("scripted", url, "none"))
        pending = [session.ask("one"), session.ask("two"), session.respond(), session.ask(rt.speak("four"))]
        assert asked.wait(WAIT_S)
        session.close().result(WAIT_S)
        for each in pending[1:]:
            with pytest.raises(LocalProtocolError, match="closed before the question was put"):
                each.result(WAIT_S)
        with pytest.raises(rt.RealtimeError):
            pending[0].result(WAIT_S)
        assert session.state == "closed" and len(sockets) == 1


def test_closing_ends_an_aside(silent):
    session, transport = silent
    session.connect().result(WAIT_S)
    aside = session.aside("What was it about?")
    assert transport.asked.acquire(timeout=WAIT_S)
    session.close().result(WAIT_S)
    with pytest.raises(LocalProtocolError, match="closed before the answer came"):
        aside.result(WAIT_S)
    assert all(reply.done for reply in session.conversation.replies)


def test_a_server_that_never_answers_is_given_up(silent):
    session, transport = silent
    with pytest.raises(rt.ReplyTimeout, match=r"no sign of an answer for 2 s"):
        session.ask("one", timeout_s=2.0).result(WAIT_S)
    assert [reply.status for reply in session.conversation.replies] == ["cancelled"]
    second = session.ask("two")
    assert transport.asked.acquire(timeout=WAIT_S) and transport.asked.acquire(timeout=WAIT_S)
    second.cancel()


@pytest.fixture(params=KINDS)
def loading(request, monkeypatch):
    """A session whose client takes as long to load as the test wants, and the clients that were made."""
    began, may_end, made = threading.Event(), threading.Event(), []
    make = http._client

    def slowly(backend, gate):
        began.set()
        assert may_end.wait(WAIT_S)
        made.append(make(backend, gate))
        return made[-1]

    monkeypatch.setattr(http, "_client", slowly)
    session = request.param(backend="local")
    yield session, began, may_end, made
    session.close().result(WAIT_S)


@pytest.mark.parametrize("use", [lambda session: session.connect(), lambda session: session.ask("Hello!")])
def test_a_connect_that_is_still_loading_does_not_outlive_the_close(loading, use):
    session, began, may_end, made = loading
    pending = use(session)
    assert began.wait(WAIT_S)
    session.close().result(WAIT_S)
    may_end.set()
    with pytest.raises(LocalProtocolError, match="closed before"):
        pending.result(WAIT_S)
    assert session.state == "closed" and all(client.is_closed() for client in made)
    assert session.ask("Hello!").result(WAIT_S).status == "completed"  # And it opens again.


def test_what_is_asked_behind_a_close_opens_the_session_again(loading):
    session, began, may_end, made = loading
    first = session.ask("one")
    assert began.wait(WAIT_S)
    closed, second = session.close(), session.ask("What is one plus one?")
    may_end.set()
    closed.result(WAIT_S)
    with pytest.raises(LocalProtocolError, match="closed before"):
        first.result(WAIT_S)
    assert second.result(WAIT_S).transcript == "1 plus 1 is 2." and session.state == "open"
    assert [client.is_closed() for client in made] == [True, False]


def test_a_chain_that_speaks_over_a_socket_leaves_none_open():
    session = rt.CascadeSession(backend="local", speaker="gpt-realtime-2.1")
    sessions, connect = [], session._speaker._connect

    def connecting():
        sessions.append(connect())
        return sessions[-1]

    session._speaker._connect = connecting
    begun = threading.Event()
    pending = session.ask("Tell me a story.")
    session.listen(lambda event, elapsed_ms: event.type == "response.output_audio.delta" and begun.set())
    assert begun.wait(WAIT_S)
    session.close().result(WAIT_S)
    with pytest.raises(LocalProtocolError):
        pending.result(WAIT_S)
    assert sessions and all(each.state == "closed" for each in sessions)


def test_a_close_ends_a_realtime_session_that_is_connecting():
    for _ in range(5):
        session = rt.RealtimeSession(backend="local")
        pending = session.ask("Hello!")
        session.close().result(WAIT_S)
        with pytest.raises(rt.RealtimeError):
            pending.result(WAIT_S)
        assert session.state == "closed"
