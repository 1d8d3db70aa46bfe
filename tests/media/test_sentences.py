import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_nb.media.sentences import LONGEST, split_sentences, spoken


def cut(text: str) -> list[str]:
    return [piece.strip() for piece in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("Hello", ["Hello"]),
        ("Hello. How are you? Fine!", ["Hello.", "How are you?", "Fine!"]),
        ("Dr. Smith met Mrs. Jones. They talked.", ["Dr. Smith met Mrs. Jones.", "They talked."]),
        ("It costs 3.50 dollars. Cheap!", ["It costs 3.50 dollars.", "Cheap!"]),
        ("Take fruit, e.g. apples. Then go.", ["Take fruit, e.g. apples.", "Then go."]),
        ("J. S. Bach wrote it. Yes.", ["J. S. Bach wrote it.", "Yes."]),
        ("So did I. You too.", ["So did I.", "You too."]),
        ("No. 5 is here. No. Really?", ["No. 5 is here.", "No.", "Really?"]),
        ("1. First\n2. Second", ["1. First", "2. Second"]),
        ('He said "Stop!" Then he left.', ['He said "Stop!"', "Then he left."]),
        ("Wait… what? Well...", ["Wait…", "what?", "Well..."]),
        ("A line\nanother line", ["A line", "another line"]),
        ("你好。再见。", ["你好。", "再见。"]),
        ("Salt, pepper, etc. Then stir.", ["Salt, pepper, etc.", "Then stir."]),
    ],
)
def test_text_is_cut_where_sentences_end(text, pieces):
    assert cut(text) == pieces


@given(st.text(alphabet=st.sampled_from("ab. ,\n?!DrM1é😀\"'"), max_size=600))
def test_pieces_join_to_the_text_and_are_short(text):
    pieces = split_sentences(text)
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= LONGEST for piece in pieces)


def test_a_long_sentence_is_cut_at_a_clause_else_between_words():
    clause = "this goes on for quite a while and then some more, "
    pieces = split_sentences(clause * 8)
    assert all(piece.endswith(", ") for piece in pieces[:-1])
    assert all(piece.endswith(" ") for piece in split_sentences("word " * 100)[:-1])


def test_titles_are_spoken_without_a_pause_and_keep_their_length():
    assert spoken("Dr. Who met Mr. X. End.") == "Dr  Who met Mr  X. End."
