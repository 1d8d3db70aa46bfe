"""Connections without a key, over real sockets, at both ports that the package listens on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect

from realtime_nb.local.server import LocalServer
from realtime_nb.loop import submit
from realtime_nb.strangers import FewLines, Strangers
from realtime_nb.widgets.road import Road, RoadServer

UPGRADE = (
    "GET /v1/realtime?model=local-rules HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
OPENINGS = {
    "nothing": "",
    "half a request line": "GET /v1/mod",
    "half the headers": "POST /v1/audio/speech HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    "a body that never comes": "POST /v1/moderations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n"
    "Content-Type: application/json\r\nAuthorization: Bearer wrong\r\n\r\n",
    "a wrong key": "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer wrong\r\n\r\n",
    "half an upgrade": UPGRADE,
    "an upgrade with a wrong key": f"{UPGRADE}Authorization: Bearer wrong\r\n\r\n",
    "an upgrade without a key": f"{UPGRADE}\r\n",
    "no HTTP": "\x16\x03\x01\x02\r\n\r\n",
}


@contextlib.asynccontextmanager
async def local_port(strangers: Strangers) -> AsyncIterator[tuple[int, str]]:
    async with LocalServer(ears="pocketsphinx", open_vocabulary=False, strangers=strangers) as server:
        yield int(server.url.split(":")[2].partition("/")[0]), server.api_key


async def closed(port: int, opening: str) -> None:
    """Open a connection, and wait until the other side has closed it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(opening.encode())
    async with asyncio.timeout(20):
        with contextlib.suppress(ConnectionError):
            await reader.read()
    writer.close()


async def eventually(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.01)


async def models(port: int, key: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
    async with asyncio.timeout(20):
        line = await reader.readline()
    writer.close()
    return line.decode()


@pytest.mark.parametrize("opening", OPENINGS)
def test_a_connection_to_the_local_voice_without_a_key_is_closed(opening):
    async def main():
        async with local_port(Strangers(longest_s=0.3)) as (port, _):
            await closed(port, OPENINGS[opening])

    asyncio.run(main())


def test_a_connection_that_has_shown_its_key_may_stay():
    async def main():
        strangers = Strangers(longest_s=2)
        async with local_port(strangers) as (port, key):
            url = f"ws://127.0.0.1:{port}/v1/realtime?model=local-rules"
            async with connect(url, additional_headers={"Authorization": f"Bearer {key}"}, proxy=None) as mine:
                await closed(port, "")  # which takes as long as a stranger may stay
                await closed(port, "")
                assert "session.created" in await mine.recv()
                await mine.ping()

    asyncio.run(main())


def test_strangers_are_few_and_keep_nobody_out():
    async def main():
        strangers = Strangers(most=40)
        async with local_port(strangers) as (port, key):
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
            await eventually(lambda: strangers.number == 40)
            assert "200 OK" in await models(port, key)
            for _, writer in held:  # those that are left, in the middle of a request
                with contextlib.suppress(ConnectionError):
                    writer.write(b"GET /v1/models HTTP/1.1\r\n")
            assert "200 OK" in await models(port, key)
            assert strangers.number <= 41
            for _, writer in held:
                writer.close()

    asyncio.run(main())


def test_somebody_with_a_key_gets_in_among_a_crowd_that_knocks_at_once():
    def knock(port: int) -> list[socket.socket]:
        knocking = [socket.socket() for _ in range(300)]
        for one in knocking:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        return knocking

    async def main():
        async with local_port(Strangers()) as (port, key):
            knocking = knock(port)
            mine = asyncio.create_task(models(port, key))
            await asyncio.sleep(0)
            knocking += knock(port)
            assert "200 OK" in await mine
            for one in knocking:
                one.close()

    asyncio.run(main())


def test_those_that_went_by_themselves_are_not_counted():
    async def main():
        strangers = Strangers(most=3)
        async with local_port(strangers) as (port, key):
            for _ in range(20):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
            assert "200 OK" in await models(port, key)
            await eventually(lambda: strangers.number <= 3)

    asyncio.run(main())


def test_refused_connections_cannot_fill_a_log(caplog):
    async def main():
        async with local_port(Strangers(longest_s=0.05)) as (port, _):
            for _ in range(30):
                await closed(port, "nonsense\r\n\r\n")
                await closed(port, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")
                await closed(port, OPENINGS["an upgrade with a wrong key"])

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    lines = [record for record in caplog.records if record.name.startswith(("uvicorn", "asyncio", "realtime_nb"))]
    assert len(lines) < 60


def test_the_last_line_says_that_there_were_more():
    few = FewLines()

    def line() -> logging.LogRecord:
        return logging.LogRecord("x", logging.WARNING, "a.py", 7, "%s came", ("Anna",), None)

    records = [line() for _ in range(100)]
    shown = [record.getMessage() for record in records if few.filter(record)]
    assert len(shown) == 10
    assert shown[0] == "Anna came" and "left out" in shown[-1]


# --- the session's audio bridge ---------------------------------------------------------------------------------------


async def end(door: RoadServer) -> None:
    door._server.close()
    await door._server.wait_closed()


@contextlib.contextmanager
def bridge(strangers: Strangers):
    road = Road(on_message=lambda message: None, on_error=lambda error: None)
    door = RoadServer(strangers)
    submit(door.add(road)).result(timeout=10)
    try:
        yield door.port, road.token
    finally:
        door.remove(road)
        submit(end(door)).result(timeout=30)
        road.close()


def page(port: int, token: str):
    return connect(f"ws://127.0.0.1:{port}/{token}", additional_headers={"Origin": "http://localhost"}, proxy=None)


@pytest.mark.parametrize("opening", OPENINGS)
def test_a_connection_to_the_bridge_without_a_token_is_closed(opening):
    with bridge(Strangers(longest_s=0.3)) as (port, _):
        asyncio.run(closed(port, OPENINGS[opening]))


def test_a_page_stays_and_gets_in_while_strangers_hold_the_bridge():
    async def main(strangers, port, token):
        async with page(port, token) as first:
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
            await eventually(lambda: strangers.number == 40)
            async with page(port, token) as second:
                await first.ping()
                await second.ping()
            for _, writer in held:
                writer.close()

    strangers = Strangers(most=40)
    with bridge(strangers) as (port, token):
        asyncio.run(main(strangers, port, token))


def test_connections_refused_at_the_bridge_cannot_fill_a_log(caplog):
    async def main(port):
        for _ in range(50):
            await closed(port, "nonsense\r\n\r\n")
            await closed(port, OPENINGS["an upgrade with a wrong key"])

    with caplog.at_level(logging.INFO), bridge(Strangers()) as (port, _):
        asyncio.run(main(port))
    assert len([record for record in caplog.records if re.match("realtime_nb|websockets|asyncio", record.name)]) < 60
