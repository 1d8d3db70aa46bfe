import asyncio
import json
import socket

import pytest
from scripted_server import refusal, scripted
from websockets.datastructures import Headers

import realtime_nb as rt
from realtime_nb.errors import ConnectionLost, RealtimeError, ServerError
from realtime_nb.loop import submit
from realtime_nb.sessions.connection import Transport, retry_after_s

KEY = "sk-test-0123456789"


def opened(address, headers=None):
    url = address.replace("http://", "ws://") + "/realtime?model=m"
    return submit(Transport.open(url, headers or {})).result(20)


def received(address):
    """Return all messages of a server, and what ended them."""

    async def read():
        messages = []
        transport = await Transport.open(address.replace("http://", "ws://") + "/realtime", {})
        async with transport:
            try:
                async for message in transport:
                    messages.append(message)
            except ConnectionLost as error:
                return messages, error
        return messages, None

    return submit(read()).result(20)


def test_messages_go_both_ways():
    def echo(peer):
        peer.send(peer.socket.recv(), b"\xff\x00")
        peer.socket.close()

    async def talk(address):
        transport = await Transport.open(address.replace("http://", "ws://"), {})
        async with transport:
            await transport.send("h\u00e9")
            return [message async for message in transport]

    with scripted(echo) as address:
        assert submit(talk(address)).result(20) == ["h\u00e9".encode(), b"\xff\x00"]


def test_the_key_travels_in_its_header():
    seen = []

    def look(peer):
        seen.append((peer.request.path, peer.request.headers["Authorization"]))

    with scripted(look) as address:
        transport = opened(address, {"Authorization": f"Bearer {KEY}"})
        submit(transport.close()).result(20)
        submit(transport.close()).result(20)
    assert seen == [("/v1/realtime?model=m", f"Bearer {KEY}")]


API_ERROR = {
    "error": {"message": "Incorrect API key provided.", "type": "invalid_request_error", "code": "invalid_api_key"}
}


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (401, json.dumps(API_ERROR), r"Incorrect API key provided\. \[invalid_api_key\]: check the key"),
        (401, '{"error": {"message": "No."}}', r"No\. \[invalid_api_key\]: check the key"),
        (401, "Unauthorized", r"refused the key \(HTTP 401\) \[invalid_api_key\]"),
        (403, "", r"refused the key \(HTTP 403\)"),
        (429, '{"error": {"message": "Quota.", "code": "insufficient_quota"}}', "Quota.*add credit"),
    ],
)
def test_a_refusal_is_the_servers_error(status, body, text):
    with scripted(process_request=refusal(status, body)) as address, pytest.raises(ServerError, match=text) as caught:
        opened(address, {"Authorization": f"Bearer {KEY}"})
    assert caught.value.fatal
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (404, "Not Found", "no Realtime endpoint at this address .HTTP 404.: check base_url and model"),
        (500, "<html>", "answered HTTP 500"),
        (500, '{"error": "odd"}', "answered HTTP 500"),
        (500, '["odd"]', "answered HTTP 500"),
        (200, "hello", "answered HTTP 200"),
        pytest.param(500, "[" * 100_000, "answered HTTP 500", id="nested"),
    ],
)
def test_an_answer_that_is_no_session_is_reported(status, body, text):
    with scripted(process_request=refusal(status, body)) as address, pytest.raises(ConnectionLost, match=text):
        opened(address)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("header", ["Authorization", "api-key"])
def test_no_key_goes_to_where_a_server_sends_on(status, header):
    seen = []

    def process_request(connection, request):
        seen.append(request.headers)
        answer = connection.respond(status, "")
        answer.headers["Location"] = f"{there}/realtime?key=kept"
        return answer

    with scripted(lambda peer: seen.append(peer.request.headers)) as there:
        there = there.replace("http://", "ws://")
        with (
            scripted(process_request=process_request) as address,
            pytest.raises(ConnectionLost, match=f"sends on to {there}/realtime: if you trust it"),
        ):
            opened(address, {header: KEY})
    assert len(seen) == 1


def test_a_server_that_is_not_there_is_told_with_its_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionLost, match=f"127.0.0.1:{port} cannot be reached"):
        opened(f"http://127.0.0.1:{port}/v1")


@pytest.mark.parametrize("address", ["http://", "nonsense", "http://127.0.0.1:99999/v1", "http://no such host/v1"])
def test_an_address_that_cannot_be_is_reported(address):
    with pytest.raises(RealtimeError):
        opened(address)


def test_a_normal_end_ends_quietly():
    def end(peer):
        peer.send("1", "2")
        peer.socket.close(1000, "bye")

    with scripted(end) as address:
        assert received(address) == ([b"1", b"2"], None)


@pytest.mark.parametrize(
    ("code", "reason", "text"),
    [
        (1001, "Your session hit the maximum duration of 60 minutes.", "60 minutes. (close code 1001)"),
        (1011, "", "the server closed the connection (close code 1011)"),
        (4000, "invalid_request_error.beta_api_shape_disabled", "beta_api_shape_disabled (close code 4000)"),
    ],
)
def test_another_end_says_why(code, reason, text):
    def end(peer):
        peer.send("1")
        peer.socket.close(code, reason)

    with scripted(end) as address:
        messages, error = received(address)
    assert messages == [b"1"]
    assert str(error).endswith(text)
    assert error.code == code


def test_a_line_that_is_cut_says_so():
    def cut(peer):
        peer.send("1")
        peer.break_off()

    with scripted(cut) as address:
        messages, error = received(address)
    assert messages == [b"1"]
    assert "broke off" in str(error) and error.code == 1006


def test_sending_on_a_closed_line_is_reported():
    async def talk(address):
        transport = await Transport.open(address.replace("http://", "ws://"), {})
        async with transport:
            with pytest.raises(ConnectionLost):
                while True:
                    await transport.send("x")
                    await asyncio.sleep(0)

    with scripted(lambda peer: peer.socket.close(1011)) as address:
        submit(talk(address)).result(20)


def test_large_messages_pass():
    large = "x" * 3_000_000

    def send(peer):
        peer.send(large)
        peer.socket.close()

    with scripted(send) as address:
        assert received(address) == ([large.encode()], None)


# --- how long to wait ---

SERVED = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0.25 "}, 0.25),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "1e9"}, 1e9),
        ({"retry-after": "9" * 400}, float("inf")),
        ({"retry-after": "inf"}, float("inf")),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "5, 10"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": SERVED}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", "date": SERVED}, 0.0),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0.0),
        ({"retry-after": "Wed, 99 Oct 2026 99:99:99 GMT"}, None),
    ],
)
def test_a_servers_wish_to_wait_is_read_whatever_it_is(headers, seconds):
    assert retry_after_s(headers) == seconds


def test_a_header_that_is_there_twice_is_none():
    assert retry_after_s(Headers([("Retry-After", "1"), ("Retry-After", "2")])) is None


def test_a_wish_to_wait_for_too_long_is_an_error_that_says_so():
    def busy(connection, request):
        answer = refusal(429, '{"error": {"message": "Too many.", "code": "rate_limit_exceeded"}}')(connection, request)
        answer.headers["Retry-After"] = "3600"
        return answer

    with scripted(process_request=busy) as address:
        with pytest.raises(ServerError, match="wait 3600 s, more than 120") as caught:
            rt.RealtimeSession(backend=address).connect().result(20)
    assert not caught.value.is_passing
