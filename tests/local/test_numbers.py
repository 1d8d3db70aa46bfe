import pytest

from realtime_nb.local.brains.rules import in_words, numbers_in


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
    ],
)
def test_numbers_are_found_as_people_say_them(text, numbers):
    assert numbers_in(text) == numbers


def test_words_and_numbers_agree():
    for number in range(1000):
        assert numbers_in(in_words(number)) == [number]
