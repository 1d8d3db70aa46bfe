import pytest

import realtime_nb as rt
from realtime_nb.conversation.records import Stage
from realtime_nb.conversation.timing import Timing
from realtime_nb.views import mimebundle


def text(record):
    return mimebundle(record)["text/plain"]


def test_tokens_are_told_by_what_they_are_billed_as():
    usage = rt.Usage(text_in=1_200, text_cached=1_000, audio_in=30, text_out=12, reasoning_out=4, audio_out=50)
    assert text(usage) == (
        "tokens 1,292, text uncached input 200, text cached input 1,000, text output 12, audio uncached input 30, "
        "audio output 50, of which reasoning 4"
    )


def test_dollars_are_told_with_the_day_of_their_prices():
    cost = rt.Cost(input_usd=0.02, cached_usd=0.001, output_usd=0.3, as_of="2026-11-22")
    assert text(cost) == (
        "total $0.3210, uncached input $0.0200, cached input $0.00100, output $0.3000, prices of 2026-11-22"
    )


def test_a_free_answer_says_so():
    assert text(rt.Cost()) == "total $0"


def test_only_what_happened_has_a_time():
    timing = Timing()
    assert text(timing) == "timing nothing has happened yet"
    timing.origin_ms = 100.0
    timing.mark("created", 130.0)
    timing.mark("first_audio", 1_600.4)
    timing.mark("speech.started", 150.0)
    assert text(timing) == "begun 30 ms, first audio 1,500 ms, speech begun 50 ms"


def test_a_step_tells_its_model_what_it_took_and_what_that_cost():
    stage = Stage(model="gpt-transcribe", usage={"type": "duration", "seconds": 60.0}, remark="two words left out")
    assert text(stage) == "model gpt-transcribe, seconds 60, cost $0.00450, remark two words left out"


def test_a_step_of_an_unknown_model_has_an_unknown_cost():
    assert text(Stage(model="mine", usage={"total_tokens": 7})) == "model mine, total tokens 7, cost unknown"


def test_models_and_remarks_are_shown_as_text():
    html = mimebundle(Stage(model="<script>", remark="<img onerror=x>"))["text/html"]
    assert "&lt;script&gt;" in html and "<img" not in html


@pytest.mark.parametrize("record", [rt.Usage(), rt.Cost(), Timing(), Stage()])
def test_a_notebook_asks_the_record_itself(record):
    assert record._repr_mimebundle_() == mimebundle(record)
