from __future__ import annotations

import asyncio

import pytest
from asgi_socket import Closed, Refused, Socket
from test_app import BEARER, make_app

PATH = "/v1/realtime?model=local-rules"
STORY = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "tell me a story"}]}


async def first_error_and_close(path, headers=BEARER, subprotocols=()):
    async with Socket(make_app(), path, headers, subprotocols) as socket:
        event = await socket.receive()
        assert event["type"] == "error"
        with pytest.raises(Closed) as closed:
            await socket.receive()
        return event["error"]["code"], closed.value.code, closed.value.reason


@pytest.mark.parametrize(
    ("headers", "subprotocols"),
    [({**BEARER, "OpenAI-Beta": "realtime=v1"}, ()), (BEARER, ("realtime", "openai-beta.realtime-v1"))],
)
def test_the_beta_protocol_is_told_to_go(headers, subprotocols):
    code, close_code, reason = asyncio.run(first_error_and_close(PATH, headers, subprotocols))
    assert (code, close_code) == ("beta_api_shape_disabled", 4000)
    assert reason == "invalid_request_error.beta_api_shape_disabled"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/realtime", "missing_model"),
        ("/v1/realtime?intent=transcription&model=gpt-realtime", "invalid_parameter"),
    ],
)
def test_sessions_that_there_are_not(path, code):
    assert asyncio.run(first_error_and_close(path))[:2] == (code, 4000)


def test_a_transcription_session_is_asked_for_by_intent():
    async def main():
        async with Socket(make_app(), "/v1/realtime?intent=transcription", BEARER) as socket:
            assert (await socket.receive())["session"]["type"] == "transcription"

    asyncio.run(main())


def test_no_more_sessions_than_there_is_room_for():
    async def main():
        app = make_app(max_sessions=1)
        async with Socket(app, PATH, BEARER) as first:
            await first.receive()
            with pytest.raises(Refused) as refused:
                await Socket(app, PATH, BEARER).__aenter__()
            assert refused.value.status == 429
            assert refused.value.body["error"]["code"] == "rate_limit_exceeded"
            first.close()
            await first.ended()
            async with Socket(app, PATH, BEARER) as second:
                await second.receive()

    asyncio.run(main())


def test_a_session_expires():
    async def main():
        async with Socket(make_app(lifetime_s=0.05), PATH, BEARER) as socket:
            error = (await socket.until("error"))["error"]
            assert error["code"] == "session_expired"
            with pytest.raises(Closed) as closed:
                await socket.receive()
            assert (closed.value.code, closed.value.reason) == (1001, error["message"])
            await socket.ended()

    asyncio.run(main())


def test_a_client_that_goes_in_the_middle_of_an_answer_leaves_nothing_behind():
    async def main():
        async with Socket(make_app(), PATH, BEARER) as socket:
            socket.send("conversation.item.create", item=STORY)
            socket.send("response.create")
            await socket.until("response.output_audio.delta")
            socket.close()
            assert await socket.ended() is None
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_a_client_that_does_not_read_is_not_read_either():
    """Its messages wait in the socket, and nothing is gathered here for it."""

    async def main():
        app = make_app()
        blocked = asyncio.Event()
        socket = Socket(app, PATH, BEARER)
        put = socket._from_app.put
        sent = 0

        async def send(message):
            nonlocal sent
            if message["type"] == "websocket.send":
                sent += 1
                if sent > 1:
                    await blocked.wait()
            await put(message)

        socket._from_app.put = send
        async with socket:
            text = [{"type": "input_text", "text": "x" * 100_000}]
            for _ in range(100):
                socket.send("conversation.item.create", item={**STORY, "content": text})
            for _ in range(5_000):  # many more rounds of the loop than all messages would take
                await asyncio.sleep(0)
            assert socket._to_app.qsize() > 80
            blocked.set()

    asyncio.run(main())
