import numpy as np
import pytest

import realtime_nb as rt
from realtime_nb.errors import AudioError, SettingsError
from realtime_nb.media.clip import AudioClip, concatenate
from realtime_nb.views import mimebundle
from realtime_nb.views.practice import practice

SENTENCE = "How is the weather in Paris?"


@pytest.fixture(scope="module")
def model():
    return rt.speak(SENTENCE, voice="marin")


@pytest.fixture(scope="module")
def slow():
    return rt.speak(SENTENCE, voice="onyx", speed=0.6)


def silence(seconds):
    return AudioClip(np.zeros(int(24_000 * seconds)))


def test_pace_does_not_count_the_silence_around_the_words(model, slow):
    bare = practice(SENTENCE, slow, model, heard="how is the weather in paris")
    padded = practice(SENTENCE, concatenate([silence(1), slow, silence(2)]), model, heard="how is the weather in paris")
    assert padded.words_per_minute == pytest.approx(bare.words_per_minute, rel=0.03)
    assert bare.words_per_minute < 0.8 * bare.model_words_per_minute
    assert bare.accuracy == 1.0


def test_a_spoken_turn_brings_its_words_and_a_reply_is_the_model():
    with rt.RealtimeSession(backend="local") as session:
        shown = session.respond(instructions=f'Say "{SENTENCE}"').result()
        reply = session.ask(rt.speak("How the weather in Paris?", speed=0.9)).result()
    attempt = practice(SENTENCE, reply.asked, shown)
    assert attempt.heard == reply.asked.text
    assert [match.wanted for match in attempt.words if match.verdict == "missing"] == ["is"]
    assert attempt.accuracy == pytest.approx(5 / 6)
    assert list(attempt.frame.columns) == ["wanted", "heard", "verdict"] and len(attempt.frame) == 6


def test_another_written_form_is_right_and_counts_as_its_words(model, slow):
    attempt = practice("It's three thirty in Paris.", slow, model, heard="it is 3:30 in Rome")
    assert [(match.wanted, match.heard) for match in attempt.words if match.verdict == "right"] == [
        ("It's", "it is"),
        ("three thirty", "3:30"),
        ("in", "in"),
    ]
    assert attempt.accuracy == 4 / 5
    assert "4 of 5" in mimebundle(attempt)["text/plain"]
    assert practice("schön", slow, model, heard="schon").accuracy == 0.0
    assert practice("cafés", slow, model, heard="cafes", language="en-GB").accuracy == 1.0


def test_the_looks_tell_words_pace_and_melody_and_escape_what_was_heard(model, slow):
    bundle = mimebundle(practice(SENTENCE, slow, model, heard="how <b>is</b> the weather in paris"))
    html = bundle["text/html"]
    assert "✗" in html and "<b>" not in html
    assert html.count("<audio controls") == 2 and "words/min" in html and "AI-generated voice" in html
    assert bundle["image/png"] and "words right" in bundle["text/plain"]


def test_nothing_heard_is_an_attempt_with_nothing_right(model, slow):
    attempt = practice(SENTENCE, slow, model, heard="")
    assert attempt.accuracy == 0.0 and attempt.words_per_minute == 0.0
    assert "0 of 6" in mimebundle(attempt)["text/html"]


def test_an_impossible_comparison_is_refused_at_once(model, slow):
    with pytest.raises(SettingsError, match="give heard="):
        practice(SENTENCE, slow, model)
    with pytest.raises(SettingsError, match="wanted='…' has no words"):
        practice("…", slow, model, heard="how")
    with pytest.raises(AudioError, match="there is no speech in `said`"):
        practice(SENTENCE, silence(1), model, heard="")
