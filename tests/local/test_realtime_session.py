"""A session's orderings, event by event, as recorded traffic of the GA API has them."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
from local_session import Client, ScriptedRecognizer, run, silence, spoken

AUDIO_EVENTS = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
TEXT_EVENTS = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
CALL_EVENTS = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
ITEM = ["conversation.item.added", "conversation.item.done"]
SERVER_TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    *ITEM,
]
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TEXT = ["text"]


def test_a_session_begins_with_all_its_settings():
    async def main():
        async with Client() as client:
            session = client.events[0]["session"]
            assert client.event_types() == ["session.created"]
            assert session["audio"]["input"]["turn_detection"] == {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 500,
                "idle_timeout_ms": None,
                "create_response": True,
                "interrupt_response": True,
            }
            assert "no language model" in session["notice"]
            assert session["object"] == "realtime.session"
            updated = await client.update(instructions="Be brief.")
            assert updated["session"]["instructions"] == "Be brief."

    run(main())


def test_a_text_turn():
    async def main():
        async with Client() as client:
            await client.update(output_modalities=TEXT)
            start = len(client.events)
            await client.say("hello")
            await client.send("response.create")
            done = (await client.until("response.done"))["response"]
            await client.until("rate_limits.updated")
            assert client.event_types(start) == [*ITEM, *TEXT_EVENTS]
            assert done["status"] == "completed"
            assert done["output"][0]["content"][0]["text"].startswith("Hello!")
            assert all(len(delta["obfuscation"]) for delta in client.all("response.output_text.delta"))
            created = client.all("response.created")[0]["response"]
            assert (created["status"], created["output"], created["usage"]) == ("in_progress", [], None)

    run(main())


def test_a_turn_made_by_hand():
    async def main():
        async with Client(recognizer=ScriptedRecognizer("good morning")) as client:
            transcription = {"model": "gpt-transcribe"}
            await client.update(audio={"input": {"turn_detection": None, "transcription": transcription}})
            start = len(client.events)
            await client.append(silence(1000))
            await client.send("input_audio_buffer.commit")
            await client.until("conversation.item.input_audio_transcription.completed")
            transcribed = [f"conversation.item.input_audio_transcription.{end}" for end in ("delta", "completed")]
            assert client.event_types(start) == ["input_audio_buffer.committed", *ITEM, *transcribed]
            start = len(client.events)
            await client.send("response.create")
            await client.until("rate_limits.updated")
            assert client.event_types(start) == AUDIO_EVENTS
            added = client.all("conversation.item.added")[0]["item"]
            assert added["content"] == [{"type": "input_audio", "transcript": None}]
            assert added["status"] == "completed"

    run(main())


def test_a_turn_made_by_the_server():
    async def main():
        async with Client(recognizer=ScriptedRecognizer("what can you do")) as client:
            await client.append(silence(400) + spoken("What can you do?") + silence(1000))
            done = await client.until("response.done")
            await client.until("rate_limits.updated")
            assert client.event_types() == ["session.created", *SERVER_TURN, *AUDIO_EVENTS]
            started, stopped = (client.all(f"input_audio_buffer.speech_{end}")[0] for end in ("started", "stopped"))
            user, assistant = client.all("conversation.item.added")
            assert started["item_id"] == stopped["item_id"] == user["item"]["id"]
            assert assistant["previous_item_id"] == user["item"]["id"]
            assert 0 <= started["audio_start_ms"] < stopped["audio_end_ms"] <= 3500
            assert done["response"]["usage"]["input_token_details"]["audio_tokens"] > 10

    run(main())


def test_turn_times_go_on_counting_over_turns():
    async def main():
        async with Client(recognizer=ScriptedRecognizer("thanks")) as client:
            turn = silence(400) + spoken("Thank you.") + silence(1000)
            for _ in range(2):
                await client.append(turn)
                await client.until("response.done")
            first, second = client.all("input_audio_buffer.speech_started")
            assert second["audio_start_ms"] - first["audio_start_ms"] == pytest.approx(len(turn) / 48, abs=100)
            assert first["item_id"] != second["item_id"]

    run(main())


def test_a_tool_turn_and_its_answer():
    async def main():
        async with Client() as client:
            await client.update(tools=[WEATHER], output_modalities=TEXT)
            await client.say("What is the weather in Paris?")
            start = len(client.events)
            await client.send("response.create")
            done = (await client.until("response.done"))["response"]
            await client.until("rate_limits.updated")
            assert client.event_types(start) == CALL_EVENTS
            call = done["output"][0]
            assert (call["type"], call["name"], json.loads(call["arguments"])) == (
                "function_call",
                "get_weather",
                {"city": "Paris"},
            )
            assert (
                "".join(delta["delta"] for delta in client.all("response.function_call_arguments.delta"))
                == (call["arguments"])
            )
            start = len(client.events)
            item = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"sky": "cloudy"}'}
            await client.send("conversation.item.create", item=item)
            await client.send("response.create")
            done = (await client.until("response.done"))["response"]
            await client.until("rate_limits.updated")
            assert client.event_types(start) == [*ITEM, *TEXT_EVENTS]
            assert done["output"][0]["content"][0]["text"] == "The sky is cloudy."

    run(main())


def test_barge_in_closes_the_response_and_the_next_turn_goes_on():
    async def main():
        async with Client(recognizer=ScriptedRecognizer("tell me a story", "thank you")) as client:
            await client.append(silence(400) + spoken("Tell me a story.") + silence(800))
            await client.until("response.output_audio.delta")
            start = len(client.events)
            await client.append(silence(300) + spoken("Thank you.") + silence(800))
            cancelled = (await client.until("response.done"))["response"]
            await client.until("response.done")
            await client.until("rate_limits.updated")
            events = client.event_types(start)
            at = events.index("input_audio_buffer.speech_started")
            assert events[at:] == [SERVER_TURN[0], *AUDIO_EVENTS[6:], *SERVER_TURN[1:], *AUDIO_EVENTS]
            assert cancelled["status"] == "cancelled"
            assert cancelled["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
            assert cancelled["output"][0]["status"] == "incomplete"
            assert cancelled["usage"]["output_token_details"]["audio_tokens"] > 0

    run(main())


def test_without_interruption_an_answer_goes_on():
    async def main():
        async with Client(recognizer=ScriptedRecognizer("tell me a story", "thank you")) as client:
            turn_detection = {"type": "server_vad", "interrupt_response": False}
            await client.update(audio={"input": {"turn_detection": turn_detection}})
            await client.append(silence(400) + spoken("Tell me a story.") + silence(800))
            await client.until("response.output_audio.delta")
            await client.append(silence(300) + spoken("Thank you.") + silence(800))
            assert (await client.error())["code"] == "conversation_already_has_active_response"
            assert (await client.until("response.done"))["response"]["status"] == "completed"

    run(main())


def test_turns_without_responses():
    async def main():
        async with Client() as client:
            turn_detection = {"type": "server_vad", "create_response": False, "interrupt_response": False}
            await client.update(audio={"input": {"turn_detection": turn_detection}})
            start = len(client.events)
            await client.append(silence(400) + spoken("Thank you.") + silence(1000))
            await client.until("conversation.item.done")
            assert client.event_types(start) == SERVER_TURN

    run(main())


def test_semantic_turn_detection_waits_for_the_rest_of_a_sentence():
    async def main():
        recognizer = ScriptedRecognizer("i would like to")
        async with Client(recognizer=recognizer) as client:
            turn_detection = {"type": "semantic_vad", "eagerness": "high"}
            await client.update(audio={"input": {"turn_detection": turn_detection}})
            start = len(client.events)
            unfinished = silence(400) + spoken("I would like to") + silence(1000)
            await client.append(unfinished, pause_s=0.1)
            assert "input_audio_buffer.speech_stopped" not in client.event_types(start)
            recognizer.texts = ["i would like to thank you"]
            await client.append(spoken("Thank you.") + silence(1000), pause_s=0.1)
            await client.until("response.created")
            assert client.event_types(start)[:2] == SERVER_TURN[:2]

    run(main())


def test_a_client_cancels():
    async def main():
        async with Client() as client:
            await client.say("tell me a story")
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            start = len(client.events)
            await client.send("response.cancel")
            done = (await client.until("response.done"))["response"]
            await client.until("rate_limits.updated")
            assert client.event_types(start)[-7:] == AUDIO_EVENTS[-7:]
            assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
            sent = len(client.all("response.output_audio.delta"))
            await asyncio.sleep(60)
            assert len(client.all("response.output_audio.delta")) == sent

    run(main())


def test_a_response_can_be_cancelled_before_it_has_said_anything():
    async def main():
        recognizer = ScriptedRecognizer()
        async with Client(recognizer=recognizer) as client:
            recognizer.gate = asyncio.Event()
            await client.update(audio={"input": {"turn_detection": None}})
            await client.append(silence(500))
            await client.send("input_audio_buffer.commit")
            await client.send("response.create")
            created = (await client.until("response.created"))["response"]
            await client.send("response.cancel", response_id=created["id"])
            done = (await client.until("response.done"))["response"]
            assert (done["status"], done["output"]) == ("cancelled", [])

    run(main())


def test_truncation_cuts_sound_and_words():
    async def main():
        async with Client() as client:
            await client.say("say one two three four five six seven eight")
            await client.send("response.create")
            item = (await client.until("response.done"))["response"]["output"][0]
            await client.send("conversation.item.truncate", item_id=item["id"], content_index=0, audio_end_ms=700)
            truncated = await client.until("conversation.item.truncated")
            assert (truncated["content_index"], truncated["audio_end_ms"]) == (0, 700)
            await client.send("conversation.item.retrieve", item_id=item["id"])
            content = (await client.until("conversation.item.retrieved"))["item"]["content"][0]
            assert content["transcript"] == "One two three"
            assert len(base64.b64decode(content["audio"])) == 700 * 48

    run(main())


def test_items_are_put_where_they_are_told_to():
    async def main():
        async with Client() as client:
            for item_id, previous in (("b", None), ("a", "root"), ("c", "b")):
                content = [{"type": "input_text", "text": item_id}]
                item = {"id": item_id, "type": "message", "role": "user", "content": content}
                place = {} if previous is None else {"previous_item_id": previous}
                await client.send("conversation.item.create", item=item, **place)
                await client.until("conversation.item.done")
            assert [entry.id for entry in client.session.conversation] == ["a", "b", "c"]
            assert [event["previous_item_id"] for event in client.all("conversation.item.added")] == [None, None, "b"]
            await client.send("conversation.item.delete", item_id="b")
            assert (await client.until("conversation.item.deleted"))["item_id"] == "b"
            assert [entry.id for entry in client.session.conversation] == ["a", "c"]

    run(main())


def test_a_person_s_audio_is_given_back():
    async def main():
        async with Client() as client:
            await client.update(audio={"input": {"turn_detection": None}})
            await client.append(silence(400))
            await client.send("input_audio_buffer.commit")
            item_id = (await client.until("input_audio_buffer.committed"))["item_id"]
            await client.send("conversation.item.retrieve", item_id=item_id)
            content = (await client.until("conversation.item.retrieved"))["item"]["content"][0]
            assert base64.b64decode(content["audio"]) == silence(400)

    run(main())


def test_clear_forgets_the_buffer():
    async def main():
        async with Client() as client:
            await client.update(audio={"input": {"turn_detection": None}})
            await client.append(silence(400))
            await client.send("input_audio_buffer.clear")
            await client.until("input_audio_buffer.cleared")
            await client.send("input_audio_buffer.commit", event_id="mine")
            error = await client.error()
            assert error["code"] == "input_audio_buffer_commit_empty"
            assert "only has 0.00ms" in error["message"]
            assert error["event_id"] == "mine"

    run(main())


def test_an_out_of_band_response_leaves_the_conversation_alone():
    async def main():
        async with Client() as client:
            await client.say("tell me a story")
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            text = "Read me. Word for word."
            await client.send(
                "response.create",
                response={
                    "conversation": "none",
                    "metadata": {"topic": "reading"},
                    "output_modalities": ["text"],
                    "instructions": "Read the text word for word.",
                    "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}],
                },
            )
            done = (await client.until("response.done"))["response"]
            assert done["metadata"] == {"topic": "reading"}
            assert done["conversation_id"] is None
            assert done["output"][0]["content"][0]["text"] == text
            assert len(client.all("conversation.item.added")) == 2
            story = (await client.until("response.done"))["response"]
            assert (story["status"], story["metadata"]) == ("completed", None)
            assert len(list(client.session.conversation)) == 2

    run(main())


def test_a_response_can_refer_to_items():
    async def main():
        async with Client() as client:
            await client.update(output_modalities=TEXT)
            for text in ("count to three", "spell cat"):
                await client.say(text)
            item_id = client.all("conversation.item.done")[0]["item"]["id"]
            await client.send("response.create", response={"input": [{"type": "item_reference", "id": item_id}]})
            done = (await client.until("response.done"))["response"]
            assert done["output"][0]["content"][0]["text"] == "One, two, three."

    run(main())


def test_an_answer_that_is_too_long_is_incomplete():
    async def main():
        async with Client() as client:
            await client.say("tell me a story")
            await client.send("response.create", response={"max_output_tokens": 50})
            done = (await client.until("response.done"))["response"]
            assert done["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}

    run(main())


def test_audio_comes_a_second_ahead_and_then_three_times_as_fast_as_it_is_spoken():
    async def main():
        async with Client() as client:
            await client.say("tell me a story")
            await client.send("response.create")
            await client.until("response.done")
            sent_ms, first_s = 0.0, None
            for event, at_s in zip(client.events, client.times, strict=True):
                if event["type"] == "response.output_audio.delta":
                    first_s = at_s if first_s is None else first_s
                    assert sent_ms <= 1000 + 3000 * (at_s - first_s) + 1e-6
                    sent_ms += len(base64.b64decode(event["delta"])) / 48
            assert client.times[-1] - first_s == pytest.approx((sent_ms - 1000) / 3000, abs=0.2)

    run(main())


def test_words_run_ahead_of_the_sound():
    async def main():
        async with Client() as client:
            await client.say("tell me a story")
            await client.send("response.create")
            await client.until("response.done")
            words = spoken_ms = 0
            for event in client.events:
                if event["type"] == "response.output_audio_transcript.delta":
                    words += len(event["delta"].split())
                elif event["type"] == "response.output_audio.delta":
                    spoken_ms += len(base64.b64decode(event["delta"])) / 48
                    assert words * 300 >= spoken_ms

    run(main())


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_telephone_audio_both_ways(kind):
    async def main():
        recognizer = ScriptedRecognizer("say one two three")
        async with Client(recognizer=recognizer) as client:
            form = {"type": kind}
            await client.update(audio={"input": {"format": form, "turn_detection": None}, "output": {"format": form}})
            await client.send("input_audio_buffer.append", audio=base64.b64encode(b"\xd5" * 8000).decode())
            await client.send("input_audio_buffer.commit")
            await client.send("response.create")
            response = (await client.until("response.done"))["response"]
            assert response["audio"]["output"]["format"] == form
            assert len(recognizer.utterances[0]) == pytest.approx(32_000, abs=400)
            deltas = client.all("response.output_audio.delta")
            assert sum(len(base64.b64decode(delta["delta"])) for delta in deltas) == 3 * 300 * 8

    run(main())


def test_silence_is_answered_after_the_idle_timeout():
    async def main():
        async with Client(recognizer=ScriptedRecognizer("thank you")) as client:
            turn_detection = {"type": "server_vad", "idle_timeout_ms": 6000}
            await client.update(audio={"input": {"turn_detection": turn_detection}})
            await client.append(silence(400) + spoken("Thank you.") + silence(1000))
            await client.until("response.output_audio.delta")
            spoken_from_s = client.times[-1]
            done = (await client.until("response.done"))["response"]
            start = len(client.events)
            await client.until("input_audio_buffer.timeout_triggered")
            length_s = done["usage"]["output_token_details"]["audio_tokens"] * 0.05
            assert client.times[-1] - spoken_from_s == pytest.approx(length_s + 6.0, abs=0.2)
            done = (await client.until("response.done"))["response"]
            await client.until("rate_limits.updated")
            events = client.event_types(start)
            at = events.index("input_audio_buffer.timeout_triggered")
            expected = ["input_audio_buffer.timeout_triggered", "input_audio_buffer.committed", *ITEM, *AUDIO_EVENTS]
            assert events[at:] == expected
            assert done["output"][0]["content"][0]["transcript"] == "Are you still there?"

    run(main())


def test_a_transcription_session_writes_down_and_does_not_answer():
    async def main():
        async with Client(transcription=True, recognizer=ScriptedRecognizer("thank you")) as client:
            assert client.events[0]["session"]["type"] == "transcription"
            assert "output" not in client.events[0]["session"]["audio"]
            audio = {"input": {"transcription": {"model": "whisper-1"}}}
            await client.send("session.update", session={"type": "transcription", "audio": audio})
            await client.until("session.updated")
            start = len(client.events)
            await client.append(silence(400) + spoken("Thank you.") + silence(1000))
            completed = await client.until("conversation.item.input_audio_transcription.completed")
            assert client.event_types(start)[:5] == SERVER_TURN
            assert completed["transcript"] == "thank you"
            assert completed["usage"]["type"] == "duration"
            await client.send("response.create")
            assert (await client.error())["code"] == "invalid_parameter"

    run(main())


def test_instructions_and_tools_tell_the_ears_what_to_expect():
    async def main():
        async with Client() as client:
            await client.update(
                instructions="Talk about whales.",
                tools=[WEATHER],
                audio={"input": {"transcription": {"model": "whisper-1", "prompt": "narwhal"}}},
            )
            await asyncio.sleep(0)
            expected = client.recognizer.expected[-1]
            assert expected["instructions"] == "Talk about whales."
            assert expected["tools"][0]["name"] == "get_weather"
            assert "narwhal" in expected["sentences"]

    run(main())


def test_a_recogniser_that_fails_is_reported_and_the_turn_goes_on():
    async def main():
        recognizer = ScriptedRecognizer()
        recognizer.error = RuntimeError("the decoder broke")
        async with Client(recognizer=recognizer) as client:
            audio = {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}
            await client.update(audio=audio)
            await client.append(silence(400))
            await client.send("input_audio_buffer.commit")
            failed = await client.until("conversation.item.input_audio_transcription.failed")
            assert failed["error"]["type"] == "transcription_error"
            await client.send("response.create")
            assert (await client.until("response.done"))["response"]["status"] == "completed"

    run(main())


def _truncate(**fields):
    return "conversation.item.truncate", {"item_id": "nobody", "content_index": 0, "audio_end_ms": 0, **fields}


def _create(**item):
    return "conversation.item.create", {"item": item}


USER = {"type": "message", "role": "user"}
REFUSED = [
    (("session.update", {"session": {}}), "missing_required_parameter", "session.type"),
    (("session.update", {"session": {"type": "realtime", "voice": "echo"}}), "unknown_parameter", "session.voice"),
    (
        ("session.update", {"session": {"type": "realtime", "temperature": 1}}),
        "unknown_parameter",
        "session.temperature",
    ),
    (("session.update", {"session": {"type": "transcription"}}), "invalid_parameter", "session.type"),
    (("session.update", {"session": {"type": "other"}}), "invalid_value", "session.type"),
    (("session.update", {"session": {"type": "realtime", "model": "other"}}), "invalid_value", "session.model"),
    (("session.update", {}), "missing_required_parameter", "session"),
    (("input_audio_buffer.commit", {}), "input_audio_buffer_commit_empty", None),
    (("input_audio_buffer.commit", {"now": True}), "unknown_parameter", "now"),
    (("input_audio_buffer.append", {}), "missing_required_parameter", "audio"),
    (("input_audio_buffer.append", {"audio": "no base64"}), "invalid_value", "audio"),
    (("input_audio_buffer.append", {"audio": 7}), "invalid_value", "audio"),
    (("response.cancel", {}), "response_cancel_not_active", None),
    (("response.cancel", {"response_id": "resp_0"}), "response_cancel_not_active", None),
    (("response.create", {"response": {"modalities": ["text"]}}), "unknown_parameter", "response.modalities"),
    (("response.create", {"response": {"conversation": "x"}}), "invalid_value", "response.conversation"),
    (
        ("response.create", {"response": {"input": [{"type": "item_reference", "id": "x"}]}}),
        "invalid_value",
        "response.input[0].id",
    ),
    (("conversation.item.delete", {"item_id": "x"}), "item_delete_invalid_item_id", "item_id"),
    (("conversation.item.retrieve", {"item_id": "x"}), "item_retrieve_invalid_item_id", "item_id"),
    (_truncate(), "item_truncate_invalid_item_id", "item_id"),
    (_truncate(item_id="user"), None, "item_id"),
    (_truncate(item_id="answer", audio_end_ms=901), "invalid_value", "audio_end_ms"),
    (_truncate(item_id="answer", audio_end_ms=-1), "invalid_value", "audio_end_ms"),
    (_truncate(item_id="answer", content_index=1), "invalid_value", "content_index"),
    (_create(**USER), "missing_required_parameter", "item.content"),
    (_create(**USER, content=[{"type": "input_text"}]), "missing_required_parameter", "item.content[0].text"),
    (_create(**USER, content=[{"type": "output_text", "text": "x"}]), "invalid_value", "item.content[0].type"),
    (_create(**USER, content=[], colour="red"), "unknown_parameter", "item.colour"),
    (
        _create(type="message", role="assistant", content=[{"type": "output_audio", "transcript": "x"}]),
        "missing_required_parameter",
        "item.content[0].text",
    ),
    (_create(type="mcp_call"), "invalid_value", "item.type"),
    (_create(type="function_call_output", call_id="call_0", output=""), "invalid_tool_call_id", "item.call_id"),
    (_create(type="function_call", name="f", arguments="{}", call_id="c" * 33), "invalid_value", "item.call_id"),
    (_create(**USER, id="user", content=[]), "invalid_value", "item.id"),
    (_create(**USER, id="no spaces", content=[]), "invalid_value", "item.id"),
    (("response.fly", {}), "invalid_value", "type"),
]


@pytest.mark.parametrize(("sent", "code", "param"), REFUSED)
def test_what_is_refused_is_refused_in_the_api_s_words_and_changes_nothing(sent, code, param):
    async def main():
        async with Client() as client:
            kind, fields = sent
            await client.update(audio={"input": {"turn_detection": None}})
            item = {
                "id": "user",
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "say a b c"}],
            }
            await client.send("conversation.item.create", item=item)
            await client.send("response.create")
            await client.until("response.done")
            answer = list(client.session.conversation)[-1]
            answer.id = "answer"
            before = [entry.item(with_audio=True) for entry in client.session.conversation]
            settings = json.dumps(client.session.settings.data)
            await client.send(kind, **fields, event_id="mine")
            error = await client.error()
            assert (error["code"], error["param"], error["event_id"]) == (code, param, "mine")
            assert error["type"] == "invalid_request_error"
            assert [entry.item(with_audio=True) for entry in client.session.conversation] == before
            assert json.dumps(client.session.settings.data) == settings
            await client.update(instructions="The session goes on.")

    run(main())


@pytest.mark.parametrize(
    ("message", "code"),
    [("", "invalid_json"), ("[]", "invalid_json"), ("{", "invalid_json"), ('{"event_id": "mine"}', "invalid_event")],
)
def test_an_invalid_event_says_so(message, code):
    async def main():
        async with Client() as client:
            await client.session.receive(message)
            assert (await client.error())["code"] == code

    run(main())


def test_the_api_s_sentences():
    async def main():
        async with Client() as client:
            await client.say("count to five")
            await client.send("response.create")
            active = (await client.until("response.created"))["response"]["id"]
            await client.send("response.create")
            assert (await client.error())["message"] == (
                f"Conversation already has an active response in progress: {active}. "
                "Wait until the response is finished before creating a new one."
            )
            item = (await client.until("response.done"))["response"]["output"][0]
            await client.send("response.cancel")
            assert (await client.error())["message"] == "Cancellation failed: no active response found"
            await client.send("conversation.item.truncate", item_id=item["id"], content_index=0, audio_end_ms=1560)
            assert (await client.error())["message"] == "Audio content of 1500ms is already shorter than 1560ms"
            await client.send("session.update", session={"type": "realtime", "audio": {"output": {"voice": "echo"}}})
            error = await client.error()
            assert error["code"] == "cannot_update_voice"
            assert error["message"] == "Cannot update a conversation's voice if assistant audio is present."

    run(main())


def test_an_error_of_the_server_s_own_is_an_event_and_the_session_goes_on(caplog):
    async def main():
        async with Client() as client:
            client.session.conversation.remove = None
            await client.send("conversation.item.delete", item_id="x", event_id="mine")
            error = await client.error()
            assert (error["type"], error["event_id"]) == ("server_error", "mine")
            await client.update(instructions="Go on.")

    run(main())


def test_a_brain_that_breaks_fails_the_response(caplog):
    class Broken:
        name, description, vocabulary = "broken", "Broken.", ()

        async def respond(self, context):
            raise RuntimeError("no idea")
            yield

    async def main():
        async with Client(brain=Broken()) as client:
            await client.say("hello")
            await client.send("response.create")
            done = (await client.until("response.done"))["response"]
            assert done["status"] == "failed"
            assert done["status_details"]["error"]["type"] == "server_error"

    run(main())
