from __future__ import annotations

import asyncio
import math

import pytest
from local_session import Client, ScriptedRecognizer, run, silence

from realtime_nb.local.api_errors import ApiError, overloaded
from realtime_nb.local.brains.brain import Say
from realtime_nb.local.brains.rule_brain import RuleBrain
from realtime_nb.local.realtime.conversation_state import ItemState, MessagePart
from realtime_nb.local.realtime.hearing import Hearing
from realtime_nb.local.recognition.heard import HeardToken, Recognition

MANUAL = {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}


def a_turn():
    part = MessagePart("input_audio", pcm=silence(500), duration_ms=500)
    return ItemState("item_1", "message", role="user", parts=[part]), part


def test_sound_reaches_the_recogniser_at_16_khz_and_the_words_the_item():
    async def main():
        recognizer, events = ScriptedRecognizer("good morning"), []
        hearing = Hearing(recognizer, (), events.append)
        entry, part = a_turn()
        hearing.hear(entry, part, announce=False)
        await hearing.heard([entry])
        assert (part.heard, part.text, entry.said) == ("good morning", "", "good morning")
        assert len(recognizer.utterances[0]) == 500 * 32
        assert events == []
        await hearing.close()

    run(main())


def test_a_good_guess_is_all_that_is_recognised():
    async def main():
        recognizer = ScriptedRecognizer("good morning")
        hearing = Hearing(recognizer, (), lambda event: None)
        entry, part = a_turn()
        hearing.hear(entry, part, announce=False, guess=hearing.guess(b"\0\0"))
        await hearing.heard([entry])
        assert recognizer.utterances == [b"\0\0"]
        await hearing.close()

    run(main())


def test_an_overloaded_recogniser_refuses_a_turn_once():
    async def main():
        recognizer = ScriptedRecognizer()
        recognizer.error = overloaded("The recogniser is 3.0 s behind; try again in a moment.")
        hearing = Hearing(recognizer, (), lambda event: None)
        entry, part = a_turn()
        hearing.hear(entry, part, announce=False)
        with pytest.raises(ApiError, match="behind"):
            await hearing.heard([entry])
        await hearing.heard([entry])
        assert entry.said == ""
        await hearing.close()
        assert recognizer.sessions == 0

    run(main())


def test_an_overloaded_server_fails_the_turn_and_goes_on_with_the_next():
    async def main():
        recognizer = ScriptedRecognizer("hello")
        recognizer.error = overloaded("The recogniser is 3.0 s behind; try again in a moment.")
        async with Client(recognizer=recognizer) as client:
            await client.update(audio=MANUAL)
            for status in ("failed", "completed"):
                await client.append(silence(300))
                await client.send("input_audio_buffer.commit")
                await client.send("response.create")
                done = (await client.until("response.done"))["response"]
                assert done["status"] == status
                if status == "failed":
                    assert done["status_details"]["error"]["code"] == "rate_limit_exceeded"
                    failed = client.all("conversation.item.input_audio_transcription.failed")
                    assert failed[0]["error"]["code"] == "rate_limit_exceeded"
                recognizer.error = None

    run(main())


def test_silence_is_an_empty_transcript():
    async def main():
        recognizer = ScriptedRecognizer()
        recognizer.texts = [""]
        async with Client(recognizer=recognizer) as client:
            await client.update(audio=MANUAL)
            await client.append(silence(300))
            await client.send("input_audio_buffer.commit")
            done = await client.until("conversation.item.input_audio_transcription.completed")
            assert done["transcript"] == ""
            assert recognizer.live == [False]  # A clip is in no hurry.
            assert client.all("conversation.item.input_audio_transcription.delta") == []

    run(main())


def test_an_utterance_waits_for_what_is_expected():
    async def main():
        recognizer, ready = ScriptedRecognizer(), asyncio.Event()
        heard_with = []

        async def expect(**content):
            await ready.wait()
            return "the session's words"

        async def listen(pcm, expected=None, *, language=None, word_times=False, is_live=False):
            heard_with.append(expected)
            return Recognition("hello")

        recognizer.expect, recognizer.listen = expect, listen
        async with Client(recognizer=recognizer) as client:
            await client.update(audio=MANUAL)
            await client.append(silence(300))
            await client.send("input_audio_buffer.commit")
            await asyncio.sleep(1)
            assert heard_with == []
            ready.set()
            await client.until("conversation.item.input_audio_transcription.completed")
            assert heard_with == ["the session's words"]

    run(main())


def test_what_was_heard_badly_is_asked_for_before_it_is_acted_on():
    tool = {"type": "function", "name": "open_door", "description": "Open the front door"}

    def heard(text, probability):
        return Recognition(text, tokens=(HeardToken(text, text.encode(), 1, math.log(probability)),))

    async def main():
        recognizer = ScriptedRecognizer(heard("Open the front door.", 0.2), heard("Yes.", 0.9))
        async with Client(recognizer=recognizer) as client:
            await client.update(audio=MANUAL, tools=[tool])
            done = []
            for _ in range(2):
                await client.append(silence(500))
                await client.send("input_audio_buffer.commit")
                await client.send("response.create")
                done.append((await client.until("response.done"))["response"]["output"][0])
            return done

    asked, called = run(main())
    assert asked["content"][0]["transcript"] == (
        "I'm not sure I heard that: Open the front door? Say yes, or say it again."
    )
    assert (called["type"], called["name"]) == ("function_call", "open_door")


SURE = Recognition("Hello.", tokens=(HeardToken(" Hello", b" Hello", 18435, -0.25), HeardToken(".", b".", 13, -0.05)))


@pytest.mark.parametrize("include", [None, ["item.input_audio_transcription.logprobs"]])
def test_probabilities_come_where_the_session_includes_them(include):
    told = [
        {"token": " Hello", "bytes": list(b" Hello"), "logprob": -0.25},
        {"token": ".", "bytes": list(b"."), "logprob": -0.05},
    ]

    async def main():
        async with Client(recognizer=ScriptedRecognizer(SURE)) as client:
            await client.update(audio=MANUAL, include=include)
            await client.append(silence(300))
            await client.send("input_audio_buffer.commit")
            done = await client.until("conversation.item.input_audio_transcription.completed")
            assert done["logprobs"] == (told if include else None)
            [delta] = client.all("conversation.item.input_audio_transcription.delta")
            assert delta["logprobs"] == done["logprobs"]

    run(main())


def test_brains_know_how_surely_the_last_words_were_heard():
    class Listener(RuleBrain):
        async def respond(self, context):
            known.append(context.heard_confidence)
            yield Say("Yes.")

    known = []

    async def main():
        async with Client(brain=Listener(), recognizer=ScriptedRecognizer(SURE, "bare words")) as client:
            await client.update(audio=MANUAL)
            for _ in range(2):
                await client.append(silence(300))
                await client.send("input_audio_buffer.commit")
                await client.send("response.create")
                await client.until("response.done")
            await client.say("Something written.")
            await client.send("response.create")
            await client.until("response.done")

    run(main())
    assert known == [pytest.approx(math.exp(-0.15)), None, None]


@pytest.mark.parametrize(
    ("given", "language"),
    [({"language": "de"}, "de"), ({"languages": ["de"]}, "de"), ({"languages": ["de", "fr"]}, None)],
)
def test_the_sessions_language_reaches_the_recogniser(given, language):
    async def main():
        async with Client() as client:
            transcription = {"model": "gpt-transcribe" if "languages" in given else "whisper-1", **given}
            await client.update(audio={"input": {"turn_detection": None, "transcription": transcription}})
            await client.append(silence(300))
            await client.send("input_audio_buffer.commit")
            await client.until("conversation.item.input_audio_transcription.completed")
            assert client.recognizer.languages == [language]

    run(main())
