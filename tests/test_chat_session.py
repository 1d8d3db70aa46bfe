"""Chat Completions with audio, against the local voice's own endpoint through the official SDK."""

import json

import pytest
from local_http import served

import realtime_nb as rt
from realtime_nb.errors import ConnectionLost, ServerError, SettingsError
from realtime_nb.sessions.chat import ChatSession

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
        session.close().result(10)


def test_speech_is_answered_with_speech_as_it_is_made(chat, question):
    session = chat()
    reply = session.ask(question).result(30)
    assert reply.status == "completed" and reply.transcript.startswith("I can do sums")
    assert reply.audio.duration_s > 3 and reply.audio.peak > 0.05
    assert reply.usage.audio_in > 10 and reply.usage.audio_out > 50 and reply.cost.total_usd == 0
    assert 0 < reply.timing.first_audio_ms <= reply.timing.done_ms
    assert reply.asked.audio.duration_s == pytest.approx(question.duration_s, abs=0.01)
    assert sum(kind == "response.output_audio.delta" for kind in session.log.types("received")) > 1


@pytest.mark.parametrize("format", ["wav", "mp3", "flac", "opus", "pcm16"])
def test_an_answer_in_one_piece_comes_in_every_format(chat, format):
    session = chat(stream=False, format=format)
    reply = session.ask("What is two plus three?").result(30)
    assert reply.transcript == "2 plus 3 is 5."
    assert 1 < reply.audio.duration_s < 3 and reply.audio.peak > 0.05
    assert session.last_file


def test_words_and_speech_make_one_message(chat, question):
    session = chat(output_modalities=["text"])
    reply = session.ask("Listen:", question).result(30)
    assert reply.audio is None and reply.transcript
    [asked, _] = session.conversation
    assert asked.text == "Listen:" and asked.audio is not None


def test_earlier_answers_are_named_by_their_audio_until_it_expires(chat):
    session = chat()
    session.ask("Hello!").result(30)
    [_, answer] = session._messages
    assert set(answer()) == {"role", "audio"}
    assert session.ask("What can you do?").result(30).status == "completed"


def test_an_expired_answer_is_told_in_words():
    with served(audio_lifetime_s=5) as brief:  # less than the margin: it counts as expired at once
        session = ChatSession(backend=brief.url, api_key=brief.api_key, model="local-rules")
        first = session.ask("Hello!").result(30)
        assert session._messages[1]() == {"role": "assistant", "content": first.transcript}
        assert session.ask("What can you do?").result(30).status == "completed"
        session.close().result(10)


def test_an_answer_that_the_server_has_forgotten_is_told_in_words(chat):
    session = chat()
    session.ask("Hello!").result(30)
    session._messages[1] = lambda: (
        {"role": "assistant", "audio": {"id": "audio_nobody_knows"}}
        if session._by_id
        else {"role": "assistant", "content": "Hello!"}
    )
    assert session.ask("What can you do?").result(30).status == "completed"
    assert session._by_id


def test_functions_are_called_and_answered(chat):
    session = chat(tools=[WEATHER], output_modalities=["text"])
    reply = session.ask("What is the weather in Paris?").result(30)
    [call] = reply.function_calls
    assert call.name == "get_weather" and json.loads(call.arguments)["city"].lower() == "paris"
    session.send_function_output(call.call_id, json.dumps({"sky": "cloudy"})).result(10)
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


def test_a_client_of_the_callers_is_used_and_left_open(server):
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=server.url, api_key=server.api_key)
    session = ChatSession(client=client, model="local-rules")
    assert session.ask("Hello!").result(30).status == "completed"
    session.close().result(10)
    assert not client.is_closed()
    rt.loop.submit(client.close()).result(10)


def test_what_cannot_be_streamed_is_refused_where_the_caller_stands():
    with pytest.raises(SettingsError, match="'mp3' cannot be streamed"):
        ChatSession(backend="local", format="mp3")
    with pytest.raises(SettingsError, match="'ogg' is not one of"):
        ChatSession(backend="local", stream=False, format="ogg")
    with pytest.raises(SettingsError, match="output_modalities"):
        ChatSession(backend="local", output_modalities=["text", "audio"])


def test_a_model_with_a_last_day_is_announced():
    with pytest.warns(FutureWarning, match="gpt-audio-1.5"):
        ChatSession(backend="local", model="gpt-audio")
