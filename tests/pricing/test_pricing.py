import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_nb.pricing.cost import Cost, cost_of, format_usd, metered_cost, price_tokens
from realtime_nb.pricing.prices import price_table
from realtime_nb.pricing.usage import Usage

# A recorded turn: 2.8 s heard, 6.8 s spoken.
RECORDED = {
    "total_tokens": 205,
    "input_tokens": 41,
    "output_tokens": 164,
    "input_token_details": {
        "text_tokens": 14,
        "audio_tokens": 27,
        "image_tokens": 0,
        "cached_tokens": 0,
        "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 28, "audio_tokens": 136},
}
# The example of the API reference, response.done.
REFERENCE = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {
        "text_tokens": 119,
        "audio_tokens": 13,
        "image_tokens": 0,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("usage", "model", "usd"),
    [
        (REFERENCE, "gpt-realtime-2.1", 0.0072056),
        (RECORDED, "gpt-realtime-2.1", (14 * 4 + 27 * 32 + 28 * 24 + 136 * 64) / 1e6),
        (RECORDED, "gpt-realtime", (14 * 4 + 27 * 32 + 28 * 16 + 136 * 64) / 1e6),
        (RECORDED, "gpt-realtime-2.1-mini", (14 * 0.6 + 27 * 10 + 28 * 2.4 + 136 * 20) / 1e6),
    ],
)
def test_a_reply_costs_what_the_table_says(usage, model, usd):
    cost = cost_of(Usage.from_realtime(usage), model)
    assert cost.total_usd == pytest.approx(usd, rel=1e-12)
    assert cost.as_of and cost.source


@pytest.mark.parametrize(
    ("model", "heard", "spoken"),
    [
        ("gpt-realtime-2.1", 0.0192, 0.0768),
        ("gpt-realtime-2.1-mini", 0.006, 0.024),
        ("gpt-4o-realtime-preview-2024-10-01", 0.06, 0.24),
    ],
)
def test_a_minute_costs_what_was_announced(model, heard, spoken):
    assert cost_of(Usage(audio_in=600), model).total_usd == pytest.approx(heard)
    assert cost_of(Usage(audio_out=1_200), model).total_usd == pytest.approx(spoken)


def test_a_price_carries_its_date():
    assert cost_of(Usage(text_in=1), "gpt-4o-realtime-preview-2024-10-01").as_of == "2024-10-01"
    assert cost_of(Usage(text_in=1), "gpt-realtime-2.1").as_of == price_table()["as_of"]


def test_cached_tokens_are_a_part_of_the_input_not_on_top():
    usage = Usage.from_realtime(
        {
            "input_token_details": {
                "text_tokens": 401,
                "cached_tokens": 384,
                "cached_tokens_details": {"text_tokens": 384, "audio_tokens": 0},
            }
        }
    )
    assert usage.input_tokens == 401
    cost = cost_of(usage, "gpt-realtime-2.1")
    assert cost.input_usd == pytest.approx(17 * 4 / 1e6)
    assert cost.cached_usd == pytest.approx(384 * 0.4 / 1e6)


def test_cached_tokens_that_are_not_split_never_exceed_their_kind():
    usage = Usage.from_realtime(
        {"input_token_details": {"text_tokens": 14, "audio_tokens": 400, "image_tokens": 0, "cached_tokens": 384}}
    )
    assert (usage.text_cached, usage.audio_cached, usage.image_cached) == (14, 370, 0)
    assert cost_of(usage, "gpt-realtime-2.1").input_usd == pytest.approx(30 * 32 / 1e6)


@given(st.dictionaries(st.sampled_from(sorted({*RECORDED, "output_token_details"})), json_values))
def test_odd_usage_counts_as_zero_and_never_raises(usage):
    read = Usage.from_realtime(usage)
    assert read.cached_tokens <= read.input_tokens
    assert cost_of(read, "gpt-realtime-2.1").total_usd >= 0


@given(*[st.dictionaries(st.sampled_from(["text_tokens", "audio_tokens", "cached_tokens"]), json_values)] * 2)
def test_odd_details_count_as_zero_and_never_raise(details, out):
    read = Usage.from_realtime({"input_token_details": details, "output_token_details": out})
    assert read.cached_tokens <= read.input_tokens
    assert cost_of(read, "gpt-realtime-2.1").total_usd >= 0


def test_usages_and_costs_add_up():
    both = Usage.from_realtime(RECORDED) + Usage.from_realtime(REFERENCE)
    assert (both.text_in, both.text_cached, both.audio_out) == (133, 64, 227)
    one, other = (cost_of(Usage.from_realtime(usage), "gpt-realtime-2.1") for usage in (RECORDED, REFERENCE))
    assert (one + other).total_usd == pytest.approx(cost_of(both, "gpt-realtime-2.1").total_usd)
    old = Cost(input_usd=1, as_of="2024-10-01", source="a page")
    assert (Cost(input_usd=1) + old).as_of == (one + old).as_of == "2024-10-01"


@pytest.mark.parametrize("model", ["gpt-9", "", None, "gpt-realtime-extra", "my-deployment"])
def test_an_unknown_model_has_no_price(model):
    assert cost_of(Usage(text_in=1), model) is None


def test_a_kind_of_token_without_a_price_is_not_guessed():
    assert cost_of(Usage(image_in=1), "gpt-4o-realtime-preview") is None
    assert cost_of(Usage(text_in=1), "gpt-realtime-whisper") is None


@pytest.mark.parametrize("model", ["local-voice", "local-rules", "local-script", "local-transcribe"])
def test_the_local_voice_is_free(model):
    assert cost_of(Usage.from_realtime(RECORDED), model).total_usd == 0
    assert metered_cost({"type": "duration", "seconds": 60}, model).total_usd == 0


def test_transcription_is_billed_by_its_own_model():
    assert metered_cost({"type": "duration", "seconds": 90}, "gpt-realtime-whisper").total_usd == pytest.approx(0.0255)
    tokens = {"type": "tokens", "input_tokens": 10, "output_tokens": 5, "input_token_details": {"audio_tokens": 10}}
    assert metered_cost(tokens, "gpt-realtime-whisper") is None
    assert metered_cost({"type": "duration", "seconds": 1}, "gpt-realtime-2.1") is None
    assert metered_cost(None, "gpt-realtime-whisper") is None


@pytest.mark.parametrize("seconds", [None, "long", [], float("nan"), 0, -1])
def test_an_odd_duration_has_no_price(seconds):
    assert metered_cost({"type": "duration", "seconds": seconds}, "gpt-realtime-whisper") is None


def test_a_duration_as_text_is_one_and_an_absurd_one_is_remarked():
    told = {"type": "duration", "seconds": "60"}
    assert metered_cost(told, "gpt-realtime-whisper").total_usd == pytest.approx(0.017)
    absurd = metered_cost({"type": "duration", "seconds": 1e12}, "gpt-realtime-whisper")
    assert "more than anyone can have asked for: 1e+12" in absurd.remarks[0]


@pytest.mark.parametrize(
    ("usd", "text"),
    [(None, "unknown"), (0, "$0"), (0.0072056, "$0.00721"), (0.24, "$0.2400"), (1234.5, "$1,234.50")],
)
def test_dollars_are_readable(usd, text):
    assert format_usd(usd) == text
    assert usd is None or str(Cost(output_usd=usd)) == text


def test_speech_is_billed_by_its_characters_or_its_tokens():
    assert metered_cost({"type": "characters", "characters": 2_000}, "tts-1").total_usd == pytest.approx(0.03)
    tokens = {"input_token_details": {"text_tokens": 1_000}, "output_token_details": {"audio_tokens": 1_200}}
    assert metered_cost(tokens, "gpt-4o-mini-tts").total_usd == pytest.approx(0.0006 + 0.0144)
    assert metered_cost({"type": "characters", "characters": 9}, "gpt-4o-mini-tts") is None
    assert metered_cost({"type": "characters", "characters": None}, "tts-1") is None


def test_tokens_are_priced_by_what_they_are_billed_as():
    usage = Usage.from_realtime(REFERENCE)
    usd = price_tokens(usage, "gpt-realtime-2.1")
    assert sum(usd.values()) == pytest.approx(cost_of(usage, "gpt-realtime-2.1").total_usd)
    assert usd["text_cached_input"] == pytest.approx(64 * 0.4 / 1e6) and usd["image_uncached_input"] == 0
    unpriced = price_tokens(usage, "gpt-9")
    assert unpriced["audio_output"] is None and unpriced["image_uncached_input"] == 0
