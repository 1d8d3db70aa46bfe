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


#: What newcomers ask, as Whisper writes it, and a part of an answer that is sensible.
QUESTIONS = [
    ("What time is it?", "The clock of this computer says "),
    ("What's the time, please?", "The clock of this computer says "),
    ("Can you tell me what time it is?", "The clock of this computer says "),
    ("What time is it in Tokyo?", "In Tokyo it is "),
    ("Tell me what time it is in New York, please.", "The clock of this computer says "),
    ("What time is it in Atlantis?", "I do not know what time it is there. The clock of this computer says "),
    ("What time is it in the kitchen?", "The clock of this computer says "),
    ("What day is it today?", "By the clock of this computer, today is "),
    ("What's the date?", "By the clock of this computer, today is "),
    ("What year is it?", "By the clock of this computer, today is "),
    ("What day is tomorrow?", "By the clock of this computer, tomorrow is "),
    ("What's 12 times 7?", "12 times 7 is 84."),
    ("1,045 plus 3", "1045 plus 3 is 1048."),
    ("What is 1,000,000 plus 1?", "1000000 plus 1 is 1000001."),
    ("How much is a hundred minus one?", "100 minus 1 is 99."),
    ("What's 12 × 7 ÷ 2?", "12 times 7 divided by 2 is 42."),
    ("What is 15% of 80?", "15 percent of 80 is 12."),
    ("Subtract 5 from 20.", "20 minus 5 is 15."),
    ("What is seven squared?", "7 to the power of 2 is 49."),
    ("What's the square root of 144?", "The square root of 144 is 12."),
    ("What is half of ninety?", "Half of 90 is 45."),
    ("What's a quarter of 10?", "A quarter of 10 is 2.5."),
    ("What is twice eight?", "2 times 8 is 16."),
    ("How many minutes are in three hours?", "3 hours are 180 minutes."),
    ("How many seconds are there in an hour?", "1 hour is 3600 seconds."),
    ("How many days in 48 hours?", "48 hours are 2 days."),
    ("How many hours are in 1 week?", "1 week is 168 hours."),
    ("How many hours is 90 minutes?", "90 minutes are 1.5 hours."),
    ("Hello!", "Hello! I am the local voice."),
    ("Good morning. How are you?", "I am a program, and I run well."),
    ("Can you hear me?", "Yes, I hear you."),
    ("Who are you?", "made of rules, with no language model"),
    ("Which model are you?", "made of rules, with no language model"),
    ("Tell me about yourself.", "made of rules, with no language model"),
    ("How old are you?", "made of rules, with no language model"),
    ("Where do you come from?", "I run on the computer that runs this notebook"),
    ("Are you ChatGPT?", "made of rules, with no language model"),
    ("What can you do?", ABILITIES),
    ("Help.", ABILITIES),
    ("Could you repeat that?", "BEFORE"),
    ("Sorry, what did you say?", "I said: BEFORE"),
    ("Can you tell me a story?", STORY),
    ("Count to 10.", "One, two, three, four, five. Six, seven, eight, nine, ten."),
    ("Count backwards from five.", "Five, four, three, two, one."),
    ("How do you spell necessary?", "Necessary: N, E, C, E, S, S, A, R, Y."),
    ("Spell the word “Hello”.", "Hello: H, E, L, L, O."),
    ("My name is Ada.", "Hello, Ada."),
    ("Thank you.", "You are welcome."),
    ("Goodbye!", "Goodbye."),
    ("What’s the weather like today?", "I cannot know the weather"),
    ("Turn on the light.", "I cannot do that by myself."),
    ("Where are you?", "on the computer that runs this notebook"),
    ("Do you speak Spanish?", "English only"),
    ("Flip a coin.", "It is "),
]


@pytest.mark.parametrize(("question", "part"), QUESTIONS)
def test_newcomers_questions_are_answered(question, part):
    assert part in answer(question, said_before="BEFORE")


@pytest.mark.parametrize(
    "question",
    ["What's the capital of France?", "Who is the president of the United States?", "Why is the sky blue?"],
)
def test_no_rule_pretends_to_know_the_world(question):
    assert answer(question) is None


def test_sums_that_have_no_answer_say_so():
    assert answer("What is 9 to the power of 999?") == "That is not a number that I can say."
    assert answer("What is the square root of -4?").startswith("A number below zero")
    assert answer("2 divided by 3") == "2 divided by 3 is about 0.666667."
    assert answer("count down from 5000").startswith("I count down at most")


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
