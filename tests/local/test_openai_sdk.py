"""The official `openai` SDK, unmodified, talks with the local server over a real socket."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from local_session import silence, spoken
from openai import AsyncOpenAI

from realtime_nb.local.server import LocalServer

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather for a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "examples": ["Paris", "London"]}},
        "required": ["city"],
    },
}


class Speaker:
    """What a program with the SDK does: sends audio as a microphone would, and reads events."""

    def __init__(self, connection: Any):
        self.connection = connection
        self.events: list[Any] = []

    async def until(self, kind: str) -> Any:
        async with asyncio.timeout(30):
            while True:
                event = await self.connection.recv()
                self.events.append(event)
                assert event.type != "error", event
                if event.type == kind:
                    return event

    async def speak(self, text: str) -> None:
        pcm = silence(300) + spoken(text) + silence(800)
        for start in range(0, len(pcm), 4800):
            piece = base64.b64encode(pcm[start : start + 4800]).decode()
            await self.connection.input_audio_buffer.append(audio=piece)

    async def write(self, text: str) -> None:
        content: Any = [{"type": "input_text", "text": text}]
        await self.connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})

    def audio(self, response_id: str) -> bytes:
        deltas = [event for event in self.events if event.type == "response.output_audio.delta"]
        return b"".join(base64.b64decode(delta.delta) for delta in deltas if delta.response_id == response_id)


@contextlib.asynccontextmanager
async def speaker(*, ears: str = "pocketsphinx", **session: Any) -> AsyncIterator[Speaker]:
    async with LocalServer(ears=ears, open_vocabulary=False) as server:
        client = AsyncOpenAI(base_url=server.url, api_key=server.api_key)
        async with client, client.realtime.connect(model="local-rules") as connection:
            speaker = Speaker(connection)
            await speaker.until("session.created")
            await connection.session.update(session={"type": "realtime", **session})
            await speaker.until("session.updated")
            yield speaker


HEARD: Any = {"audio": {"input": {"transcription": {"model": "gpt-realtime-whisper"}}}}


@pytest.mark.parametrize(("ears", "transcript"), [("pocketsphinx", "what can you do"), ("", "What can you do?")])
def test_a_spoken_turn(ears, transcript):
    async def main():
        async with speaker(ears=ears, **HEARD) as person:
            await person.speak("What can you do?")
            stopped = await person.until("input_audio_buffer.speech_stopped")
            done = (await person.until("response.done")).response
            heard = [event for event in person.events if event.type.endswith("input_audio_transcription.completed")]
            assert (heard[0].item_id, heard[0].transcript) == (stopped.item_id, transcript)
            assert done.status == "completed"
            assert done.output[0].content[0].transcript.startswith("I can do sums")
            usage = done.usage
            assert len(person.audio(done.id)) / 48 / 50 == pytest.approx(usage.output_token_details.audio_tokens, abs=1)
            assert usage.input_tokens + usage.output_tokens == usage.total_tokens

    asyncio.run(main())


@pytest.mark.parametrize("ears", ["pocketsphinx", ""])
def test_a_tool_turn(ears):
    async def main():
        async with speaker(ears=ears, tools=[WEATHER]) as person:
            await person.speak("What is the weather in Paris?")
            call = (await person.until("response.done")).response.output[0]
            assert (call.type, call.name) == ("function_call", "get_weather")
            assert json.loads(call.arguments) == {"city": "Paris"}
            output = json.dumps({"temperature": 12, "sky": "cloudy"})
            await person.connection.conversation.item.create(
                item={"type": "function_call_output", "call_id": call.call_id, "output": output}
            )
            await person.connection.response.create()
            done = (await person.until("response.done")).response
            assert done.output[0].content[0].transcript == "The temperature is 12, the sky is cloudy."

    asyncio.run(main())


def test_a_cancelled_answer():
    async def main():
        async with speaker() as person:
            await person.write("Tell me a story.")
            await person.connection.response.create()
            await person.until("response.output_audio.delta")
            await person.connection.response.cancel()
            done = (await person.until("response.done")).response
            assert (done.status, done.status_details.reason) == ("cancelled", "client_cancelled")

    asyncio.run(main())


def test_a_barge_in_with_truncation():
    async def main():
        async with speaker() as person:
            await person.speak("Can you tell me a story?")
            await person.until("response.output_audio.delta")
            await person.speak("Thank you.")
            await person.until("input_audio_buffer.speech_started")
            cancelled = (await person.until("response.done")).response
            assert (cancelled.status, cancelled.status_details.reason) == ("cancelled", "turn_detected")
            item = cancelled.output[0]
            assert item.status == "incomplete"
            played_ms = min(900, len(person.audio(cancelled.id)) // 48)
            await person.connection.conversation.item.truncate(item_id=item.id, content_index=0, audio_end_ms=played_ms)
            truncated = await person.until("conversation.item.truncated")
            assert (truncated.item_id, truncated.audio_end_ms) == (item.id, played_ms)
            await person.connection.conversation.item.retrieve(item_id=item.id)
            kept = (await person.until("conversation.item.retrieved")).item.content[0]
            assert item.content[0].transcript.startswith(kept.transcript)
            assert 0 < len(kept.transcript) < len(item.content[0].transcript)

    asyncio.run(main())


def test_a_text_turn():
    async def main():
        async with speaker(output_modalities=["text"]) as person:
            await person.write("What is three plus four?")
            await person.connection.response.create()
            done = (await person.until("response.done")).response
            assert done.output[0].content[0].text == "3 plus 4 is 7."

    asyncio.run(main())


def test_a_refused_key():
    async def main():
        async with LocalServer(open_vocabulary=False) as server:
            client = AsyncOpenAI(base_url=server.url, api_key="wrong", max_retries=0)
            async with client:
                with pytest.raises(Exception, match="401"):
                    await client.realtime.connect(model="local-rules").enter()

    asyncio.run(main())
