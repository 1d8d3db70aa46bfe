from __future__ import annotations

import asyncio

import numpy as np
import pytest
from local_session import Client, ScriptedRecognizer, ScriptedTurnModel, run, silence, spoken


def test_recognition_begins_in_the_silence_that_ends_a_turn():
    async def main():
        recognizer = ScriptedRecognizer("thank you")
        async with Client(recognizer=recognizer) as client:
            await client.append(silence(300) + spoken("Thank you.") + silence(100), pause_s=0.1)
            assert len(recognizer.utterances) == 1
            assert client.all("input_audio_buffer.speech_stopped") == []
            await client.append(silence(500), pause_s=0.1)
            await client.until("response.done")
            assert len(recognizer.utterances) == 1
            assert recognizer.live == [True]

    run(main())


def test_one_long_append_delays_no_other_session():
    async def main():
        async with Client() as client:
            rounds = 0

            async def others():
                nonlocal rounds
                while True:
                    rounds += 1
                    await asyncio.sleep(0)

            counting = asyncio.create_task(others())
            await client.append(silence(20_000), step_ms=20_000)
            counting.cancel()
            assert rounds > 50

    run(main())


def test_a_commit_by_hand_takes_the_turn_under_way():
    async def main():
        async with Client(recognizer=ScriptedRecognizer("can you tell me")) as client:
            await client.append(silence(300) + spoken("Can you tell me a story?")[: 1000 * 48])
            started = await client.until("input_audio_buffer.speech_started")
            await client.send("input_audio_buffer.commit")
            committed = await client.until("input_audio_buffer.committed")
            assert committed["item_id"] == started["item_id"]
            await client.until("conversation.item.done")
            assert client.all("response.created") == []
            length_ms = client.session.conversation.find(started["item_id"]).parts[0].duration_ms
            assert 900 <= length_ms <= 1300

    run(main())


def test_a_clear_forgets_the_turn_under_way():
    async def main():
        async with Client() as client:
            await client.append(silence(300) + spoken("Can you tell me a story?")[: 1000 * 48])
            started = await client.until("input_audio_buffer.speech_started")
            await client.send("input_audio_buffer.clear")
            await client.until("input_audio_buffer.cleared")
            await client.append(silence(2000))
            stopped = client.all("input_audio_buffer.speech_stopped")
            assert started["item_id"] not in [event["item_id"] for event in stopped]

    run(main())


def test_turn_detection_can_be_switched_off_and_on_in_the_middle():
    async def main():
        async with Client(recognizer=ScriptedRecognizer("thank you")) as client:
            await client.append(silence(1000))
            await client.update(audio={"input": {"turn_detection": None}})
            await client.append(spoken("Thank you.") + silence(1000))
            assert client.all("input_audio_buffer.speech_started") == []
            await client.update(audio={"input": {"turn_detection": {"type": "server_vad"}}})
            before_ms = client.session._input._buffer.total_ms
            await client.append(silence(500) + spoken("Thank you.") + silence(1000))
            started = await client.until("input_audio_buffer.speech_started")
            assert started["audio_start_ms"] >= before_ms
            await client.until("response.done")

    run(main())


def test_speech_stops_the_idle_timer():
    async def main():
        async with Client(recognizer=ScriptedRecognizer("thank you")) as client:
            turn_detection = {"type": "server_vad", "idle_timeout_ms": 5000}
            await client.update(audio={"input": {"turn_detection": turn_detection}})
            await client.say("hello")
            await client.send("response.create")
            await client.until("response.done")
            await client.append(silence(300) + spoken("Can you tell me a story?")[: 1000 * 48])
            await client.until("input_audio_buffer.speech_started")
            await asyncio.sleep(60)
            assert client.all("input_audio_buffer.timeout_triggered") == []

    run(main())


def test_the_next_response_restarts_the_idle_timer():
    async def main():
        async with Client() as client:
            turn_detection = {"type": "server_vad", "idle_timeout_ms": 5000}
            await client.update(audio={"input": {"turn_detection": turn_detection}}, output_modalities=["text"])
            for _ in range(2):
                await client.say("hello")
                await client.send("response.create")
                await client.until("response.done")
                await asyncio.sleep(4)
            await client.until("input_audio_buffer.timeout_triggered")
            assert len(client.all("input_audio_buffer.timeout_triggered")) == 1
            assert client.all("response.created")[-1]["response"]["status"] == "in_progress"

    run(main())


# The end of turns by words and sound.


STORY = "Can you tell me a story?"


async def said(client, eagerness="high", *, quiet_ms=300):
    """Say a sentence to a session with semantic_vad, and be quiet, which the server hears as long as that."""
    await client.update(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": eagerness}}})
    sentence = spoken(STORY)
    audible = np.flatnonzero(abs(np.frombuffer(sentence, "<i2").astype(int)) > 200)[-1]
    await client.append(silence(300) + sentence[: 2 * audible] + silence(quiet_ms), step_ms=20, pause_s=0.02)


def test_a_turn_ends_soon_where_the_words_and_the_sound_of_it_agree():
    async def main():
        model = ScriptedTurnModel(0.9)
        async with Client(recognizer=ScriptedRecognizer(STORY), turn_model=model) as client:
            assert model.prepared == 0
            await said(client, quiet_ms=400)
            await client.until("input_audio_buffer.speech_stopped")
            await client.until("response.done")
            assert model.prepared == len(model.questions) == 1

    run(main())


@pytest.mark.parametrize(("text", "probability", "asked"), [(STORY, 0.1, 1), ("Can you tell me,", 0.9, 0)])
def test_a_turn_waits_where_one_of_them_objects(text, probability, asked):
    async def main():
        model = ScriptedTurnModel(probability)
        async with Client(recognizer=ScriptedRecognizer(text), turn_model=model) as client:
            await said(client, quiet_ms=600)
            assert client.all("input_audio_buffer.speech_stopped") == []
            assert len(model.questions) == asked
            await client.append(silence(400))
            await client.until("input_audio_buffer.speech_stopped")

    run(main())


@pytest.mark.parametrize("late", ["words", "sound"])
def test_the_last_answer_ends_the_turn_without_another_chunk(late):
    async def main():
        model, recognizer = ScriptedTurnModel(0.9), ScriptedRecognizer(STORY)
        slow = recognizer if late == "words" else model
        slow.gate = asyncio.Event()
        async with Client(recognizer=recognizer, turn_model=model) as client:
            await said(client, quiet_ms=400)
            assert client.all("input_audio_buffer.speech_stopped") == []
            slow.gate.set()
            await client.until("input_audio_buffer.speech_stopped")
            await client.until("response.done")
            assert len(recognizer.utterances) == len(model.questions) == 1

    run(main())


def test_an_answer_that_comes_after_the_person_went_on_means_nothing():
    async def main():
        model = ScriptedTurnModel(0.9)
        model.gate = asyncio.Event()
        async with Client(recognizer=ScriptedRecognizer(STORY), turn_model=model) as client:
            await said(client, quiet_ms=400)
            assert len(model.questions) == 1
            await client.append(spoken("And then another one.")[: 800 * 48], step_ms=20, pause_s=0.02)
            model.gate.set()
            await asyncio.sleep(1)
            assert client.all("input_audio_buffer.speech_stopped") == []

    run(main())


@pytest.mark.parametrize("broken", ["fails", "is not there", "says nothing"])
def test_without_a_network_the_words_decide(broken):
    async def main():
        model = ScriptedTurnModel(None)
        model.error = RuntimeError("no") if broken == "fails" else None
        turn_model = None if broken == "is not there" else model
        async with Client(recognizer=ScriptedRecognizer(STORY), turn_model=turn_model) as client:
            await said(client, quiet_ms=400)
            await client.until("response.done")

    run(main())


def test_server_vad_asks_about_no_sound():
    async def main():
        model = ScriptedTurnModel(0.9)
        async with Client(recognizer=ScriptedRecognizer(STORY), turn_model=model) as client:
            await client.append(silence(300) + spoken(STORY) + silence(1000), step_ms=20, pause_s=0.02)
            await client.until("response.done")
            assert (model.prepared, model.questions) == (0, [])

    run(main())
