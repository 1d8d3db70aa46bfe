import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_samples import USAGE as RECORDED

from realtime_nb.pricing.cost import cost_of, metered_cost
from realtime_nb.pricing.usage import BILLED, Usage, add_usages, read_usage
from realtime_nb.protocol.chat import realtime_usage

counts = st.integers(0, 10_000)


def test_usage_is_read_by_kind():
    usage = Usage.from_realtime(RECORDED)
    assert usage == Usage(text_in=14, audio_in=27, text_out=28, audio_out=136)
    assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens) == (41, 0, 164)


def test_usage_that_is_not_split_counts_as_text():
    assert Usage.from_realtime({"input_tokens": 5, "output_tokens": 7}) == Usage(text_in=5, text_out=7)
    assert Usage.from_realtime(None) == Usage()


@given(st.tuples(*[counts] * 8))
def test_what_is_billed_holds_every_token_once(tokens):
    billed = dict(zip(BILLED, tokens, strict=True))
    kinds = ("text", "audio", "image")
    usage = Usage(
        **{f"{kind}_in": billed[f"{kind}_uncached_input"] + billed[f"{kind}_cached_input"] for kind in kinds},
        **{f"{kind}_cached": billed[f"{kind}_cached_input"] for kind in kinds},
        text_out=billed["text_output"],
        audio_out=billed["audio_output"],
    )
    assert usage.tokens == billed
    assert sum(usage.tokens.values()) == usage.input_tokens + usage.output_tokens


PAID = "gpt-realtime-2.1"


@pytest.mark.parametrize(
    ("told", "usage", "unsplit"),
    [
        ({"input_tokens": 30_000, "output_tokens": 9}, Usage(text_in=30_000, text_out=9), (30_000, 9)),
        (
            {"input_tokens": 30_000, "output_tokens": 9, "input_token_details": {"cached_tokens": 0}},
            Usage(text_in=30_000, text_out=9),
            (30_000, 9),
        ),
        (
            {
                "input_tokens": 20,
                "input_token_details": {"text_tokens": 5, "audio_tokens": 10},
                "output_tokens": 500,
                "output_token_details": {"reasoning_tokens": 400},
            },
            Usage(text_in=10, audio_in=10, text_out=500, reasoning_out=400),
            (5, 100),
        ),
        (
            {"input_tokens": 20, "input_token_details": {"audio_tokens": 15}, "output_tokens": 0},
            Usage(text_in=5, audio_in=15),
            (0, 0),  # Where the audio is told and the text is not, the rest is text.
        ),
        ({"input_token_details": {"audio_tokens": 15}, "total_tokens": 40}, Usage(audio_in=15, text_out=25), (0, 25)),
        ({"output_tokens": 15, "total_tokens": 40}, Usage(text_in=25, text_out=15), (25, 15)),
        ({"input_tokens": "30", "output_tokens": 1.5}, Usage(text_in=30, text_out=2), (30, 2)),
        (
            {"input_tokens": 10, "input_token_details": {"text_tokens": 8, "audio_tokens": 7}, "output_tokens": 1},
            Usage(text_in=8, audio_in=7, text_out=1),
            (0, 1),
        ),
    ],
)
def test_what_the_details_leave_unsplit_counts_as_text(told, usage, unsplit):
    read = read_usage(told)
    assert read == usage and read.is_complete
    assert (read.unsplit_in, read.unsplit_out) == unsplit
    cost = cost_of(read, PAID)
    assert cost.total_usd > 0
    assert cost.unsure_usd == pytest.approx((unsplit[0] * (32 - 4) + unsplit[1] * (64 - 24)) / 1e6)
    assert bool(cost.remarks) == any((*unsplit, read.remarks))


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 3}, Usage(text_in=7, text_out=3)),
        (
            {
                "prompt_tokens": 30_000,
                "completion_tokens": 40,
                "prompt_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "cached_tokens": 0},
                "completion_tokens_details": {"text_tokens": 0, "audio_tokens": 0},
            },
            Usage(text_in=30_000, text_out=40),
        ),
        (
            {
                "prompt_tokens": 30,
                "completion_tokens": 50,
                "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 8},
                "completion_tokens_details": {
                    "audio_tokens": 0,
                    "reasoning_tokens": 20,
                    "accepted_prediction_tokens": 4,
                    "rejected_prediction_tokens": 6,
                },
            },
            Usage(text_in=30, text_cached=8, text_out=50, reasoning_out=20),
        ),
        (  # xAI counts what was thought in the total alone.
            {
                "prompt_tokens": 30,
                "completion_tokens": 10,
                "total_tokens": 340,
                "completion_tokens_details": {"reasoning_tokens": 300, "audio_tokens": 0},
            },
            Usage(text_in=30, text_out=310, reasoning_out=300),
        ),
    ],
)
def test_a_completions_usage_is_never_less_than_its_totals(told, usage):
    assert read_usage(realtime_usage(told)) == usage


@pytest.mark.parametrize("value", ["a few", [30], True])
def test_a_usage_that_is_no_account_of_tokens_is_none(value):
    assert read_usage(value) is None and realtime_usage(value) is None
    assert read_usage({"input_tokens": value, "output_tokens": value}) is None
    assert metered_cost({"input_tokens": value, "output_tokens": value}, PAID) is None


@pytest.mark.parametrize("value", [-1, 1.5e300, math.nan, math.inf, 2**60, "a few", [30], True, {}])
def test_a_number_that_is_none_is_remarked_and_the_cost_is_the_least(value):
    read = read_usage({"input_tokens": value, "output_tokens": 100})
    cost = cost_of(read, PAID)
    assert not read.is_complete and cost.total_usd > 0 and math.isinf(cost.unsure_usd)
    assert any("input_tokens of the usage is not a number of tokens" in remark for remark in cost.remarks)
    assert "it costs more than this" in cost.remarks[-1]


def test_a_total_alone_is_the_least():
    cost = cost_of(read_usage({"total_tokens": 1_000}), PAID)
    assert cost.total_usd == pytest.approx(0.004) and math.isinf(cost.unsure_usd)
    assert "only total_tokens" in cost.remarks[0]


@pytest.mark.parametrize(
    ("details", "usage", "unsplit"),
    [
        (
            {"text_tokens": 5, "audio_tokens": 10, "cached_tokens": 99},
            Usage(text_in=5, audio_in=10, text_cached=5, audio_cached=10),
            0,
        ),
        (
            {"text_tokens": 5, "audio_tokens": 10, "cached_tokens": 8},
            Usage(text_in=5, audio_in=10, text_cached=5, audio_cached=3),
            8,
        ),
        ({"text_tokens": 15, "cached_tokens": 8}, Usage(text_in=15, text_cached=8), 0),
        (
            {"text_tokens": 15, "cached_tokens_details": {"text_tokens": 99, "audio_tokens": 3}},
            Usage(text_in=15, text_cached=15),
            0,
        ),
        (
            {"text_tokens": 15, "cached_tokens": 8, "cached_tokens_details": {"text_tokens": None}},
            Usage(text_in=15, text_cached=8),
            0,
        ),
    ],
)
def test_cached_tokens_are_no_more_than_were_read_and_text_first(details, usage, unsplit):
    read = read_usage({"input_tokens": 15, "output_tokens": 0, "input_token_details": details})
    assert read == usage and read.unsplit_cached == unsplit
    cost = cost_of(read, PAID)
    assert not unsplit or any("it may have cost less" in remark for remark in cost.remarks)


def test_what_a_model_without_sound_is_not_told_by_kind_is_sure_to_be_text():
    cost = cost_of(read_usage({"input_tokens": 1_000, "output_tokens": 10}), "gpt-6-luna")
    assert cost.total_usd > 0 and cost.unsure_usd == 0 and cost.remarks == ()
    assert cost_of(read_usage({"total_tokens": 10}), "local-rules").remarks == ()


def test_usages_of_several_requests_add_up_or_are_not_known():
    one = {"type": "tokens", "input_tokens": 5, "input_token_details": {"audio_tokens": 5}}
    assert add_usages([one, {**one, "input_tokens": "7"}]) == {
        "type": "tokens",
        "input_tokens": 12,
        "input_token_details": {"audio_tokens": 10},
    }
    assert add_usages([one, None]) is None and add_usages([one, {}]) is None and add_usages([]) is None
    # What is no number stays one, whatever is added to it.
    for order in ([one, {"input_tokens": -3}, one], [{"input_tokens": -3}, one, one]):
        assert add_usages(order)["input_tokens"] == -3


@given(st.lists(st.tuples(*[counts] * 4), min_size=1, max_size=4))
def test_adding_what_was_told_is_adding_what_was_read(tokens):
    told = [
        {
            "input_tokens": text + audio,
            "output_tokens": out + sound,
            "input_token_details": {"text_tokens": text, "audio_tokens": audio},
            "output_token_details": {"text_tokens": out, "audio_tokens": sound},
        }
        for text, audio, out, sound in tokens
    ]
    assert Usage.from_realtime(add_usages(told)) == sum((Usage.from_realtime(each) for each in told), Usage())


odd_numbers = st.none() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=3) | st.booleans()
odd_details = st.dictionaries(
    st.sampled_from(["text_tokens", "audio_tokens", "image_tokens", "cached_tokens", "reasoning_tokens"]), odd_numbers
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("input_tokens", "output_tokens", "total_tokens"), odd_numbers),
            **dict.fromkeys(("input_token_details", "output_token_details"), odd_numbers | odd_details),
        },
    )
)
def test_whatever_a_server_tells_is_never_free_where_it_tells_any_tokens(told):
    read = read_usage(told)
    if read is None:
        return
    cost = cost_of(read, PAID)
    least = max(
        (n for n in (told.get("input_tokens"), told.get("total_tokens")) if type(n) is int and 0 <= n < 2**53),
        default=0,
    )
    assert cost.total_usd >= 0 and read.cached_tokens <= read.input_tokens
    assert not least or cost.total_usd > 0 or cost.remarks


@pytest.mark.parametrize("name", ["input_tokens", "output_tokens"])
def test_more_than_any_model_takes_is_remarked(name):
    read = read_usage({"input_tokens": 5, "output_tokens": 5, name: 1e12})
    assert read.remarks == (f"{name} of the usage is more than any model uses: 1000000000000.0",)


def test_what_a_total_holds_beside_both_parts_was_made():
    read = read_usage({"input_tokens": 100, "output_tokens": 50, "total_tokens": 1_150})
    assert read == Usage(text_in=100, text_out=1_050) and read.unsplit_out == 1_050
    assert "the rest counts as output" in read.remarks[0]


@pytest.mark.parametrize(
    "told",
    [
        {"prompt_tokens": 9, "completion_tokens": 4},
        {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
        {"input_tokens": 0, "output_tokens": 0, "prompt_tokens": 9, "completion_tokens": 4},
        {"input_tokens": 9, "completion_tokens": 4},
    ],
)
def test_a_realtime_usage_in_the_names_of_chat_completions_is_counted(told):
    assert read_usage(told) == Usage(text_in=9, text_out=4)
    assert cost_of(read_usage(told), PAID).total_usd > 0


@pytest.mark.parametrize("way", ["{}put_tokens_details", "{}put_token_details"])
def test_tokens_by_kind_are_counted_under_every_name_of_their_details(way):
    into, out = {"audio_tokens": 8, "text_tokens": 1}, {"audio_tokens": 4, "text_tokens": 0}
    told = {"input_tokens": 9, "output_tokens": 4, way.format("in"): into, way.format("out"): out}
    assert read_usage(told) == Usage(text_in=1, audio_in=8, audio_out=4)
    chat = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": into, "completion_tokens_details": out}
    assert read_usage(chat) == Usage(text_in=1, audio_in=8, audio_out=4)


def test_a_completions_totals_are_read_by_either_name():
    told = {"prompt_tokens": None, "input_tokens": 7, "completion_tokens": None, "output_tokens": 3}
    read = read_usage(realtime_usage(told | {"input_tokens_details": {"cached_tokens": 4}}))
    assert read == Usage(text_in=7, text_cached=4, text_out=3)
