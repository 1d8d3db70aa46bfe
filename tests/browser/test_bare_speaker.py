"""The speaker's JavaScript in a real browser: what is rendered, counted in the audio thread."""

import numpy as np
import pytest
from bare import until

from realtime_nb.media.clip import AudioClip
from realtime_nb.widgets.speaker import Speaker


def tone(seconds, hz=440.0):
    t = np.arange(round(24_000 * seconds)) / 24_000
    return AudioClip(0.3 * np.sin(2 * np.pi * hz * t), 24_000)


@pytest.fixture
def speaker(bare):
    return Speaker()


@pytest.fixture
def page(speaker, visit):
    page = visit()
    page.click("#main")  # Browsers let a page sound only after a gesture.
    until(lambda: speaker.road == "direct")
    return page


def test_a_clip_is_played_whole(speaker, page):
    played_ms = speaker.play(tone(1.0)).result(30)
    assert played_ms == pytest.approx(1000, abs=0.1)
    assert speaker.playback.audible_samples >= 23_000
    assert speaker.underruns == 0
    assert not speaker.playing


def test_stop_falls_silent_at_once_and_says_how_much_was_heard(speaker, page):
    reports = []
    speaker.on_heard(lambda *report: reports.append(report))
    pending = speaker.play(tone(30.0))
    until(lambda: reports and reports[-1][1] > 300)
    speaker.stop()
    played_ms = pending.result(30)
    assert reports[-1] == ("clip-1", played_ms, True)
    assert 300 < played_ms < 5000
    # Nothing sounds after it: the queue is free for the next clip, which is played from its beginning.
    assert speaker.play(tone(0.3)).result(30) == pytest.approx(300, abs=0.1)


def test_what_comes_late_for_a_stopped_item_is_not_played(speaker, page):
    reports = []
    speaker.on_heard(lambda *report: reports.append(report))
    speaker.feed("answer", tone(20.0).to_pcm16())
    until(lambda: reports)
    speaker.stop()
    until(lambda: reports[-1][2])
    speaker.feed("answer", tone(5.0).to_pcm16())
    speaker.end("answer")
    count = len(reports)
    speaker.play(tone(0.2)).result(30)
    assert {item_id for item_id, _, _ in reports[count:]} == {"clip-1"}


def test_a_slow_answer_counts_its_gaps(speaker, page):
    reports = []
    speaker.on_heard(lambda *report: reports.append(report))
    speaker.feed("answer", tone(0.3).to_pcm16())
    until(lambda: speaker.playback.underruns == 1)
    speaker.feed("answer", tone(0.3).to_pcm16())
    speaker.end("answer")
    until(lambda: reports and reports[-1][1] == pytest.approx(600, abs=0.1))
    assert speaker.underruns == 1


def test_a_clip_played_before_the_page_is_there_waits_for_it(speaker, visit):
    pending = speaker.play(tone(0.4))
    page = visit()
    page.click("#main")
    assert pending.result(30) == pytest.approx(400, abs=0.1)


def test_without_a_gesture_the_page_asks_for_a_click(speaker, visit):
    page = visit()
    until(lambda: speaker.road == "direct")
    pending = speaker.play(tone(0.4))
    until(lambda: speaker.blocked)
    assert not pending.done()
    page.click("text=Click anywhere to hear it")
    assert pending.result(30) == pytest.approx(400, abs=0.1)
    until(lambda: not speaker.blocked)
