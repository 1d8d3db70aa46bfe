import pytest

from realtime_nb.alignment import WordMatch, align, character_error_rate, error_rates, word_error_rate


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
        ("the rain in Spain", "the reign in", 0.5),
        ("yes", "yes it is", 2.0),
        ("It's fine.", "it is fine", 0.0),
        ("Order seven, in colour.", "um, order 7 in color", 0.0),
        ("Yes.", "", 1.0),
    ],
)
def test_word_errors_are_counted_by_whispers_rules(reference, heard, rate):
    assert word_error_rate(reference, heard) == pytest.approx(rate)


def test_character_errors_are_counted_over_the_characters_of_the_reference():
    assert character_error_rate("Birds can fly.", "birds can fry") == pytest.approx(1 / 13)
    assert character_error_rate("Yes!", "yes") == 0.0


def test_errors_in_several_texts_are_counted_together_each_by_its_languages_rules():
    pairs = [("the rain in Spain", "the reign in", "en"), ("Über", "uber", "de-AT"), ("a b c d", "a b c d", "en")]
    assert error_rates(pairs)[0] == pytest.approx(3 / 9)


def test_where_nothing_is_left_of_the_reference_every_word_is_one_too_many():
    assert error_rates([("Mhm.", "for example", "en")])[0] == 2.0
    assert error_rates([("Mhm.", "", "en"), ("yes", "yes", "en")]) == (0.0, 0.0)
