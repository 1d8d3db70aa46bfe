"""The official SDK speaks through the local server."""

from __future__ import annotations

import base64
import json

import numpy as np
import openai
import pytest
from local_http import served

from realtime_nb.media.clip import AudioClip

SENTENCE = "Good morning. This is the local voice."


@pytest.fixture(scope="module")
def server():
    with served() as server:
        yield server


def speak(server, text=SENTENCE, **options):
    options = {"model": "gpt-4o-mini-tts", "voice": "echo", **options}
    return server.sdk.audio.speech.create(input=text, **options)


@pytest.fixture(scope="module")
def pcm(server):
    return speak(server, response_format="pcm").content


def loudness(pcm):
    return float(np.sqrt(np.mean(np.frombuffer(pcm, "<i2").astype(float) ** 2)))


def test_pcm_is_speech_at_24_khz(pcm):
    assert 2.0 < len(pcm) / 48_000 < 4.0
    assert loudness(pcm) > 500


@pytest.mark.parametrize(
    ("format", "begins", "mime"),
    [
        ("mp3", (b"\xff", b"ID3"), "audio/mpeg"),
        ("opus", (b"OggS",), "audio/opus"),
        ("aac", (b"\xff\xf1",), "audio/aac"),
        ("flac", (b"fLaC",), "audio/flac"),
        ("wav", (b"RIFF",), "audio/wav"),
    ],
)
def test_every_format_holds_the_same_sound(server, pcm, format, begins, mime):
    answer = speak(server, response_format=format)
    assert answer.content.startswith(begins)
    assert answer.response.headers["content-type"] == mime
    clip = AudioClip.from_bytes(answer.content)
    assert clip.duration_s == pytest.approx(len(pcm) / 48_000, abs=0.1)
    assert loudness(clip.to_pcm16(24_000)) == pytest.approx(loudness(pcm), rel=0.1)


def test_mp3_is_what_comes_by_default(server):
    assert speak(server).response.headers["content-type"] == "audio/mpeg"


def test_pcm_comes_in_pieces_as_it_is_made(server, pcm):
    with server.sdk.audio.speech.with_streaming_response.create(
        input=SENTENCE, model="tts-1", voice="echo", response_format="pcm"
    ) as answer:
        assert answer.headers["transfer-encoding"] == "chunked"
        assert b"".join(answer.iter_bytes()) == pcm


@pytest.mark.parametrize("format", ["pcm", "wav", "mp3", "aac"])
def test_events_hold_the_sound_and_its_usage(server, pcm, format):
    # The SDK hands events of speech on as text: it has no type for them.
    body = {"input": SENTENCE, "model": "m", "voice": "echo", "response_format": format, "stream_format": "sse"}
    answer = server.http.post("/audio/speech", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line]
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    sound = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    heard = sound if format == "pcm" else AudioClip.from_bytes(sound).to_pcm16(24_000)
    assert len(heard) == pytest.approx(len(pcm), abs=5_000)
    usage = events[-1]["usage"]
    assert events[-1]["type"] == "speech.audio.done"
    assert usage["input_tokens"] == -(-len(SENTENCE) // 4)
    assert usage["output_tokens"] == -(-len(pcm) // 2_400)
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_speed_changes_the_length(server, pcm):
    slow, fast = (speak(server, response_format="pcm", speed=speed).content for speed in (0.5, 2.0))
    assert len(fast) < 0.7 * len(pcm) < 0.7 * 0.7 * len(slow)


@pytest.mark.parametrize("speed", [0.25, 4.0])
def test_the_api_s_extreme_speeds_are_taken(server, speed):
    assert speak(server, response_format="pcm", speed=speed).content


def test_voices_come_by_name_or_by_id(server, pcm):
    assert speak(server, voice={"id": "echo"}, response_format="pcm").content == pcm
    assert speak(server, voice="coral", response_format="pcm", instructions="Be cheerful.").content != pcm


def test_text_without_words_is_a_file_nevertheless(server):
    for format in ("mp3", "wav", "flac", "opus", "aac"):
        assert AudioClip.from_bytes(speak(server, "…", response_format=format).content).duration_s > 0


def test_4096_characters_are_taken_and_one_more_is_not(server):
    text = ("Yes. " * 1000)[:4096]
    assert len(speak(server, text, response_format="pcm").content) > 1_000_000
    with pytest.raises(openai.BadRequestError) as refused:
        speak(server, text + ".")
    assert (refused.value.code, refused.value.param) == ("string_above_max_length", "input")


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"input": ""}, "input", "string_below_min_length"),
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": 7}, "input", "invalid_type"),
        ({"model": None}, "model", None),
        ({"voice": "nobody"}, "voice", "invalid_value"),
        ({"voice": None}, "voice", "missing_required_parameter"),
        ({"voice": {}}, "voice.id", "missing_required_parameter"),
        ({"speed": 5}, "speed", "invalid_value"),
        ({"speed": "fast"}, "speed", "invalid_type"),
        ({"response_format": "midi"}, "response_format", "invalid_value"),
        ({"stream_format": "ndjson"}, "stream_format", "invalid_value"),
    ],
)
def test_errors_name_the_parameter(server, change, param, code):
    body = {"input": "Hello.", "model": "tts-1", "voice": "echo", **change}
    answer = server.http.post("/audio/speech", json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["param"], error["code"], error["type"]) == (param, code, "invalid_request_error")
