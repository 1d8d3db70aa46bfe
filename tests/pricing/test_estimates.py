import itertools

import pytest

from realtime_nb.errors import SettingsError
from realtime_nb.pricing.cost import cost_of
from realtime_nb.pricing.estimate import estimate
from realtime_nb.pricing.prices import use_prices
from realtime_nb.pricing.usage import Usage
from realtime_nb.views import mimebundle

LAUNCH = "gpt-4o-realtime-preview-2024-10-01"


def test_the_launch_posts_prices_a_minute_come_out():
    assert estimate(1, 0, LAUNCH, turns=1, instruction_tokens=0).total_usd == pytest.approx(0.06)
    spoken = estimate(0, 1, LAUNCH, turns=1, instruction_tokens=0)
    assert spoken.usages[0].audio_out == 1_200
    assert spoken.total_usd == pytest.approx(0.24 + 240 * 20 / 1e6)  # The words of the answer come on top.


def test_the_second_turn_reads_what_the_cost_guide_says():
    # "100 tokens of instructions, a user message of 20 audio tokens", an answer of 20 audio tokens; the guide's answer
    # has 10 text tokens, and its second question 25 audio tokens, where here all questions are alike.
    first, second = estimate(40 / 600, 40 / 1_200, turns=2).usages
    assert (first.text_in, first.audio_in, first.audio_out) == (100, 20, 20)
    assert (second.text_in, second.audio_in) == (100 + 4, 20 + 20 + 20)


def test_later_turns_cost_more_and_caching_makes_it_bearable():
    made = estimate(10, 10, turns=20)
    assert made.turns_usd[0] < made.turns_usd[1] > made.turns_usd[2]  # The third is the first to find something cached.
    assert made.turns_usd[2:] == sorted(made.turns_usd[2:]) and made.turns_usd[-1] > 1.05 * made.turns_usd[2]
    read = [usage.input_tokens for usage in made.usages]
    assert [after - before for before, after in itertools.pairwise(read)] == [300 + 600 + 120] * 19
    assert made.uncached_usd > 2 * made.total_usd
    assert made.total_usd == pytest.approx(sum(cost_of(usage, made.model).total_usd for usage in made.usages))
    assert estimate(10, 10, turns=1).total_usd < made.total_usd


def test_cached_is_what_the_turn_before_read_from_1024_tokens_on():
    usages = estimate(10, 10, turns=20).usages  # 300 heard, 600 spoken a turn
    assert [usage.cached_tokens for usage in usages[:4]] == [0, 0, usages[1].input_tokens, usages[2].input_tokens]
    assert usages[0].input_tokens < 1_024 < usages[1].input_tokens


def test_a_long_conversation_loses_its_beginning_and_its_cache():
    made = estimate(20, 20, "gpt-realtime", turns=20)
    assert max(usage.input_tokens for usage in made.usages) <= 28_672
    assert made.dropped_from and made.usages[made.dropped_from - 1].cached_tokens == 0
    assert f"From turn {made.dropped_from} on" in made.explanation
    assert estimate(20, 20, "gpt-realtime-2.1", turns=20).dropped_from is None


def test_the_frame_has_a_row_for_each_turn():
    made = estimate(2, 3, turns=5)
    assert list(made.frame.index) == [1, 2, 3, 4, 5]
    assert made.frame["cumulative_usd"].iloc[-1] == pytest.approx(made.total_usd)
    assert made.frame["audio_output_tokens"].sum() == 3_600


def test_the_explanation_has_this_estimates_numbers():
    made = estimate(5, 5, turns=10)
    text = mimebundle(made)["text/plain"]
    assert "Each turn reads the whole conversation again" in text
    assert (
        f"{made.usages[-1].input_tokens:,} and costs" in text and f"{made.usages[-1].cached_tokens:,} were read" in text
    )
    assert "turn 10, input" in text and "image/png" in mimebundle(made)
    assert "Nothing is cached here" in estimate(0.1, 0.1, turns=2).explanation
    assert "Each turn" not in estimate(1, 1, turns=1).explanation


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"minutes_in": -1}, "minutes_in=-1 must be 0 or more"),
        ({"minutes_out": float("nan")}, "minutes_out=nan must be 0 or more"),
        ({"turns": 0}, "turns=0 must be 1 or more"),
        ({"instruction_tokens": -5}, "instruction_tokens=-5 must be 0 or more"),
        ({"model": "gpt-9"}, "model='gpt-9' has no known price: give it one with realtime_nb.use_prices"),
        ({"model": "gpt-live-1"}, "model='gpt-live-1' is billed by time, \\$0.0500 a minute"),
        ({"model": "gpt-4o"}, "model='gpt-4o' has no price for tokens of text and audio"),
    ],
)
def test_an_impossible_estimate_is_refused(arguments, text):
    with pytest.raises(SettingsError, match=text):
        estimate(**{"minutes_in": 1, "minutes_out": 1, **arguments})


def test_your_own_price_counts():
    use_prices({"berlin": {"like": "azure/eu/gpt-realtime-2.1"}})
    try:
        assert estimate(1, 1, "berlin").total_usd == pytest.approx(1.1 * estimate(1, 1).total_usd)
    finally:
        use_prices(None)
    assert cost_of(Usage(text_in=1), "berlin") is None
