"""The built-in steps of a chain, one by one, against the local voice's endpoints."""

import pytest
from local_http import served

import realtime_nb as rt
from realtime_nb.loop import submit
from realtime_nb.pricing.cost import metered_cost
from realtime_nb.protocol.local_events import Word
from realtime_nb.sessions.api import Api
from realtime_nb.sessions.backend import Backend
from realtime_nb.sessions.realtime import RealtimeSession
from realtime_nb.sessions.stages import ApiSpeaker, ApiTextModel, ApiTranscriber, RealtimeSpeaker, StepUsage


@pytest.fixture(scope="module")
def backend():
    with served() as server:
        yield Backend.at(server.url, server.api_key)


@pytest.fixture
def api(backend):
    api = Api(backend)
    yield api
    submit(api.close()).result(60)


def collect(pieces):
    async def all_of():
        return [piece async for piece in pieces]

    return submit(all_of()).result(30)


@pytest.mark.parametrize("model", ["gpt-transcribe", "whisper-1"])  # streamed, and in one piece
def test_speech_is_written_down(api, model):
    *pieces, took = collect(ApiTranscriber(api, model).transcribe(rt.speak("What can you do?")))
    assert "".join(piece for piece in pieces if isinstance(piece, str)).strip() == "what can you do"
    assert metered_cost(took.usage, model).total_usd > 0


@pytest.mark.parametrize(
    ("model", "times"), [("gpt-transcribe", False), ("whisper-1", True), ("local-transcribe", True)]
)
def test_words_have_times_where_the_model_tells_them(api, model, times):
    clip = rt.speak("What can you do?")
    timed = [piece for piece in collect(ApiTranscriber(api, model).transcribe(clip)) if isinstance(piece, Word)]
    assert [word.text for word in timed] == ("what can you do".split() if times else [])
    marks = [mark for word in timed for mark in (word.start_ms, word.end_ms)]
    assert marks == sorted(marks) and all(0 <= mark <= 1000 * clip.duration_s for mark in marks)


def test_a_conversation_is_answered_in_words(api):
    *words, took = collect(ApiTextModel(api, "local-rules").answer([{"role": "user", "content": "Two plus three?"}]))
    assert "5" in "".join(words)
    assert took.usage["output_token_details"]["text_tokens"] > 0


@pytest.mark.parametrize(("model", "unit"), [("tts-1", "characters"), ("gpt-4o-mini-tts", "output_token_details")])
def test_words_are_spoken_and_billed_as_the_model_is(api, model, unit):
    *sound, took = collect(ApiSpeaker(api, model, "echo").speak("Good morning."))
    clip = rt.AudioClip.from_pcm16(b"".join(sound))
    assert 0.5 < clip.duration_s < 2 and clip.peak > 0.05
    assert unit in took.usage and metered_cost(took.usage, model).total_usd > 0


def test_a_realtime_session_reads_word_for_word(backend):
    speaker = RealtimeSpeaker(
        lambda: RealtimeSession(backend=backend, transcription=None, turn_detection=None), "gpt-realtime-2.1-mini"
    )
    for _ in range(2):  # on the same line
        *sound, took = collect(speaker.speak("Good morning."))
        assert rt.AudioClip.from_pcm16(b"".join(sound)).duration_s > 0.5
        assert took.remark == "" and took.usage["output_token_details"]["audio_tokens"] > 5
    submit(speaker.close()).result(60)


def test_other_words_than_written_are_remarked(backend):
    session = RealtimeSession(backend=backend, transcription=None, turn_detection=None)
    speaker = RealtimeSpeaker(lambda: _Disobedient(session), "gpt-realtime-2.1-mini")
    *_, took = collect(speaker.speak("Good morning."))
    assert isinstance(took, StepUsage) and "other words were spoken" in took.remark
    submit(speaker.close()).result(60)


class _Disobedient:
    """A session whose model does not read what it is given."""

    def __init__(self, session):
        self.listen, self.close = session.listen, session.close
        self._session = session

    def respond(self, **options):
        return self._session.respond(**options | {"instructions": "Say: Good evening."})
