import threading

import pytest

from realtime_nb.loop import submit
from realtime_nb.media.clip import AudioClip, from_pcm16, to_pcm16
from realtime_nb.widgets.road import Frame
from realtime_nb.widgets.speaker import Playback, Speaker

SECOND = b"\1\0" * 24_000


class RoadToNowhere:
    def __init__(self):
        self.sent = []

    def send(self, message, *, urgent=False):
        self.sent.append(message)

    @property
    def frames(self):
        return [m for m in self.sent if isinstance(m, Frame)]


@pytest.fixture
def road():
    return RoadToNowhere()


@pytest.fixture
def heard():
    return []


@pytest.fixture
def playback(road, heard):
    return Playback(road, lambda *report: heard.append(report))


def played(playing=None, finished=(), underruns=0, audible=0):
    return {"playing": playing, "finished": list(finished), "underruns": underruns, "audible": audible}


def at(key, samples):
    return {"key": key, "samples": samples}


def test_an_item_that_is_live_says_so_in_every_frame(playback, road):
    playback.feed("call", SECOND, live=True)
    playback.feed("answer", SECOND)
    playback.end("call")
    assert [(f.key, f.live) for f in road.frames] == [(1, True), (2, False), (1, True)]


def test_items_are_told_apart_by_growing_keys(playback, road):
    playback.feed("a", b"\1\0")
    playback.feed("b", b"\2\0")
    playback.feed("a", b"\3\0")
    playback.end("b")
    assert [(f.key, f.pcm, f.last) for f in road.frames] == [
        (1, b"\1\0", False),
        (2, b"\2\0", False),
        (1, b"\3\0", False),
        (2, b"", True),
    ]
    assert [f.seq for f in road.frames] == [0, 1, 2, 3]


def test_reports_name_the_item_and_its_time(playback, heard):
    playback.feed("a", SECOND)
    playback.feed("b", SECOND)
    playback.on_played(played(playing=at(1, 12_000)))
    assert playback.playing == "a"
    playback.on_played(played(playing=at(2, 2_400), finished=[at(1, 24_000)], underruns=1, audible=26_000))
    assert heard == [("a", 500.0, False), ("a", 1000.0, False), ("b", 100.0, False)]
    assert (playback.underruns, playback.audible_samples) == (1, 26_000)
    assert playback.busy
    playback.on_played(played(finished=[at(2, 24_000)]))
    assert not playback.busy


def test_a_flush_reports_every_item_that_it_cut(playback, road, heard):
    playback.feed("a", SECOND)
    playback.feed("b", SECOND)
    playback.flush()
    assert road.sent[-1] == {"kind": "flush"}
    playback.on_flushed({"positions": [at(1, 2_400), at(2, 0)]})
    assert heard == [("a", 100.0, True), ("b", 0.0, True)]
    assert not playback.busy


def test_what_comes_after_the_cut_is_not_sent(playback, road):
    playback.feed("a", SECOND)
    playback.flush()
    count = len(road.frames)
    playback.feed("a", SECOND)
    playback.on_flushed({"positions": [at(1, 10)]})
    playback.feed("a", SECOND)
    playback.end("a")
    assert len(road.frames) == count


def test_the_end_is_said_once(playback, road):
    playback.feed("a", SECOND)
    playback.end("a")
    playback.end("a")
    playback.end("unknown")
    assert [f.last for f in road.frames] == [False, True]


def test_a_page_with_a_rate_of_its_own_gets_that_rate(playback, road, heard):
    playback.on_audio({"sample_rate": 48_000})
    playback.feed("a", SECOND)
    playback.end("a")
    assert {f.sample_rate for f in road.frames} == {48_000}
    assert sum(len(f.pcm) for f in road.frames) == pytest.approx(2 * 48_000, abs=4)
    playback.on_played(played(finished=[at(1, 48_000)]))
    assert heard == [("a", 1000.0, False)]


def test_reports_about_forgotten_items_say_nothing(playback, heard):
    playback.feed("a", SECOND)
    playback.forget()
    playback.on_played(played(playing=at(1, 100)))
    playback.on_flushed({"positions": [at(1, 200)]})
    assert heard == []
    assert playback.playing == ""


@pytest.fixture
def speaker():
    speaker = Speaker()
    yield speaker
    speaker.close()


def arrive(speaker, message):
    async def take():
        speaker._on_message(message)

    submit(take()).result(30)


def test_play_ends_when_the_page_has_played_it_all(speaker):
    pending = speaker.play(AudioClip(from_pcm16(SECOND)))
    assert speaker.playing
    arrive(speaker, {"kind": "played", **played(playing=at(1, 2_400))})
    assert not pending.done()
    arrive(speaker, {"kind": "played", **played(finished=[at(1, 24_000)])})
    assert pending.result(30) == 1000.0
    assert not speaker.playing


def test_a_stop_ends_play_with_what_was_heard(speaker):
    reports = []
    speaker.on_heard(lambda *report: reports.append(report))
    pending = speaker.play(AudioClip(from_pcm16(SECOND)))
    speaker.stop()
    arrive(speaker, {"kind": "flushed", "positions": [at(1, 2_400)], "time_ms": 0.0})
    assert pending.result(30) == 100.0
    assert reports == [("clip-1", 100.0, True)]
    assert not speaker.playing


def test_a_page_that_is_lost_ends_play_with_what_it_was_known_to_have_played(speaker):
    reports = []
    speaker.on_heard(lambda *report: reports.append(report))
    first, second = [speaker.play(AudioClip(from_pcm16(SECOND))) for _ in range(2)]
    arrive(speaker, {"kind": "played", **played(playing=at(1, 2_400))})
    arrive(speaker, {"kind": "gone"})
    assert (first.result(30), second.result(30)) == (100.0, 0.0)
    assert reports == [("clip-1", 100.0, False), ("clip-1", 100.0, True), ("clip-2", 0.0, True)]
    assert not speaker.playing
    again = speaker.play(AudioClip(from_pcm16(SECOND)))  # It waits for the next page.
    assert speaker.playing and not again.done()


def test_a_listener_can_leave(speaker):
    reports, called = [], threading.Event()
    stop = speaker.on_heard(lambda *report: reports.append(report))
    speaker.on_heard(lambda *report: called.set())
    speaker.feed("a", to_pcm16(from_pcm16(SECOND)))
    stop()
    arrive(speaker, {"kind": "played", **played(playing=at(1, 2_400))})
    assert called.is_set()
    assert reports == []


def test_a_blocked_page_is_known_in_python(speaker):
    arrive(speaker, {"kind": "audio", "sample_rate": 24_000, "blocked": True})
    assert speaker.blocked
    arrive(speaker, {"kind": "audio", "sample_rate": 24_000, "blocked": False})
    assert not speaker.blocked
