"""The official SDK chats with the local server, in text and in sound."""

from __future__ import annotations

import base64
import json
import time

import openai
import pytest
from local_http import served
from local_session import ScriptedRecognizer, SteadyVoice, spoken
from starlette.testclient import TestClient

from realtime_nb.local.brains.rule_brain import RuleBrain
from realtime_nb.local.faults import FAILED_RESPONSE
from realtime_nb.local.realtime.session import Parts
from realtime_nb.local.server import create_app
from realtime_nb.media.clip import AudioClip

MODEL = "gpt-audio-1.5"
QUESTION = "What is three plus four?"
ANSWER = "3 plus 4 is 7."
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather for a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "examples": ["Paris", "London"]}},
            "required": ["city"],
        },
    },
}


@pytest.fixture(scope="module")
def server():
    with served() as server:
        yield server


def said(text):
    return {"role": "user", "content": text}


def sounded(text, format="wav"):
    data = base64.b64encode(AudioClip.from_pcm16(spoken(text)).encode(format)).decode()
    return {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": data, "format": format}}]}


def chat(server, *messages, **options):
    return server.sdk.chat.completions.create(model=MODEL, messages=list(messages), **options)


def talk(server, *messages, format="wav", **options):
    audio = {"voice": "echo", "format": format}
    return chat(server, *messages, modalities=["text", "audio"], audio=audio, **options)


def test_text_for_text(server):
    answer = chat(server, said(QUESTION))
    assert (answer.object, answer.model) == ("chat.completion", MODEL)
    [choice] = answer.choices
    assert (choice.message.content, choice.message.audio, choice.finish_reason) == (ANSWER, None, "stop")
    usage = answer.usage
    assert (usage.prompt_tokens_details.audio_tokens, usage.completion_tokens_details.audio_tokens) == (0, 0)
    assert usage.prompt_tokens + usage.completion_tokens == usage.total_tokens


@pytest.mark.parametrize("format", ["wav", "mp3"])
def test_text_for_sound(server, format):
    answer = chat(server, sounded(QUESTION, format), modalities=["text"])
    assert answer.choices[0].message.content == ANSWER
    details = answer.usage.prompt_tokens_details
    assert details.audio_tokens == pytest.approx(len(spoken(QUESTION)) / 4_800, abs=2)
    assert details.text_tokens == 0


@pytest.mark.parametrize("format", ["wav", "mp3", "flac", "opus", "aac", "pcm16"])
def test_sound_for_sound_in_every_format(server, format):
    before = int(time.time())
    answer = talk(server, sounded(QUESTION), format=format)
    message = answer.choices[0].message
    assert (message.content, message.audio.transcript) == (None, ANSWER)
    assert message.audio.id.startswith("audio_")
    assert before + 3600 <= message.audio.expires_at <= time.time() + 3600
    data = base64.b64decode(message.audio.data)
    clip = AudioClip.from_pcm16(data) if format == "pcm16" else AudioClip.from_bytes(data)
    assert 1 < clip.duration_s < 4
    tokens = answer.usage.completion_tokens_details.audio_tokens
    assert tokens == pytest.approx(clip.duration_s * 20, abs=3)


def test_the_next_turn_refers_to_what_was_said(server):
    first = talk(server, said("Tell me a joke.")).choices[0].message
    history = [said("Tell me a joke."), {"role": "assistant", "audio": {"id": first.audio.id}}]
    again = talk(server, *history, said("What did you say?"))
    assert first.audio.transcript.rstrip(".?!") in again.choices[0].message.audio.transcript
    spoken_tokens = len(base64.b64decode(first.audio.data)) / 4_800
    assert again.usage.prompt_tokens_details.audio_tokens == pytest.approx(spoken_tokens, abs=2)


def test_what_was_recognised_once_is_known():
    recognizer = ScriptedRecognizer("tell me a joke", "what is three plus four")
    app = create_app(Parts(RuleBrain(), SteadyVoice(), recognizer), api_key="k")
    with TestClient(app, base_url="http://127.0.0.1", headers={"api-key": "k"}) as client:
        for messages in ([sounded("One.")], [sounded("One."), sounded("Two.")], [sounded("Two.")]):
            answer = client.post("/v1/chat/completions", json={"model": MODEL, "messages": messages}).json()
    assert answer["choices"][0]["message"]["content"] == ANSWER
    assert len(recognizer.utterances) == 2


def test_an_unknown_audio_id_is_reported(server):
    with pytest.raises(openai.BadRequestError) as refused:
        talk(server, said("Hi."), {"role": "assistant", "audio": {"id": "audio_none"}}, said("Again."))
    assert (refused.value.code, refused.value.param) == ("audio_not_found", "messages[1].audio.id")
    assert "Send its transcript" in refused.value.message


def test_an_expired_audio_id_is_reported_and_the_transcript_helps():
    with served(audio_lifetime_s=0.0) as server:
        first = talk(server, said("Tell me a joke.")).choices[0].message
        assert first.audio.expires_at <= time.time()
        turn = [
            said("Tell me a joke."),
            {"role": "assistant", "audio": {"id": first.audio.id}},
            said("What did you say?"),
        ]
        with pytest.raises(openai.BadRequestError, match="it may have expired"):
            talk(server, *turn)
        turn[1] = {"role": "assistant", "content": first.audio.transcript}
        assert talk(server, *turn).choices[0].message.audio.transcript


def test_text_streams(server):
    chunks = list(chat(server, said("Count to ten."), stream=True))
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert (deltas[0].role, deltas[0].content) == ("assistant", "")
    text = "".join(delta.content or "" for delta in deltas)
    assert text == chat(server, said("Count to ten.")).choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks[-2:]] == [None, "stop"]
    assert all(chunk.usage is None for chunk in chunks)


def test_sound_streams_with_id_transcript_and_data_apart(server):
    chunks = list(
        talk(server, said("Count to ten."), format="pcm16", stream=True, stream_options={"include_usage": True})
    )
    *chunks, last = chunks
    assert last.choices == []
    audio = [chunk.choices[0].delta.audio for chunk in chunks]
    audio = [each and each.model_dump(exclude_unset=True) for each in audio]
    assert list(audio[0]) == ["id"]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert list(audio[-2]) == ["expires_at"]
    assert audio[-1] is None
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert {tuple(each) for each in audio[1:-2]} == {("transcript",), ("data",)}
    pcm = b"".join(base64.b64decode(each["data"]) for each in audio[:-1] if "data" in each)
    assert last.usage.completion_tokens_details.audio_tokens == -(-len(pcm) // 2_400)
    transcript = "".join(each.get("transcript", "") for each in audio[:-1])
    again = talk(server, said("x"), {"role": "assistant", "audio": {"id": audio[0]["id"]}}, said("What did you say?"))
    assert transcript.split()[0] in again.choices[0].message.audio.transcript


def test_a_stream_ends_as_the_api_s_do(server):
    body = {"model": MODEL, "messages": [said("Hi.")], "stream": True}
    answer = server.http.post("/chat/completions", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")


def test_only_pcm16_streams(server):
    with pytest.raises(openai.BadRequestError) as refused:
        talk(server, said("Hi."), format="wav", stream=True)
    assert "does not support 'wav' when stream=true. Supported values are: 'pcm16'." in refused.value.message


@pytest.mark.parametrize("audio", [False, True])
def test_a_tool_turn(server, audio):
    ask = talk if audio else chat
    question = sounded("What is the weather in Paris?") if audio else said("What is the weather in Paris?")
    answer = ask(server, question, tools=[WEATHER])
    [choice] = answer.choices
    assert (choice.finish_reason, choice.message.content, choice.message.audio) == ("tool_calls", None, None)
    [call] = choice.message.tool_calls
    assert (call.type, call.function.name, json.loads(call.function.arguments)) == (
        "function",
        "get_weather",
        {"city": "Paris"},
    )
    result = {"role": "tool", "tool_call_id": call.id, "content": json.dumps({"temperature": 12})}
    done = ask(server, question, choice.message, result, tools=[WEATHER]).choices[0].message
    assert (done.audio.transcript if audio else done.content) == "The temperature is 12."


def test_a_tool_call_streams(server):
    chunks = list(chat(server, said("What is the weather in Paris?"), tools=[WEATHER], stream=True))
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    assert (calls[0].function.name, calls[0].id[:5], calls[0].function.arguments) == ("get_weather", "call_", "")
    assert json.loads("".join(call.function.arguments for call in calls)) == {"city": "Paris"}
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_tool_choice(server):
    question = said("What is the weather in Paris?")
    assert chat(server, question, tools=[WEATHER], tool_choice="none").choices[0].message.tool_calls is None
    forced = chat(server, said("Hello."), tools=[WEATHER], tool_choice="required")
    assert forced.choices[0].message.tool_calls[0].function.name == "get_weather"


def test_a_system_message_instructs(server):
    answer = chat(server, {"role": "system", "content": 'Say "ahoy".'}, said("Hello."))
    assert answer.choices[0].message.content == "ahoy"


def test_an_answer_is_cut_at_its_limit(server):
    cut = talk(server, said("Tell me a story."), max_completion_tokens=30)
    assert cut.choices[0].finish_reason == "length"
    assert 30 <= cut.usage.completion_tokens < 60


def test_errors_have_the_api_s_shape(server):
    with pytest.raises(openai.BadRequestError) as refused:
        chat(server)
    assert (refused.value.code, refused.value.param) == ("empty_array", "messages")
    assert refused.value.body["type"] == "invalid_request_error"


def test_a_brain_that_fails_is_the_server_s_fault():
    with served(faults=[FAILED_RESPONSE]) as server:
        with pytest.raises(openai.InternalServerError) as failed:
            chat(server, said("Hi."))
        assert failed.value.body["type"] == "server_error"
        received = []
        with pytest.raises(openai.APIError, match="error while processing"):
            for chunk in chat(server, said("Hi."), stream=True):
                received.append(chunk)
        assert received[0].choices[0].delta.role == "assistant"
