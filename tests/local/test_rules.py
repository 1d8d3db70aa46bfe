import time

import pytest

from realtime_nb.local.brains.rules import ABILITIES, JOKES, LONGEST, STORY, answer


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hello", "Hello! I am the local voice. Ask me what I can do."),
        ("Good morning!", "Hello! I am the local voice. Ask me what I can do."),
        ("goodbye", "Goodbye. Come back soon."),
        ("thank you very much", "You are welcome."),
        ("how are you today", "I am a program, and I run well. How are you?"),
        ("What can you do?", ABILITIES),
        (
            "are you a human",
            "I am the local voice of this notebook: a computer program made of rules, with no language model.",
        ),
        ("tell me a story", STORY),
        ("what is three plus four", "3 plus 4 is 7."),
        ("what is two plus three times four", "2 plus 3 times 4 is 14."),
        ("twelve divided by five", "12 divided by 5 is 2.4."),
        ("10 / 0", "Nothing can be divided by zero."),
        ("add five and six", "5 plus 6 is 11."),
        ("count to seven", "One, two, three, four, five. Six, seven."),
        ("count from three to five", "Three, four, five."),
        ("count to a thousand and one", None),
        ("count to 100000", "I count at most 100 numbers, upwards, below one thousand."),
        ("spell banana", "Banana: B, A, N, A, N, A."),
        ("Repeat after me: The Cat sat.", "The Cat sat."),
        ("say hello world", "Hello world."),
        ("say again", "I have not said anything yet."),
        ("what did I say", "This is the first thing that you said."),
        ("stop", "All right."),
        ("yes", "All right. What next?"),
        ("the alphabet please", "A, B, C, D, E, F, G. H, I, J, K, L, M, N, O, P. Q, R, S, T, U, V. W, X, Y, and Z."),
        ("I have two dogs and three cats", None),
        ("on 2024-05-06 it rained", None),
        ("my house is blue", None),
    ],
)
def test_a_rule_answers(text, says):
    assert answer(text) == says


def test_what_was_said_before():
    assert answer("what did i say", heard_before="my house is blue") == "You said: my house is blue."
    assert answer("what did you say", said_before="Hello!") == "I said: Hello!"
    assert answer("repeat that", said_before="Hello!") == "Hello!"


def test_a_name_is_found_in_what_was_said():
    said = ["My name is Ada.", "What time is it?", "What is my name?"]
    assert answer(said[0], all_heard=said[:1]).startswith("Hello, Ada.")
    assert answer(said[2], all_heard=said) == "You said that your name is Ada."
    assert answer(said[2], all_heard=said[1:]) == "You have not told me your name."


def test_answers_by_chance_and_by_the_clock():
    assert answer("tell me a joke") in JOKES
    assert answer("flip a coin") in ("It is heads.", "It is tails.")
    assert answer("roll a dice").startswith("You rolled a ")
    assert answer("what time is it").startswith("The clock of this computer says ")
    assert answer("what day is it").startswith("By the clock of this computer, today is ")


@pytest.mark.parametrize("piece", ["a", "one ", "nineteen", "1 - ", "say ", "count to ", "\n", "x"])
def test_long_texts_take_no_longer(piece):
    start = time.process_time()
    answer(piece * LONGEST * 100)
    assert time.process_time() - start < 0.5
