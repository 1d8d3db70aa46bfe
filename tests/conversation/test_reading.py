"""How numbers in a text are read aloud."""

import pytest

from realtime_nb.local.synthesis.reading import read_aloud


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("In 1984 it rained.", "In 19 84 it rained."),
        ("1984", "19 84"),
        ("It is 2026.", "It is 20 26."),
        ("In 1905, in 2010 and in 1900.", "In 19 oh 5, in 20 10 and in 1900."),
        ("2005 was warm", "2005 was warm"),
        ("1999 was warm", "19 99 was warm"),
        ("the 1980s", "the 19 80s"),
        ("There are 1984 items.", "There are 1984 items."),
        ("In 1984 prices rose.", "In 19 84 prices rose."),
        ("May 5, 2026", "May 5, 20 26"),
        ("1990-1995", "19 90 to 19 95"),
        ("2026-11-28", "November 28, 20 26"),
        ("$5", "5 dollars"),
        ("It costs $1.", "It costs 1 dollar."),
        ("$5.50, please", "5 dollars and 50 cents, please"),
        ("$0.99", "99 cents"),
        ("$3.01", "3 dollars and 1 cent"),
        ("$20.00", "20 dollars"),
        ("$1,234.56", "1,234 dollars and 56 cents"),
        ("$2.5 million", "2.5 million dollars"),
        ("$0.125", "0.125 dollars"),
        ("$5k, £2.5M and €3bn", "5 thousand dollars, 2.5 million pounds and 3 billion euros"),
        ("$5km and $5 k", "$5km and 5 dollars k"),
        ("1¢ or 25¢", "1 cent or 25 cents"),
        ("€5", "5 euros"),
        ("£1.01", "1 pound and 1 penny"),
        ("¥500", "500 yen"),
        ("$5, $1 and $2.", "5 dollars, 1 dollar and 2 dollars."),
        ("10:05", "10 oh 5"),
        ("at 3:30.", "at 3 30."),
        ("12:00", "12 o’clock"),
        ("9:00 am", "9 am"),
        ("10:30 PM", "10 30 PM"),
        ("7:05 p.m.", "7 oh 5 p.m."),
        ("13:00", "13 hundred"),
        ("0:00", "zero hundred"),
        ("12:00:05", "12:00:05"),
        ("pages 5-7", "pages 5 to 7"),
        ("10–20", "10 to 20"),
        ("$5-$10", "5 dollars to 10 dollars"),
        ("9:00–10:30 am", "9 o’clock to 10 30 am"),
        ("-$5", "-5 dollars"),
        ("Call 555-1234.", "Call 5 5 5, 1 2 3 4."),
        ("(555) 123-4567", "5 5 5, 1 2 3, 4 5 6 7"),
        ("#5", "number 5"),
        ("20°C", "20 degrees Celsius"),
        ("1/2 a cup", "one half a cup"),
        ("3.14, 1,000, 50%, 21st, A4, v1.2.3, 192.168.0.1", "3.14, 1,000, 50%, 21st, A4, v1.2.3, 192.168.0.1"),
        ("COVID-19 and 2 + 3 and 31:75 and 1234567", "COVID-19 and 2 + 3 and 31:75 and 1234567"),
        ("", ""),
    ],
)
def test_numbers_are_read_as_people_do(written, said):
    assert read_aloud(written).text == said


def test_each_character_that_is_read_has_its_place_in_what_is_written():
    written = "In 1984 it cost $5.50 at 10:05 sharp."
    reading = read_aloud(written)
    for word in ("In ", "it ", "cost ", "at ", "sharp."):
        assert reading.written_at(reading.text.index(word)) == written.index(word)
    for inside, whole in (("19", "1984"), ("84", "1984"), ("5 doll", "$5"), ("cents", "$5"), ("oh", "10:05")):
        assert reading.written_at(reading.text.index(inside)) == written.index(whole)
    assert read_aloud("plain").written_at(3) == 3
