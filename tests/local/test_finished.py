import pytest

from realtime_nb.local.recognition.turn_detection import finished


@pytest.mark.parametrize(
    "text",
    [
        "stop",
        "yes",
        "thank you",
        "what time is it",
        "turn off the light please",
        "I am done.",
        "Really?",
        "good morning",
    ],
)
def test_complete_words_sound_finished(text):
    assert finished(text) == 1.0


@pytest.mark.parametrize(
    "text", ["turn on the", "i would like", "because", "um", "my name is", "well,", "so...", "milk and", "I want to"]
)
def test_words_that_ask_for_more_sound_unfinished(text):
    assert finished(text) <= 0.3


def test_nothing_understood_says_nothing():
    assert finished("") == finished(" ? ") == 0.5


def test_a_statement_is_more_finished_than_a_single_word():
    assert finished("banana") < finished("tomorrow morning") < finished("the cat is on the table") < 1.0
