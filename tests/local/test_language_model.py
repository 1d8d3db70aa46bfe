import asyncio
import gc
import threading

import pytest

from realtime_nb.local.recognition.language_model import (
    Dictionary,
    LanguageModels,
    corpus_sentences,
    normalize,
    tool_sentences,
)

LIGHTS = {
    "type": "function",
    "name": "setLight",
    "description": "Switch a lamp in a room.",
    "parameters": {
        "type": "object",
        "properties": {
            "room": {"type": "string", "enum": ["greenhouse", "attic"], "description": "Which room."},
            "dimmed": {"type": "array", "items": {"enum": ["faintly", 3]}},
        },
    },
}


@pytest.fixture(scope="module")
def models():
    models = LanguageModels()
    yield models
    models.close()


def test_the_corpus_is_large_everyday_and_pronounceable(models):
    sentences = corpus_sentences()
    assert len(sentences) > 600
    assert len(set(sentences)) == len(sentences)
    assert {"what is the weather in paris", "set a timer for ten minutes", "stop", "yes please"} <= set(sentences)
    assert all(sentence == " ".join(normalize(sentence)) for sentence in sentences)
    assert models.base.missing == frozenset()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("…!?", []),
        ("It’s 21 degrees.", ["it's twenty one degrees"]),
        ("Use set_light! Now.", ["use set light", "now"]),
        ("1,250 people in 2026", ["one thousand two hundred fifty people in two thousand twenty six"]),
        ("Room 007, code 1234567", ["room zero zero seven code one two three four five six seven"]),
        ("It's 'quoted' and don't", ["it's quoted and don't"]),
        ("100 999999", ["one hundred nine hundred ninety nine thousand nine hundred ninety nine"]),
    ],
)
def test_text_becomes_lines_of_plain_words(text, lines):
    assert normalize(text) == lines


def test_tools_bring_their_names_descriptions_and_values(models):
    lines = tool_sentences([LIGHTS])
    assert {"set light", "switch a lamp in a room", "in the greenhouse", "set light attic", "faintly", "three"} <= set(
        lines
    )
    assert {"greenhouse", "attic", "faintly"} <= models.build(tools=[LIGHTS]).words


@pytest.mark.parametrize(
    "tool",
    [
        {},
        {"name": None, "parameters": 3},
        {"parameters": {"properties": ["x"], "enum": 5}},
        {"parameters": {"enum": []}},
    ],
)
def test_odd_tools_do_no_harm(models, tool):
    assert models.base.words <= models.build(tools=[tool]).words


def test_instructions_and_scripts_add_words(models):
    model = models.build(instructions="You sell umbrellas to pelicans.", sentences=["The walrus yawns."])
    assert {"pelicans", "walrus", "yawns"} <= model.words
    assert not {"pelicans", "walrus"} & models.base.words


def test_words_without_a_pronunciation_are_left_out_and_told(models):
    model = models.build(sentences=["Ask Zxqwv about 3 tulips.", "Ça, שלום"])
    assert model.missing == {"zxqwv", "ça", "שלום"}
    assert "tulips" in model.words
    assert "zxqwv" not in model.lm_path.read_text("utf-8")


def test_equal_content_is_built_once_and_other_content_is_another_model(models):
    one, same = models.build(instructions="Talk of ships."), models.build(instructions="Talk of ships.")
    assert one is same
    assert models.build(instructions="Talk of shoes.").key != one.key
    assert models.base is models.build()


def test_long_sessions_are_read_only_so_far(models):
    model = models.build(instructions="lighthouse " + "word " * 5000 + "submarine")
    assert "lighthouse" in model.words
    assert "submarine" not in model.words


def test_a_model_that_somebody_holds_keeps_its_files(models, monkeypatch):
    held = models.build(instructions="Talk of castles.")
    for number in range(70):
        models._recent.append(models.base)
        del number
    gc.collect()
    assert held.lm_path.exists() and held.dictionary_path.exists()
    path = held.lm_path
    del held
    gc.collect()
    assert not path.exists()


def test_models_are_built_in_a_thread_of_their_own(models, monkeypatch):
    names = []
    build = models.build
    monkeypatch.setattr(
        models, "build", lambda **given: names.append(threading.current_thread().name) or build(**given)
    )
    assert asyncio.run(models.get(instructions="Talk of trains.")).words > models.base.words
    assert names[0].startswith("realtime_nb-lm")


def test_close_removes_the_folder():
    models = LanguageModels()
    folder = models.base.lm_path.parent
    assert folder.exists()
    models.close()
    assert not folder.exists()


def test_the_dictionary_knows_variants_and_only_whole_words():
    dictionary = Dictionary(b"rea R\nread R EH D\nread(2) R IY D\nread's R EH D Z\nreader R IY D ER\n")
    assert dictionary.pronunciations("read") == ["read R EH D\n", "read(2) R IY D\n"]
    assert dictionary.pronunciations("reader") == ["reader R IY D ER\n"]
    assert dictionary.pronunciations("rea") == ["rea R\n"]
    for absent in ("re", "reade", "a", "zebra", "read("):
        assert dictionary.pronunciations(absent) == []


def test_first_and_last_word_of_the_shipped_dictionary_are_found():
    dictionary = Dictionary.load()
    assert dictionary.pronunciations("'bout") == ["'bout B AW T\n"]
    assert dictionary.pronunciations("zywicki")
    assert len(dictionary.pronunciations("a")) == 2
