from __future__ import annotations

import asyncio

import pytest
from test_rule_brain import assistant, user

from realtime_nb.local.brains.brain import Context
from realtime_nb.local.brains.script_brain import ATTEMPTS, ScriptBrain

SCRIPT = ScriptBrain(["Good morning.", "The weather is nice.", "Thank you."])


def says(*entries):
    async def main():
        return " ".join([action.text async for action in SCRIPT.respond(Context(entries))])

    return asyncio.run(main())


def test_a_lesson_goes_from_sentence_to_sentence():
    said = says()
    assert said.endswith("Repeat after me: Good morning.")
    entries = [assistant(said), user("good morning")]
    said = says(*entries)
    assert said == "Good, I heard every word. Repeat after me: The weather is nice."
    entries += [assistant(said), user("the letter is nice")]
    said = says(*entries)
    assert said == "I heard 3 of 4 words. I missed: weather. Repeat after me: The weather is nice."
    entries += [assistant(said), user("the weather is nice")]
    said = says(*entries)
    assert said.endswith("Repeat after me: Thank you.")
    entries += [assistant(said), user("thank you very much")]
    assert says(*entries) == "Good, and also: very much. That was the last sentence. Well done."


def test_after_some_attempts_it_goes_on():
    entries = []
    for _ in range(ATTEMPTS):
        entries += [assistant("Repeat after me: Good morning."), user("good evening")]
    assert says(*entries).endswith("Repeat after me: The weather is nice.")
    assert says(*entries[:-2]).endswith("Repeat after me: Good morning.")


def test_what_was_not_heard():
    asked = assistant("Repeat after me: Good morning.")
    assert says(asked, user("")).startswith("I did not hear any words.")
    assert says(asked, user("blue house")).startswith("I heard: blue house. That was another sentence.")


def test_an_answer_that_was_cut_short_still_says_what_was_asked():
    assert says(assistant("Repeat after me: The weath"), user("the weather is nice")).startswith(
        "Good, I heard every word."
    )


@pytest.mark.parametrize(
    ("sentence", "heard", "verdict"),
    [
        ("The cat sat.", "the hat sat", "I heard 2 of 3 words. I missed: cat."),
        ("It's late.", "it's very late", "Good, and also: very."),
        ("I am fifteen.", "I'm 15.", "Good, I heard every word."),
        ("Call me at three thirty.", "Call me at 3:30.", "Good, I heard every word."),
    ],
)
def test_words_are_compared_as_they_are_spoken(sentence, heard, verdict):
    brain = ScriptBrain([sentence])
    context = Context([assistant(f"Repeat after me: {sentence}"), user(heard)])

    async def main():
        return [action.text async for action in brain.respond(context)]

    assert asyncio.run(main())[0] == verdict


def test_a_script_is_read_from_a_file(tmp_path):
    path = tmp_path / "script.txt"
    path.write_text("# greetings\n\nGood morning.\nGood night.\n", "utf-8")
    assert ScriptBrain.from_file(path).vocabulary == ["Good morning.", "Good night."]
    with pytest.raises(ValueError, match="at least one sentence"):
        ScriptBrain(["…"])


def test_there_is_a_script_by_default():
    assert len(ScriptBrain().vocabulary) > 3
