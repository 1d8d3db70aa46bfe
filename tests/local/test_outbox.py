from __future__ import annotations

import asyncio
import json

import pytest

from realtime_nb.local.realtime import outbox as module
from realtime_nb.local.realtime.outbox import Outbox
from realtime_nb.protocol.events import InputAudioBufferCleared, ResponseOutputAudioDelta


def test_events_go_out_in_order_with_ids_of_their_own():
    async def main():
        outbox, sent = Outbox(), []
        event = InputAudioBufferCleared()
        outbox.put(event)
        outbox.put(event)
        outbox.put({"type": "something.else", "value": 1})
        outbox.end()

        async def send(message):
            sent.append(json.loads(message))

        await outbox.run(send)
        assert [event["type"] for event in sent] == [*["input_audio_buffer.cleared"] * 2, "something.else"]
        assert len({event["event_id"] for event in sent}) == 3
        assert event.event_id == ""

    asyncio.run(main())


def test_there_is_no_room_while_a_client_does_not_read(monkeypatch):
    monkeypatch.setattr(module, "FULL_BYTES", 10_000)

    async def main():
        outbox, reads = Outbox(), asyncio.Semaphore(0)
        writing = asyncio.create_task(outbox.run(lambda message: reads.acquire()))
        delta = ResponseOutputAudioDelta(response_id="r", item_id="i", delta=bytes(3000))
        await outbox.room()
        for _ in range(3):
            outbox.put(delta)
        waiting = asyncio.create_task(outbox.room())
        await asyncio.sleep(0)
        assert not waiting.done()
        for _ in range(2):
            reads.release()
        async with asyncio.timeout(10):
            await waiting
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)

    asyncio.run(main())


def test_it_can_end_in_a_failure():
    async def main():
        outbox = Outbox()
        outbox.fail(ConnectionError("cut"))

        async def send(message):
            raise AssertionError

        with pytest.raises(ConnectionError, match="cut"):
            await outbox.run(send)

    asyncio.run(main())
