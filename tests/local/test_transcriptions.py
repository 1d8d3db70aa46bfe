"""The official SDK transcribes recordings with the local server."""

from __future__ import annotations

import openai
import pytest
from local_http import served
from local_session import silence, spoken

from realtime_nb.local.endpoints.http_body import LARGEST_BODY
from realtime_nb.media.clip import AudioClip

FIRST, SECOND = "what can you do", "tell me a story"
TEXT = f"{FIRST} {SECOND}"


@pytest.fixture(scope="module")
def server():
    with served() as server:
        yield server


@pytest.fixture(scope="module")
def clip():
    pcm = silence(300) + spoken("What can you do?") + silence(1000) + spoken("Tell me a story.") + silence(500)
    return AudioClip.from_pcm16(pcm)


@pytest.fixture(scope="module")
def wav(clip):
    return clip.encode("wav")


def transcribe(server, wav, name="a.wav", **options):
    return server.sdk.audio.transcriptions.create(file=(name, wav), **{"model": "gpt-transcribe", **options})


def test_json_brings_text_and_usage(server, clip, wav):
    answer = transcribe(server, wav)
    assert answer.text == TEXT
    usage = answer.usage
    assert (usage.type, usage.input_tokens) == ("tokens", -(-int(clip.duration_s * 1000) // 100))
    assert usage.input_tokens + usage.output_tokens == usage.total_tokens
    assert usage.input_token_details.audio_tokens == usage.input_tokens
    usage = transcribe(server, wav, model="whisper-1").usage
    assert (usage.type, usage.seconds) == ("duration", int(clip.duration_s) + 1)


def test_text(server, wav):
    assert transcribe(server, wav, response_format="text") == f"{TEXT}\n"


def test_verbose_json_has_segments(server, clip, wav):
    answer = transcribe(server, wav, response_format="verbose_json", model="whisper-1")
    assert (answer.text, answer.language) == (TEXT, "english")
    assert answer.duration == pytest.approx(clip.duration_s, abs=0.001)
    assert [segment.text for segment in answer.segments] == [f" {FIRST}", f" {SECOND}"]
    assert answer.segments[0].end < answer.segments[1].start
    assert answer.words is None
    assert answer.usage.seconds == int(clip.duration_s) + 1


def test_words_are_where_they_are_said(server, clip, wav):
    options = {"response_format": "verbose_json", "model": "whisper-1"}
    answer = transcribe(server, wav, timestamp_granularities=["word"], **options)
    assert [word.word for word in answer.words] == TEXT.split()
    assert answer.segments is None
    starts = [word.start for word in answer.words]
    assert starts == sorted(starts)
    assert 0.2 < starts[0] < 0.6
    end_of_first = 0.3 + len(spoken("What can you do?")) / 48_000
    assert end_of_first - 0.5 < answer.words[3].end <= end_of_first  # the voice goes on for a moment without a sound
    assert starts[4] == pytest.approx(end_of_first + 1.0, abs=0.25)
    both = transcribe(server, wav, timestamp_granularities=["word", "segment"], **options)
    assert (len(both.words), len(both.segments)) == (len(answer.words), 2)


@pytest.mark.parametrize("format", ["json", "text"])
def test_a_stream_brings_the_words_piece_by_piece(server, wav, format):
    events = list(transcribe(server, wav, stream=True, response_format=format))
    assert {event.type for event in events[:-1]} == {"transcript.text.delta"}
    assert len(events) > 3
    assert events[-1].type == "transcript.text.done"
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == TEXT
    assert events[-1].usage.total_tokens > 0


@pytest.mark.parametrize("format", ["mp3", "flac", "opus", "ogg", "aac"])
def test_any_container_is_read_whatever_its_name(server, clip, format):
    assert transcribe(server, clip.encode(format), name="recording.bin").text == TEXT


def test_other_rates_are_heard_as_well(server, clip):
    assert transcribe(server, clip.resample(44_100).encode("wav")).text == TEXT


def test_a_prompt_and_keywords_say_what_to_expect(server):
    wav = AudioClip.from_pcm16(spoken("The zoologist feeds a walrus.")).encode("wav")
    hinted = transcribe(server, wav, prompt="The zoologist feeds a walrus.", language="en").text
    assert hinted == "the zoologist feeds a walrus" != transcribe(server, wav).text
    keywords = {"keywords": ["zoologist", "walrus"]}
    assert "walrus" in transcribe(server, wav, extra_body=keywords).text


def test_silence_holds_no_words(server):
    wav = AudioClip.from_pcm16(silence(2000)).encode("wav")
    assert transcribe(server, wav).text == ""
    assert [event.type for event in transcribe(server, wav, stream=True)] == ["transcript.text.done"]


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"response_format": "diarized_json"}, "response_format"),
        ({"response_format": "docx"}, "response_format"),
        ({"response_format": "srt"}, "response_format"),
        ({"response_format": "verbose_json", "stream": True}, "response_format"),
        ({"language": "de"}, "language"),
        ({"temperature": 7}, "temperature"),
        ({"timestamp_granularities": ["word"]}, "timestamp_granularities"),
        ({"timestamp_granularities": ["letter"], "response_format": "verbose_json"}, "timestamp_granularities"),
        ({"include": ["secrets"]}, "include"),
        ({"include": ["logprobs"], "response_format": "text"}, "include"),
        ({"model": ""}, "model"),
    ],
)
def test_errors_name_the_parameter(server, wav, options, param):
    with pytest.raises(openai.BadRequestError) as refused:
        transcribe(server, wav, **options)
    assert refused.value.param == param


def test_invalid_audio_is_reported(server):
    with pytest.raises(openai.BadRequestError, match="corrupted or unsupported") as refused:
        transcribe(server, b"no audio")
    assert refused.value.param == "file"


def test_a_form_without_a_file_and_a_body_that_is_no_form(server):
    answer = server.http.post("/audio/transcriptions", files={"model": (None, "m")})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "file")
    answer = server.http.post("/audio/transcriptions", json={"model": "m"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_content_type")


def test_a_file_over_the_limit_is_refused(server):
    with pytest.raises(openai.APIStatusError) as refused:
        transcribe(server, bytes(LARGEST_BODY))
    assert refused.value.status_code == 413


# --- with Whisper -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whisper():
    pytest.importorskip("ctranslate2")
    with served(ears="") as server:
        yield server


SENTENCES = "What can you do? Tell me a story."


def test_whisper_writes_sentences(whisper, wav):
    assert transcribe(whisper, wav).text == SENTENCES
    assert transcribe(whisper, wav, language="en").text == SENTENCES
    events = list(transcribe(whisper, wav, stream=True))
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == SENTENCES


def test_whispers_words_are_where_they_are_said(whisper, wav):
    options = {"response_format": "verbose_json", "model": "whisper-1"}
    answer = transcribe(whisper, wav, timestamp_granularities=["word", "segment"], **options)
    assert [word.word for word in answer.words] == "What can you do Tell me a story".split()
    assert all(word.start < word.end for word in answer.words)
    starts = [word.start for word in answer.words]
    assert starts == sorted(starts)
    assert 0.2 < starts[0] < 0.6
    end_of_first = 0.3 + len(spoken("What can you do?")) / 48_000
    assert answer.words[3].end <= end_of_first
    assert starts[4] == pytest.approx(end_of_first + 1.0, abs=0.3)
    first = answer.segments[0]
    assert first.text == " What can you do?"
    assert len(first.tokens) == 5 and -1 < first.avg_logprob < 0 < first.no_speech_prob < 0.6


def test_probabilities_come_where_they_are_asked_for(whisper, server, wav):
    assert transcribe(whisper, wav).logprobs is None
    logprobs = transcribe(whisper, wav, include=["logprobs"]).logprobs
    assert [each.token for each in logprobs[:5]] == [" What", " can", " you", " do", "?"]
    assert bytes(int(each) for each in logprobs[0].bytes) == b" What"
    assert all(-5 < each.logprob <= 0 for each in logprobs)
    events = list(transcribe(whisper, wav, include=["logprobs"], stream=True))
    told = [each.to_dict() for event in events[:-1] for each in event.logprobs]
    assert told == [each.to_dict() for each in events[-1].logprobs]
    assert transcribe(server, wav, include=["logprobs"]).logprobs is None  # PocketSphinx has none.
