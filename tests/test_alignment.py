import pytest

from realtime_nb.alignment import WordMatch, align, character_error_rate, word_error_rate


def verdicts(wanted, heard):
    return [(each.wanted, each.heard, each.verdict) for each in align(wanted, heard)]


def test_words_are_laid_side_by_side_as_they_were_written():
    assert verdicts("I would like a cup of tea.", "i like a cup of hot coffee") == [
        ("I", "i", "right"),
        ("would", "", "missing"),
        ("like", "like", "right"),
        ("a", "a", "right"),
        ("cup", "cup", "right"),
        ("of", "of", "right"),
        ("", "hot", "extra"),
        ("tea", "coffee", "other"),
    ]


def test_another_apostrophe_is_no_other_word():
    assert [each.verdict for each in align("It’s fine.", "it's fine")] == ["right", "right"]


@pytest.mark.parametrize(
    ("wanted", "heard", "matches"),
    [
        ("Yes.", "", [WordMatch("Yes", "", "missing")]),
        ("…", "oh no", [WordMatch("", "oh", "extra"), WordMatch("", "no", "extra")]),
        ("", "", []),
    ],
)
def test_texts_without_words_are_taken(wanted, heard, matches):
    assert align(wanted, heard) == matches


@pytest.mark.parametrize(
    ("reference", "heard", "rate"),
    [
        ("What can you do?", "what can you do", 0.0),
        ("one two three four", "one too three", 0.5),
        ("yes", "yes it is", 2.0),
        ("It's fine.", "its fine", 0.5),
    ],
)
def test_word_errors_are_counted_without_case_and_punctuation(reference, heard, rate):
    assert word_error_rate(reference, heard) == pytest.approx(rate)


def test_character_errors_are_counted_over_the_characters_of_the_reference():
    assert character_error_rate("Two plus three.", "two plus tree") == pytest.approx(1 / 14)
    assert character_error_rate("Yes!", "yes") == 0.0
