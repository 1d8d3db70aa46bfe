from __future__ import annotations

import asyncio

import pytest
from local_session import MS_PER_WORD, Client, SteadyVoice, run

from realtime_nb.local.brains.brain import CallTool, Say
from realtime_nb.local.realtime.responder import BURST_MS, PACE, deltas


class Reader:
    """A brain with scripted actions."""

    name, description, vocabulary = "reader", "Reads.", ()

    def __init__(self, *actions):
        self.actions = actions
        self.closed = False

    async def respond(self, context):
        try:
            for action in self.actions:
                yield action
        finally:
            self.closed = True


def respond(*actions, options=None, voice=None):
    async def main():
        async with Client(brain=Reader(*actions), voice=voice) as client:
            await client.send("response.create", response=options or {})
            done = (await client.until("response.done"))["response"]
            return done, client

    return run(main())


def test_sentences_are_joined_as_one_would_write_them():
    done, client = respond(Say("Hello there."), Say("How are you? "), Say("Fine."))
    assert done["output"][0]["content"][0]["transcript"] == "Hello there. How are you? Fine."
    transcript = client.all("response.output_audio_transcript.delta")
    assert "".join(delta["delta"] for delta in transcript) == "Hello there. How are you? Fine."


def test_words_know_when_they_are_spoken():
    _, client = respond(Say("One two. Three"), Say("four."))
    part = next(iter(client.session.conversation)).parts[0]
    said = [(part.text[index:].split()[0], ms) for index, ms in part.words]
    assert said == [(word, number * MS_PER_WORD) for number, word in enumerate(["One", "two.", "Three", "four."])]


def test_text_answers_have_no_sound():
    done, client = respond(Say("One two three four five."), options={"output_modalities": ["text"]})
    assert done["output"][0]["content"] == [{"type": "output_text", "text": "One two three four five."}]
    assert [delta["delta"] for delta in client.all("response.output_text.delta")] == ["One two three ", "four five."]
    assert done["usage"]["output_token_details"]["audio_tokens"] == 0


def test_a_call_after_words_stands_beside_them():
    done, _ = respond(Say("One moment."), CallTool("get_weather", {"city": "Zürich"}))
    assert [item["type"] for item in done["output"]] == ["message", "function_call"]
    assert done["output"][1]["arguments"] == '{"city": "Z\\u00fcrich"}'


def test_saying_nothing_is_a_complete_response():
    done, _ = respond(Say("  "))
    assert (done["status"], done["output"]) == ("completed", [])


def test_pace():
    _, client = respond(Say("word " * 40))
    at = next(time for time, event in zip(client.times, client.events, strict=True) if event["type"] == "response.done")
    assert at == pytest.approx((40 * MS_PER_WORD - BURST_MS) / PACE / 1000, abs=0.1)


def test_the_voice_and_the_brain_are_let_go_when_an_answer_is_cancelled():
    class Voice(SteadyVoice):
        closed = False

        async def speak(self, text, **options):
            try:
                async for piece in super().speak(text, **options):
                    yield piece
            finally:
                Voice.closed = True

    async def main():
        brain = Reader(Say("word " * 40))
        async with Client(brain=brain, voice=Voice()) as client:
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            await client.send("response.cancel")
            await client.until("response.done")
            await asyncio.sleep(0.1)
            assert brain.closed
            assert Voice.closed

    run(main())


def test_a_voice_that_breaks_fails_the_response(caplog):
    class Voice:
        async def speak(self, text, **options):
            raise RuntimeError("hoarse")
            yield

    done, _ = respond(Say("Hello."), voice=Voice())
    assert done["status"] == "failed"
    assert "hoarse" in caplog.text


def test_a_delta_has_a_few_words_and_nothing_is_lost():
    for text in ("One.", "One two three four five six seven.", " a  b\n c d ", "x" * 500):
        pieces = deltas(text)
        assert "".join(pieces) == text
        assert all(len(piece.split()) <= 3 for piece in pieces)
