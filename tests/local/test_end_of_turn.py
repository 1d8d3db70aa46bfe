import pytest

from realtime_nb.local.recognition.end_of_turn import ends_sentence, finished, has_marks, silence_ms, stands_alone

EAGERNESSES = ["low", "auto", "medium", "high"]
SENTENCE = "What time is it?"


@pytest.mark.parametrize(
    "text", ["stop", "yes", "thank you", "what time is it", "turn off the light please", "good morning"]
)
def test_complete_words_sound_finished(text):
    assert finished(text) == 1.0


@pytest.mark.parametrize("text", ["turn on the", "i would like", "because", "um", "my name is", "milk and"])
def test_words_that_ask_for_more_sound_unfinished(text):
    assert finished(text) <= 0.3


def test_nothing_understood_says_nothing():
    assert finished("") == finished("  ") == 0.5


def test_a_statement_is_more_finished_than_a_single_word():
    assert finished("banana") < finished("tomorrow morning") < finished("the cat is on the table") < 1.0


@pytest.mark.parametrize("text", ["I am done.", "Really?", "Stop!", "It's 10:30 a.m.", 'He said "yes."', "Well, yes. "])
def test_a_sentence_ends_with_its_mark(text):
    assert has_marks(text) and ends_sentence(text)


@pytest.mark.parametrize("text", ["今天天气很好。", "お元気ですか？", "すごい！", "كيف حالك؟", "मैं ठीक हूँ।"])
def test_a_sentence_ends_with_the_mark_of_its_script(text):
    assert has_marks(text) and ends_sentence(text)


@pytest.mark.parametrize("text", ["So...", "And then…", "Well,", "I would like to", "Let me see. Then", "1,001 90210,"])
def test_what_trails_off_or_goes_on_is_written_but_ends_no_sentence(text):
    assert has_marks(text) and not ends_sentence(text)


@pytest.mark.parametrize("text", ["what time is it", "i'm done", "", "stop"])
def test_bare_words_have_no_marks(text):
    assert not has_marks(text)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("How much there might.", False),  # a full stop where somebody paused
        ("I would like a table for four people and.", False),
        ("What is it made of?", True),
        ("Yes, I am.", True),
        ("7 of clubs", True),  # a short answer
        ("10 of", False),
        ("five", False),
    ],
)
def test_a_full_stop_is_not_taken_at_its_word(text, ends):
    assert ends_sentence(text) is ends


@pytest.mark.parametrize(
    ("text", "alone"),
    [("Yes.", True), ("Stop!", True), ("Thank you.", True), ("Okay, stop.", True), ("Banana.", False), (".", False)],
)
def test_some_words_stand_alone(text, alone):
    assert stands_alone(text) is alone


@pytest.mark.parametrize(
    ("words", "probability", "speech_ms", "high", "auto", "low"),
    [
        (SENTENCE, 0.9, 1000, 320, 320, 800),  # both agree
        (SENTENCE, 0.5, 800, 320, 320, 800),
        (SENTENCE, 1.0, 1000, 320, 320, 800),  # no network that could object
        (SENTENCE, 0.49, 1000, 736, 1632, 3200),  # the voice has not come to an end
        (SENTENCE, None, 1000, 736, 1632, 3200),  # nobody knows yet
        (SENTENCE, 0.9, 799, 736, 1632, 3200),  # so short that more may come
        ("Yes.", 0.9, 200, 320, 320, 800),  # but not here
        ("Yes.", 0.2, 200, 736, 1632, 3200),
        ("7 of clubs", 0.9, 1000, 320, 320, 800),
        ("What time is...", 0.9, 1000, 736, 1632, 3200),
        ("What time is", 0.9, 1000, 736, 1632, 3200),
        ("", 0.9, 1000, 736, 1632, 3200),  # noise sounds finished to the network
        (None, 0.9, 1000, 736, 1632, 3200),
    ],
)
def test_the_silence_that_ends_a_turn(words, probability, speech_ms, high, auto, low):
    found = {
        each: silence_ms(each, speech_ms=speech_ms, words=words, is_written=True, probability=probability)
        for each in EAGERNESSES
    }
    assert found == {"low": low, "auto": auto, "medium": auto, "high": high}


@pytest.mark.parametrize("probability", [None, 0.1, 0.9])
@pytest.mark.parametrize(
    ("words", "high", "auto", "low"), [("what time is it", 300, 500, 800), ("turn on the", 1677, 3335, 6632)]
)
def test_bare_words_go_by_themselves_whatever_it_sounds_like(words, probability, high, auto, low):
    found = [
        silence_ms(each, speech_ms=1000, words=words, is_written=False, probability=probability)
        for each in ("high", "auto", "low")
    ]
    assert found == [high, auto, low]
