import pytest

from realtime_nb.conversation.heard import heard_text
from realtime_nb.conversation.records import Part
from realtime_nb.protocol.local_events import Word


def spoken(text, ms=1_000, words=()):
    part = Part(kind="audio", text=text, words=words)
    part.add_audio(bytes(48 * ms))
    return part


WORDS = (Word("One", 0, 100), Word("two", 100, 800), Word("three", 850, 900))


@pytest.mark.parametrize(
    ("played_ms", "heard"),
    [(0, ""), (99, ""), (100, "One,"), (799, "One,"), (800, "One, two;"), (1_000, "One, two;  three!")],
)
def test_words_are_cut_by_their_times_where_they_are_known(played_ms, heard):
    # Marks belong to the word before them, and spread evenly "two" would be over after 470 ms.
    assert heard_text([spoken("One, two;  three!", words=WORDS)], played_ms) == heard


def test_times_of_other_words_than_those_of_the_text_are_passed_over():
    assert heard_text([spoken("eins zwei drei vier", words=WORDS)], 950) == "eins zwei drei"


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("现在是下午三点十五分", "现在是下午"),
        ("いまさんじです。", "いまさん"),
        ("ขณะนี้เวลา", "ขณะนี้"),
        ("今天 very good 天气", "今天 very"),
    ],
)
def test_a_script_without_spaces_is_cut_inside(text, heard):
    assert heard_text([spoken(text)], 550 if " " in text or "ข" in text else 500) == heard


def test_a_mark_stays_with_its_letter():
    assert heard_text([spoken("กี่")], 700) == ""


@pytest.mark.parametrize(
    ("played_ms", "heard"),
    [
        (0, ""),
        (400, "one"),
        (1_000, "one two"),
        (1_600, "one two three"),
        (2_000, "one two three four see"),  # The read words stand after all words heard.
        (9_000, "one two three four see"),
    ],
)
def test_parts_are_played_one_after_the_other(played_ms, heard):
    parts = [spoken("one two"), spoken(" three four "), Part(kind="text", text="see")]
    assert heard_text(parts, played_ms) == heard


@pytest.mark.parametrize("text", ["one two three four", "現在是下午三點", "a 👍🏽 b", "", "x"])
def test_what_was_heard_is_a_beginning_of_the_whole_and_grows(text):
    cuts = [heard_text([spoken(text)], played_ms) for played_ms in range(0, 1_001, 10)]
    assert all(text.startswith(cut) for cut in cuts)
    assert [len(cut) for cut in cuts] == sorted(len(cut) for cut in cuts)
    assert cuts[-1] == text
