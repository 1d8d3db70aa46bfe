import numpy as np
import pytest

from realtime_nb import speak
from realtime_nb.local.recognition.heard import Recognition
from realtime_nb.local.recognition.turn_detection import SpeechStarted, SpeechStopped, TurnDetector
from realtime_nb.local.recognition.turn_replay import HeardSound
from realtime_nb.local.recognition.voice_activity import VoiceActivity
from realtime_nb.media.clip import AudioClip, concatenate


def silence(seconds):
    return AudioClip(np.zeros(round(24_000 * seconds), np.float32))


@pytest.fixture(scope="module")
def sentence():
    """A sentence with a pause in it, in which nothing sounds for somewhat more than 700 ms."""
    return concatenate(
        [silence(0.5), speak("I would like to book a table"), silence(0.4), speak("for four people."), silence(0.2)]
    )


def words(text):
    """Return what a recogniser that lists words makes of any sound."""
    return lambda pcm16k: Recognition(text)


def sentence_of(text):
    """Return what a recogniser that writes sentences makes of any sound."""
    return lambda pcm16k: Recognition(text, tokens=(text,))


@pytest.fixture(scope="module")
def heard(sentence):
    return HeardSound(sentence.to_pcm16(24_000))


@pytest.mark.parametrize("settings", [{"silence_duration_ms": 500}, {"silence_duration_ms": 900, "threshold": 0.7}])
def test_the_turns_are_those_of_the_live_detector(sentence, heard, settings):
    detector, live = TurnDetector(settings), []
    pcm = sentence.to_pcm16(24_000) + bytes(48 * 3_000)
    for start in range(0, len(pcm), 960):  # 20 ms
        live += detector.feed(pcm[start : start + 960])
    starts = [event.audio_start_ms for event in live if isinstance(event, SpeechStarted)]
    stops = [event.audio_end_ms for event in live if isinstance(event, SpeechStopped)]
    turns = heard.turns(settings)
    assert [turn.start_ms for turn in turns] == starts
    assert [turn.end_ms for turn in turns] == stops


def test_a_turn_is_known_within_a_frame_of_its_silence(heard):
    for turn in heard.turns({"silence_duration_ms": 300}):
        assert 0 <= turn.ended_at_ms - turn.end_ms <= 33
        assert turn.start_ms + 300 < turn.started_at_ms < turn.start_ms + 500


def test_all_turns_end_though_the_sound_does_not():
    heard = HeardSound(speak("Hello there.").cut(0, 0.4).to_pcm16(24_000))
    (turn,) = heard.turns({"silence_duration_ms": 3_000})
    assert turn.end_ms > 3_000


def test_words_that_sound_unfinished_are_waited_for(heard):
    settings = {"type": "semantic_vad", "eagerness": "auto"}
    asked = []

    def unfinished(pcm16k):
        asked.append(pcm16k)
        return Recognition("to the")

    assert len(heard.turns(settings, hear=unfinished)) == 1
    assert asked and all(len(pcm16k) % 2 == 0 for pcm16k in asked)
    assert len(heard.turns(settings, hear=words("stop"))) == 2


def test_the_network_is_asked_where_a_sentence_may_have_ended(heard):
    settings = {"type": "semantic_vad", "eagerness": "auto"}
    asked = []

    def judge(pcm16k):
        asked.append(pcm16k)
        return 0.9

    assert len(heard.turns(settings, hear=sentence_of("I would like to book a table."), judge=judge)) == 2
    assert len(asked) == 2
    (turn,) = heard.turns(settings, hear=sentence_of("I would like to book a table."), judge=lambda pcm16k: 0.1)
    assert turn.end_ms > 3_000
    assert len(heard.turns(settings, hear=sentence_of("I would like to,"), judge=judge)) == 1
    assert len(asked) == 2


def test_what_comes_later_is_not_listened_to(heard):
    first, _ = heard.turns({"silence_duration_ms": 400})
    asked = []
    settings = {"type": "semantic_vad"}
    assert heard.turns({"silence_duration_ms": 400}, until_ms=first.ended_at_ms + 32) == [first]
    assert heard.turns(settings, hear=asked.append, until_ms=500) == []
    assert asked == []


def test_silence_and_nothing_hold_no_turns():
    assert HeardSound(b"").turns({}) == []
    assert HeardSound(bytes(48 * 2_000)).turns({}) == []


def test_without_the_network_the_gate_decides_and_says_so(sentence):
    heard = HeardSound(sentence.to_pcm16(24_000), activity=VoiceActivity(silero=False))
    assert heard.engine == "webrtc"
    assert len(heard.turns({"silence_duration_ms": 400})) == 2
