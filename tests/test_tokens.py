from hypothesis import given
from hypothesis import strategies as st
from wire_samples import USAGE as RECORDED

from realtime_nb.tokens import BILLED, Usage

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
        **{f"{kind}_in": billed[f"{kind}_fresh"] + billed[f"{kind}_cached"] for kind in kinds},
        **{f"{kind}_cached": billed[f"{kind}_cached"] for kind in kinds},
        text_out=billed["text_out"],
        audio_out=billed["audio_out"],
    )
    assert usage.tokens == billed
    assert sum(usage.tokens.values()) == usage.input_tokens + usage.output_tokens
