"""Scenarios: what is said in them, and who goes on when the script is over."""

import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from realtime_nb.errors import SettingsError
from realtime_nb.experiments import Dataset, RuleUser, Said, Scenario, UserTurn
from realtime_nb.media.clip import AudioClip


def hum(text):
    return AudioClip(np.full(2_400 * len(text.split()), 0.1))


def scenario(*turns, **options):
    return Scenario(example_id="a", turns=turns, **options)


def test_sequences_of_words_become_scenarios_by_name():
    turn = UserTurn("mhm", at_ms=500, backchannel=True)
    dataset = Dataset.from_scenarios({"story": ["Tell me a story.", turn]}, speaker="nova")
    [story] = dataset
    assert (story.example_id, story.speaker, story.text) == ("story", "nova", "Tell me a story. mhm")
    assert story.script[1] is turn and story.is_paced
    own = scenario("Hi.")
    assert Dataset.from_scenarios([own, ["Hello."]])[0] is own
    assert list(dataset.frame["text"]) == ["Tell me a story. mhm"]


def test_its_clip_is_its_script_one_turn_after_the_other_each_by_its_speaker():
    said = []

    def other(text):
        said.append(text)
        return hum(text)

    one = scenario("One two.", UserTurn("Three.", speaker=other), UserTurn("", source=hum("a b c")), speaker=hum)
    assert one.clip().duration_s == pytest.approx(0.6) and said == ["Three."]
    with pytest.raises(SettingsError, match="not known in advance"):
        scenario(user=RuleUser([], opening="Hi")).clip()


def test_a_scenario_is_known_again_by_all_that_it_says_and_by_who_goes_on():
    base = scenario("Tell me a story.", "Thanks.")
    assert base.digest == pickle.loads(pickle.dumps(base)).digest
    others = [
        scenario("Tell me a story.", UserTurn("Thanks.", at_ms=300)),
        scenario("Tell me a story.", UserTurn("Thanks.", at_ms=300, backchannel=True)),
        scenario("Tell me a story.", UserTurn("Thanks.", speaker="nova")),
        scenario("Tell me a story.", UserTurn("Thanks.", keywords=["welcome"])),
        scenario("Tell me a story.", UserTurn("Thanks.", tool_call="")),
        scenario("Tell me a story.", "Thanks.", speaker="nova"),
        scenario("Tell me a story. Thanks."),
        scenario("Tell me a story.", "Thanks.", user=RuleUser([], opening="")),
        scenario("Tell me a story.", "Thanks.", user=RuleUser([], opening=""), max_turns=3),
        scenario("Tell me a story.", "Thanks.", user=hum),
    ]
    assert len({each.digest for each in [base, *others]}) == 1 + len(others)
    assert replace(base, tags=("x",)).digest == base.digest


def test_a_user_by_rules_answers_what_it_heard_and_says_nothing_twice():
    user = RuleUser(
        [(r"number is (\w+)", r"Cancel order \1."), (r"number", "Never mind."), ("bye", None)],
        opening="Where is my order?",
        otherwise="Pardon?",
    )
    talk = []

    def hears(text):
        talk.append(Said("assistant", text))
        words = user(talk)
        if words:
            talk.append(Said("user", words))
        return words

    talk.append(Said("user", user(talk)))
    assert talk[0].text == "Where is my order?"
    assert hears("Its NUMBER is seven.") == "Cancel order seven."
    assert hears("Your number is seven.") == "Never mind."
    assert hears("What?") == "Pardon?"
    assert hears("Goodbye.") is None
    assert RuleUser([], opening="Hi")([Said("user", "Hi")]) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (scenario, "neither turns nor a user"),
        (partial(scenario, UserTurn("Hi", at_ms=3)), "begins with at_ms"),
        (partial(scenario, 5), "5 is not a turn of 'a': give words, or a UserTurn"),
        (partial(Scenario, example_id="a", turns="Hi"), "turns='Hi' is one turn: give a list"),
        (partial(UserTurn, "Hi", speaker="bob"), "speaker='bob' is not known"),
        (partial(scenario, user="persona"), "user='persona' cannot be called"),
        (partial(scenario, "Hi", max_turns=0), "max_turns=0 must be positive"),
        (partial(UserTurn, " "), "needs a text to speak, or a source"),
        (partial(UserTurn, "Hi", at_ms=-1), "at_ms=-1 must not be negative"),
        (partial(UserTurn, "mhm", backchannel=True), "needs at_ms"),
        (partial(UserTurn, "Hi", keywords="five"), "must be a sequence"),
        (partial(RuleUser, [("(", "x")], opening=""), "is not a regular expression"),
        (partial(Dataset.from_scenarios, ["Hi"]), "scenario_001: 'Hi' is neither"),
    ],
)
def test_an_impossible_scenario_raises_when_it_is_made(make, message):
    with pytest.raises(SettingsError, match=message):
        make()
