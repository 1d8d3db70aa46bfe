import base64
import io

import numpy as np
import pytest
from PIL import Image
from record_samples import HOSTILE
from test_latency import MARKS, replied

from realtime_nb.conversation.timeline import STEPS, Timeline, Waterfall, timeline
from realtime_nb.views import mimebundle


def several(count):
    return Timeline([Waterfall.of(replied(number, slower_ms=10.0 * number)) for number in range(count)])


def pixels(bundle):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).convert("RGBA"))


def test_a_reply_in_words():
    reply = replied()
    reply.timing.mark("speech.started", 1_600.0)
    reply.timing.mark("speech.done", 1_900.0)
    assert mimebundle(timeline(reply))["text/plain"] == (
        "“What time is it?”: first audible sample after 830 ms (capture 15 ms, road 5.0 ms, kernel 10 ms, "
        "socket 1.0 ms, turn detection 499 ms, model first byte 200 ms, playback pre-roll 45 ms, "
        "leading silence 15 ms, loudspeaker 40 ms, speech 300 ms)\n"
        "The page's clock was 3.0 ms behind the kernel's, give or take 1.4 ms; the times are corrected for it."
    )


def test_a_latency_that_the_browser_does_not_tell_is_called_an_estimate():
    reply = replied()
    reply.timing.latency_is_estimate = True
    told = timeline(reply)
    assert "that step is an estimate" in mimebundle(told)["text/plain"]
    assert list(told.frame["step"][told.frame["estimate"]]) == ["loudspeaker"]


def test_a_moment_is_short_and_not_zero():
    bundle = mimebundle(timeline(replied(marks=MARKS | {"arrived": 999.97})))
    assert "kernel < 0.1 ms," in bundle["text/plain"]
    assert ">&lt; 0.1 ms</span>" in bundle["text/html"]


def test_a_reply_is_a_picture_and_a_table_of_its_steps():
    bundle = mimebundle(timeline(replied()))
    cells = [bundle["text/html"].index(f">{name}<br>") for name in STEPS]
    assert cells == sorted(cells)
    assert "<script" not in bundle["text/html"] and bundle["text/html"].count("<img ") == 1
    image = pixels(bundle)
    assert image.shape[1] > 600 and image[0, 0, 3] == 0


def test_several_replies_have_percentiles():
    bundle = mimebundle(several(5))
    assert "total: p50 850 ms, p95 868 ms of 5" in bundle["text/plain"]
    assert "p95" in bundle["text/html"] and "until the first audible sample" in bundle["text/html"]
    assert len(bundle["text/plain"].splitlines()) == 5 + len(STEPS) + 1 + 1


def test_a_long_conversation_is_drawn_from_its_end_and_says_so():
    bundle = mimebundle(several(60))
    assert "The picture has the last 24 answers, the figures have all 60." in bundle["text/html"]
    assert len(pixels(bundle)) == len(pixels(mimebundle(several(24))))


def test_an_answer_that_no_page_played_says_so():
    marks = {"first_audio": MARKS["first_audio"], "audible_on_arrival": MARKS["audible_on_arrival"]}
    text = mimebundle(timeline(replied(marks=marks)))["text/plain"]
    assert "no page played" in text and "clock" not in text


@pytest.mark.parametrize("record", [Timeline([]), timeline(replied(marks={}))])
def test_without_times_the_timeline_is_words(record):
    bundle = mimebundle(record)
    assert bundle.keys() == {"text/plain", "text/html"}
    assert "No answers yet." in bundle["text/plain"] or "no audible sample" in bundle["text/plain"]


def test_what_people_say_is_text():
    both = Timeline([Waterfall.of(replied(1, asked=HOSTILE)), Waterfall.of(replied(2, asked="$x^$ costs $5"))])
    for record in (both, timeline(replied(asked=HOSTILE))):
        html = mimebundle(record)["text/html"]
        assert "<script" not in html and "<img src=x" not in html
