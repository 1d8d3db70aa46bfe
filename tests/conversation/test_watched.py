import numpy as np

from realtime_nb.conversation.watched import Watch
from realtime_nb.media.picture import Picture
from realtime_nb.views import mimebundle


def watch(frames=0, **fields):
    made = Watch(model="gpt-realtime-2.1", every_s=2, min_change=0.02, max_frames=100, keep=None)
    made.frames = [Picture.of(np.full((30, 40), shade, np.uint8), detail="low") for shade in range(frames)]
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_it_tells_what_was_sent_and_what_that_costs():
    made = watch(10, skipped=4)
    assert made.tokens == 850 and abs(made.cost.total_usd - 850 * 5e-6) < 1e-9
    assert repr(made) == "Watch(10 frames sent, 4 skipped as unchanged, every 2 s)"
    bundle = mimebundle(made)
    assert bundle["text/html"].count("<img") == 6 and "the last 6 frames" in bundle["text/html"]
    for text in ("10 of at most 100", "about 850 tokens, $0.0042", "gpt-realtime-2.1"):
        assert text in bundle["text/html"] and text in bundle["text/plain"]


def test_the_price_of_an_unknown_model_is_not_guessed():
    assert watch(1, model="mine").cost is None
    assert "tokens, unknown" in mimebundle(watch(1, model="mine"))["text/plain"]


def test_errors_are_shown_as_text():
    bundle = mimebundle(watch(problem="no <b>camera</b>", ended="stopped"))
    assert "&lt;b&gt;camera" in bundle["text/html"] and "<b>" not in bundle["text/html"]
    assert "stopped" in bundle["text/plain"]


def test_stopping_is_handed_on():
    made = watch()
    stopped = []
    made._on_stop = lambda: stopped.append(True)
    made.stop()
    assert stopped == [True]
