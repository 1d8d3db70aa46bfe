from __future__ import annotations

import asyncio

import pytest
from asgi_socket import Refused, Socket
from starlette.testclient import TestClient
from test_app import BEARER, KEY, make_app

from realtime_nb.local.access import is_loopback

PATH = "/v1/realtime?model=local-rules"


def connect(headers=None, subprotocols=(), **options):
    async def main():
        async with Socket(make_app(**options), PATH, headers, subprotocols) as socket:
            await socket.receive()
            return socket.subprotocol

    return asyncio.run(main())


@pytest.mark.parametrize("headers", [BEARER, {"api-key": KEY}, {"authorization": f"bearer {KEY}"}])
def test_a_key_in_a_header_opens_the_door(headers):
    assert connect(headers) is None


def test_a_browser_brings_its_key_as_a_subprotocol():
    offered = ("realtime", f"openai-insecure-api-key.{KEY}", "openai-agents-sdk.0.1")
    assert connect(subprotocols=offered) == "realtime"
    assert connect({**BEARER, "Origin": "https://example.org"}, ("realtime",)) == "realtime"


@pytest.mark.parametrize(
    ("headers", "subprotocols", "message"),
    [
        ({}, (), "You didn't provide an API key"),
        ({"Authorization": "Bearer "}, (), "You didn't provide an API key"),
        ({"Authorization": KEY}, (), "You didn't provide an API key"),
        ({"Authorization": "Bearer wrong"}, (), "Incorrect API key"),
        ({"Authorization": "Bearer the-kéy"}, (), "Incorrect API key"),
        ({"Origin": "http://127.0.0.1:8000"}, ("realtime",), "You didn't provide an API key"),
        ({}, ("realtime", "openai-insecure-api-key.wrong"), "Incorrect API key"),
    ],
)
def test_without_the_key_the_door_stays_shut(headers, subprotocols, message):
    with pytest.raises(Refused) as refused:
        connect(headers, subprotocols)
    assert refused.value.status == 401
    error = refused.value.body["error"]
    assert error["code"] == "invalid_api_key"
    assert message in error["message"]
    assert KEY not in str(refused.value.body)


def test_http_is_guarded_likewise():
    answer = TestClient(make_app(), base_url="http://127.0.0.1").get("/v1/models")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "10.0.0.1"])
def test_on_loopback_other_names_are_refused(host):
    with pytest.raises(Refused) as refused:
        connect({**BEARER, "host": host})
    assert refused.value.status == 403


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "[::1]"])
def test_this_machine_s_own_names_are_answered(host):
    connect({**BEARER, "host": host})


def test_elsewhere_any_name_is_answered():
    connect({**BEARER, "host": "voice.example"}, host="0.0.0.0")


def test_loopback():
    assert is_loopback("127.0.0.2")
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("localhost.example")
