from __future__ import annotations

import asyncio

import pytest
from asgi_socket import Closed, Socket
from local_session import Client, ScriptedRecognizer, run, silence
from test_app import BEARER, make_app

from realtime_nb.local import faults

PATH = "/v1/realtime?model=local-rules"
TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


def test_transcripts_come_late():
    async def main():
        async with Client(faults=[faults.LATE_TRANSCRIPTION], recognizer=ScriptedRecognizer("hello")) as client:
            audio = {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}
            await client.update(audio=audio)
            await client.append(silence(400))
            await client.send("input_audio_buffer.commit")
            await client.send("response.create")
            assert (await client.until(TRANSCRIBED))["transcript"] == "hello"
            kinds = [event["type"] for event in client.events]
            assert kinds.index(TRANSCRIBED) > kinds.index("response.done")

    run(main())


def test_deltas_straggle_after_a_cancelled_response():
    async def main():
        async with Client(faults=[faults.STRAGGLERS]) as client:
            await client.say("tell me a story")
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            await client.send("response.cancel")
            done = (await client.until("response.done"))["response"]
            late = await client.until("response.output_audio.delta")
            assert late["response_id"] == done["id"]

    run(main())


def test_events_of_unknown_types():
    async def main():
        async with Client(faults=[faults.UNKNOWN_EVENT]) as client:
            assert client.event_types() == ["response.weather.delta", "session.created"]

    run(main())


def test_responses_fail():
    async def main():
        async with Client(faults=[faults.FAILED_RESPONSE]) as client:
            await client.say("hello")
            await client.send("response.create")
            done = (await client.until("response.done"))["response"]
            assert (done["status"], done["status_details"]["error"]["type"]) == ("failed", "server_error")
            assert done["output"][0]["status"] == "incomplete"

    run(main())


async def begin_a_story(socket):
    content = [{"type": "input_text", "text": "tell me a story"}]
    socket.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
    socket.send("response.create")


def test_the_socket_breaks_in_the_middle_of_an_answer():
    async def main():
        async with Socket(make_app(faults=[faults.DISCONNECT]), PATH, BEARER) as socket:
            await begin_a_story(socket)
            await socket.until("response.output_audio.delta")
            assert isinstance(await socket.ended(), faults.Disconnected)

    asyncio.run(main())


def test_the_session_expires_after_a_response():
    async def main():
        async with Socket(make_app(faults=[faults.SESSION_EXPIRED]), PATH, BEARER) as socket:
            await begin_a_story(socket)
            socket.send("response.cancel")
            await socket.until("response.done")
            assert (await socket.until("error"))["error"]["code"] == "session_expired"
            with pytest.raises(Closed) as closed:
                await socket.until("never")
            assert closed.value.code == 1001

    asyncio.run(main())


def test_the_session_expires_after_as_many_responses_as_it_is_reported():
    async def main():
        async with Socket(make_app(lifetime_turns=2), PATH, BEARER) as socket:
            for _ in range(2):
                await begin_a_story(socket)
                socket.send("response.cancel")
                await socket.until("response.done")
            assert (await socket.until("error"))["error"]["code"] == "session_expired"

    asyncio.run(main())
