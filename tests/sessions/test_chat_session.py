"""Chat Completions with audio, against the local voice's own endpoint through the official SDK."""

import json
import sys
import time

import httpx
import pytest
from local_http import served
from openai import AsyncAzureOpenAI, AsyncOpenAI

import realtime_nb as rt
from realtime_nb.errors import ConnectionLost, ServerError, SettingsError
from realtime_nb.media.pyav import is_aac
from realtime_nb.sessions.chat import ChatSession
from realtime_nb.views import mimebundle

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Tell the weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture(scope="module")
def server():
    with served() as running:
        yield running


@pytest.fixture(scope="module")
def question():
    return rt.speak("What can you do?")


@pytest.fixture
def chat(server):
    sessions = []

    def make(url=server.url, api_key=server.api_key, **options):
        sessions.append(ChatSession(backend=url, api_key=api_key, model="local-rules", **options))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close().result(60)


def test_speech_is_answered_with_speech_as_it_is_made(chat, question):
    session = chat()
    reply = session.ask(question).result(30)
    assert reply.status == "completed" and reply.transcript.startswith("I can do sums")
    assert reply.audio.duration_s > 3 and reply.audio.peak > 0.05
    assert reply.usage.audio_in > 10 and reply.usage.audio_out > 50 and reply.cost.total_usd == 0
    assert 0 < reply.timing.first_audio_ms <= reply.timing.done_ms
    assert reply.asked.audio.duration_s == pytest.approx(question.duration_s, abs=0.01)
    assert sum(kind == "response.output_audio.delta" for kind in session.log.types("received")) > 1


@pytest.mark.parametrize("format", ["wav", "mp3", "flac", "opus", "aac", "pcm16"])
def test_an_answer_in_one_piece_comes_in_every_format(chat, format):
    reply = chat(stream=False, format=format).ask("What is two plus three?").result(30)
    assert reply.transcript == "2 plus 3 is 5."
    assert 1 < reply.audio.duration_s < 3 and reply.audio.peak > 0.05
    assert reply.usage.audio_out == pytest.approx(reply.audio.duration_s * 20, abs=3) and reply.usage.text_out > 0
    if format != "pcm16":  # which is no file
        assert rt.AudioClip.from_bytes(reply.audio_file).duration_s == pytest.approx(reply.audio.duration_s, abs=0.01)
    assert reply.remark == ""


def test_a_file_that_cannot_be_decoded_is_kept_with_what_would_help(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)  # in this process alone: the local voice has one of its own
    session = ChatSession(backend="local", stream=False, format="aac")
    reply = session.ask("What is two plus three?").result(30)
    session.close().result(60)
    assert (reply.status, reply.transcript, reply.audio) == ("completed", "2 plus 3 is 5.", None)
    assert is_aac(reply.audio_file)
    assert "pip install 'realtime-nb[aac]'" in reply.remark
    assert "pip install 'realtime-nb[aac]'" in mimebundle(reply)["text/plain"]


def test_words_and_speech_make_one_message(chat, question):
    session = chat(output_modalities=["text"])
    reply = session.ask("Listen:", question).result(30)
    assert reply.audio is None and reply.transcript
    [asked, _] = session.conversation
    assert asked.text == "Listen:" and asked.audio is not None


@pytest.fixture
def recorded(server):
    """Give a client, and the messages of each request that it sends."""
    sent = []

    async def note(request):
        sent.append(json.loads(request.content)["messages"])

    client = AsyncOpenAI(
        base_url=server.url, api_key=server.api_key, http_client=httpx.AsyncClient(event_hooks={"request": [note]})
    )
    yield client, sent
    rt.loop.submit(client.close()).result(60)


def test_earlier_answers_are_named_by_their_audio_until_it_expires(recorded):
    client, sent = recorded
    session = ChatSession(client=client, model="local-rules")
    session.ask("Hello!").result(30)
    assert session.ask("What did you say?").result(30).status == "completed"
    [_, answer, _] = sent[1]
    assert set(answer) == {"role", "audio"}


@pytest.mark.parametrize("lifetime_s", [5, 11])  # less than the margin at once; more of it goes by while it is asked
def test_an_expired_answer_is_told_in_words(recorded, lifetime_s):
    client, sent = recorded
    with served(audio_lifetime_s=lifetime_s) as brief:
        client.base_url, client.api_key = brief.url, brief.api_key
        session = ChatSession(client=client, model="local-rules")
        first = session.ask("Hello!").result(30)
        deadline = time.monotonic() + 20
        while session.ask("What can you do?").result(30) and "audio" in sent[-1][1]:
            assert time.monotonic() < deadline
        assert sent[-1][1] == {"role": "assistant", "content": first.transcript}
        assert {reply.status for reply in session.conversation.replies} == {"completed"}


def test_answers_that_the_server_has_forgotten_are_told_in_words_from_then_on(recorded):
    client, sent = recorded
    session = ChatSession(client=client, model="local-rules")
    first = session.ask("Hello!").result(30)
    with served() as another:  # as after a restart
        client.base_url, client.api_key = another.url, another.api_key
        assert session.ask("What can you do?").result(30).status == "completed"
        assert session.ask("Hello!").result(30).status == "completed"
    in_words = {"role": "assistant", "content": first.transcript}
    assert ["audio" in messages[1] for messages in sent[1:]] == [True, False, False]
    assert sent[2][1] == sent[3][1] == in_words and "audio" in sent[3][3]  # what it said since, it knows


def test_functions_are_called_and_answered(chat):
    session = chat(tools=[WEATHER], output_modalities=["text"])
    reply = session.ask("What is the weather in Paris?").result(30)
    [call] = reply.function_calls
    assert call.name == "get_weather" and json.loads(call.arguments)["city"].lower() == "paris"
    session.send_function_output(call.call_id, json.dumps({"sky": "cloudy"})).result(60)
    assert "cloudy" in session.respond().result(30).transcript


def test_errors_keep_the_apis_code_and_message(chat, server):
    session = chat(api_key="wrong")
    with pytest.raises(ServerError, match="Incorrect API key") as caught:
        session.ask("Hello!").result(30)
    assert caught.value.code == "invalid_api_key" and "wrong" not in str(caught.value)
    assert [reply.status for reply in session.conversation.replies] == ["failed"]


def test_a_server_that_is_not_there_is_a_lost_connection(chat):
    session = chat(url="http://127.0.0.1:9/v1")
    with pytest.raises(ConnectionLost, match="cannot be reached"):
        session.ask("Hello!").result(60)


@pytest.mark.parametrize("kind", [AsyncOpenAI, AsyncAzureOpenAI])
def test_a_client_of_the_callers_is_used_and_left_open(server, question, kind):
    options = {"base_url": server.url}
    if kind is AsyncAzureOpenAI:
        options = {"azure_endpoint": server.url.removesuffix("/v1"), "api_version": "2025-01-01-preview"}
    client = kind(api_key=server.api_key, **options)
    session = ChatSession(client=client, model="local-rules")
    assert session.ask(question).result(30).audio.duration_s > 3
    session.close().result(60)
    assert not client.is_closed()
    rt.loop.submit(client.close()).result(60)


def test_an_impossible_stream_is_refused_at_the_call():
    with pytest.raises(SettingsError, match="'mp3' cannot be streamed"):
        ChatSession(backend="local", format="mp3")
    with pytest.raises(SettingsError, match="'ogg' is not one of"):
        ChatSession(backend="local", stream=False, format="ogg")
    with pytest.raises(SettingsError, match="output_modalities"):
        ChatSession(backend="local", output_modalities=["text", "audio"])


def test_a_model_with_a_last_day_is_announced():
    with pytest.warns(FutureWarning, match="gpt-audio-1.5"):
        ChatSession(backend="local", model="gpt-audio")
