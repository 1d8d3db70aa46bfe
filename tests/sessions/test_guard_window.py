import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_nb.sessions.guard import BEFORE, LONGEST, STEP, GuardWindow


def test_sentences_are_read_as_soon_as_they_are_whole():
    window = GuardWindow()
    assert window.take("Good morning") == ""
    assert window.take("Good morning. How") == "Good morning. "
    assert window.take("Good morning. How are you? I") == "Good morning. How are you? "
    assert window.take("Good morning. How are you? I am.", is_whole=True) == "Good morning. How are you? I am."
    assert window.take("Good morning. How are you? I am.", is_whole=True) == ""


def test_a_long_sentence_is_read_before_it_ends_and_only_in_whole_words():
    text = "and then we went on along the river until we came to the mill where th"
    piece = GuardWindow().take(text)
    assert len(piece) >= STEP - 10
    assert piece == text[: len(text) - 2]


@pytest.mark.parametrize("text", ["", " ", "\n \n"])
def test_nothing_is_nothing_to_read(text):
    assert GuardWindow().take(text, is_whole=True) == ""


@given(st.lists(st.text(alphabet="ab .?!\n,é。", max_size=400), max_size=8))
def test_every_word_is_read_once_with_what_came_before_it_however_the_text_grows(deltas):
    window, text, read = GuardWindow(), "", 0
    for number, delta in enumerate([*deltas, ""]):
        text += delta
        while piece := window.take(text, is_whole=number == len(deltas)):
            assert len(piece) <= LONGEST
            start = max(0, read - BEFORE)
            assert text.startswith(piece, start)
            assert start + len(piece) > read
            read = start + len(piece)
    assert not text[read:].strip()
