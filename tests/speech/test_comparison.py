import numpy as np
import pytest

from realtime_nb.errors import SettingsError
from realtime_nb.media.clip import AudioClip
from realtime_nb.speech.comparison import Comparison, ComparisonCell
from realtime_nb.views import mimebundle


def clip(seconds=0.4, frequency_hz=150.0):
    time_s = np.arange(int(24_000 * seconds)) / 24_000
    return AudioClip(np.float32(0.3) * np.sign(np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32))


def comparison(first=(100.0, 110.0, 120.0), second=(150.0, 170.0, 190.0)):
    cells = [
        ComparisonCell(
            system=system, clip=f"clip {number}", repeat=1, first_audio_ms=value, done_ms=2 * value, cost_usd=0.01,
            heard="a b", wer=0.5, reply=f"<b>{system}</b>", audio=clip(),
        )
        for system, values in (("fast", first), ("slow", second))
        for number, value in enumerate(values, 1)
    ]  # fmt: skip
    failed = ComparisonCell(system="slow", clip="clip 1", repeat=2, error="<img onerror=alert(1)>")
    return Comparison([*cells, failed], {f"clip {number}": clip() for number in (1, 2, 3)}, words_only=["slow"])


def test_the_frame_has_a_row_for_each_cell():
    frame = comparison().frame
    assert list(frame["system"]) == ["fast"] * 3 + ["slow"] * 4
    assert frame["error"].tolist()[-1].startswith("<img")
    assert {"clip", "repeat", "first_audio_ms", "done_ms", "cost_usd", "heard", "wer", "reply", "audio"} <= set(frame)


def test_differences_are_paired():
    summary = comparison().summary().set_index(["system", "measure"])
    row = summary.loc[("slow", "first_audio_ms")]
    assert row["median"] == 170.0 and row["count"] == 3
    assert row["difference"] == pytest.approx(60.0)  # 50, 60, 70
    assert (row["low"], row["high"]) == pytest.approx((35.2, 84.8), abs=0.1)  # t(2) · 10 / √3 = 24.8 to either side
    assert np.isnan(summary.loc[("fast", "first_audio_ms")]["difference"])


def test_a_system_that_is_not_there_cannot_be_the_baseline():
    with pytest.raises(SettingsError, match="'third' is not one of fast, slow"):
        comparison().summary(baseline="third")


def test_the_view_says_what_each_model_got_and_what_failed():
    bundle = mimebundle(comparison())
    text = bundle["text/plain"]
    assert "fast, answers 3 of 3" in text and "first audio, median 110 ms" in text and "total cost $0.0300" in text
    assert "the sound: pitch range" in text and "words alone" in text
    assert "300 words/min" in text  # "a b" in 0.4 s: what the person said, and what was answered is one word
    assert "150 words/min" in text
    assert bundle["text/html"].count("<audio") == 3 + 6 and "image/png" in bundle
    assert "<img onerror" not in bundle["text/html"] and "<b>fast" not in bundle["text/html"]


def test_repeats_of_a_clip_are_averaged_before_they_are_compared():
    answers = {"fast": [(100, 102, 98), (110, 111, 109)], "slow": [(150, 152, 148), (190, 191, 189)]}
    cells = [
        ComparisonCell(system=system, clip=f"clip {number}", repeat=repeat, first_audio_ms=value)
        for system, clips in answers.items()
        for number, values in enumerate(clips, 1)
        for repeat, value in enumerate(values, 1)
    ]
    repeated = Comparison(cells, {"clip 1": clip(), "clip 2": clip()}).summary().set_index(["system", "measure"])
    once = comparison((100.0, 110.0), (150.0, 190.0)).summary().set_index(["system", "measure"])
    names = ["difference", "low", "high", "pairs"]
    found = repeated.loc[("slow", "first_audio_ms"), names].tolist()
    assert found == pytest.approx(once.loc[("slow", "first_audio_ms"), names].tolist()) and found[-1] == 2
    assert repeated.loc[("fast", "first_audio_ms"), "pairs"] == 0


def test_without_a_price_the_tokens_are_shown():
    cells = [
        ComparisonCell(system="new", clip="clip 1", repeat=repeat, cost_usd=cost, tokens_in=700, tokens_out=80)
        for repeat, cost in enumerate((0.01, None))
    ]
    text = mimebundle(Comparison(cells, {"clip 1": clip()}))["text/plain"]
    assert "total cost unknown (1,400 input · 160 output tokens)" in text


def test_a_comparison_without_answers_can_be_shown():
    failed = Comparison([ComparisonCell(system="one", clip="clip 1", repeat=1, error="no")], {"clip 1": clip()})
    bundle = mimebundle(failed)
    assert "0 of 1; first failure: no" in bundle["text/plain"] and "total cost unknown" in bundle["text/plain"]
    assert "image/png" not in bundle
