"""What a run will cost, before anything is spent."""

from functools import partial

import numpy as np
import pytest

import realtime_nb as rt
from realtime_nb.experiments import Dataset, Example, RuleUser, Scenario, forecast
from realtime_nb.media.clip import AudioClip

OPENAI = rt.Backend("openai", "https://api.openai.com/v1", "a-key")
HOSTED = partial(rt.RealtimeSession, backend=OPENAI, model="gpt-realtime-2.1")


def test_it_is_that_of_as_many_conversations_of_one_turn():
    clips = [Example(example_id=str(n), source=AudioClip(np.full(24_000 * 6, 0.1))) for n in range(3)]
    found = forecast(Dataset(clips), {"hosted": HOSTED}, conditions=2, repeats=5)
    one = rt.estimate(6 / 60, 8 / 60, "gpt-realtime-2.1", turns=1).total_usd
    assert found.cells == 30 and found.total_usd == pytest.approx(30 * one)
    assert found.dearest_cell_usd == pytest.approx(one)
    assert str(found).startswith("30 answers, about $")


def test_texts_are_taken_to_be_spoken_at_150_words_a_minute_and_are_not_spoken():
    def never(text):
        raise AssertionError("spoken")

    found = forecast(Dataset.from_texts(["one two three four five"], speaker=never), {"hosted": HOSTED})
    assert found.total_usd == pytest.approx(rt.estimate(2 / 60, 8 / 60, "gpt-realtime-2.1", turns=1).total_usd)


def test_a_forecast_names_its_unknowns(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    systems = {
        "local": partial(rt.RealtimeSession, backend="local"),
        "chain": partial(rt.CascadeSession, backend="local", text_model="a-model-of-mine"),
        "no key": partial(rt.ChatSession, backend="openai"),
        "elsewhere": partial(rt.RealtimeSession, backend="https://voice.example.org/v1", model="gpt-realtime-2.1"),
    }
    found = forecast(Dataset.from_texts(["Hi"]), systems)
    assert found.usd == {"local": 0.0, "chain": None, "no key": None, "elsewhere": None} and found.total_usd is None
    assert "plus a cost that is not known in advance: chain, no key, elsewhere" in str(found)


def test_a_chain_costs_what_its_three_models_do():
    clip = Example(example_id="a", source=AudioClip(np.full(24_000 * 6, 0.1)))
    hosted = partial(rt.CascadeSession, backend=OPENAI, transcriber="gpt-transcribe", text_model="gpt-4o-mini")
    systems = {
        "by characters": partial(hosted, speaker="tts-1"),
        "by tokens": partial(hosted, speaker="gpt-4o-mini-tts"),
        "local": partial(rt.CascadeSession, backend="local"),
    }
    with pytest.warns(FutureWarning):
        found = forecast(Dataset([clip]), systems).usd
    # 6 s are 20 tokens, and 8 s are 27, as text; prices of a minute, and of a million tokens or characters.
    before = 0.0045 * 6 / 60 + (120 * 0.15 + 27 * 0.6) / 1e6
    assert found["by characters"] == pytest.approx(before + 107 * 15 / 1e6)
    assert found["by tokens"] == pytest.approx(before + (27 * 0.6 + 160 * 12) / 1e6)
    assert found["local"] == 0


def test_conversations_are_as_long_as_they_may_be():
    script = ["What can you do?"] * 3
    user = RuleUser([], opening="What can you do?")
    one, three, simulated = (
        forecast(Dataset(examples), {"hosted": HOSTED}).total_usd
        for examples in (
            [Example(example_id="a", text=script[0])],
            [Scenario(example_id="a", turns=script)],
            [Scenario(example_id="a", user=user, max_turns=6)],
        )
    )
    # Each turn reads all that was said before.
    assert 3 * one < three < 9 * one and simulated > 2 * three
