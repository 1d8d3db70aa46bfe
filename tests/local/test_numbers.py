import pytest

from realtime_nb.local.brains.rules import in_digits, in_words, number_text, numbers_in


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("no numbers here", []),
        ("twenty five and 3.5", [25, 3.5]),
        ("twenty-five", [25]),
        ("two hundred and six", [206]),
        ("three thousand four hundred", [3400]),
        ("five twenty", [5, 20]),
        ("five, two hundred", [5, 200]),
        ("minus 4 or -4", [4, -4]),
        ("order a17 on 2024-05-06", [17, 2024, 5, 6]),
        ("ten and a half", [10]),
        ("one million", [1_000_000]),
        ("a hundred", [100]),
        ("1,045 plus 3", [1045, 3]),
        ("1,001 90210", [1001, 90210]),
        ("12,34 and 1,2345", [12, 34, 1, 2345]),
        ("-1,000,000.5", [-1_000_000.5]),
        ("10:45", [10, 45]),
    ],
)
def test_numbers_are_found_as_people_say_them(text, numbers):
    assert numbers_in(text) == numbers


def test_words_and_numbers_agree():
    for number in range(1000):
        assert numbers_in(in_words(number)) == [number]


def test_numbers_in_a_text_are_written_in_digits():
    assert in_digits("Room twenty one, not five twenty.") == "Room 21, not 5 20."
    assert in_digits("Nobody has one thousand") == "Nobody has 1000"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1_000_001, "1000001"),
        (0.1 + 0.2, "0.3"),
        (2 / 3, "about 0.666667"),
        (1e-7, "0.0000001"),
        (-2.5, "-2.5"),
        (1e20, "a number that is too large for me"),
        (float("nan"), "a number that is too large for me"),
        (1e-30, "about 0"),
    ],
)
def test_numbers_are_never_told_as_powers_of_ten(value, text):
    assert number_text(value) == text
