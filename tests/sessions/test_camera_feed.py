import threading
import time
from pathlib import Path

import numpy as np
import pytest

from realtime_nb.errors import ConnectionLost, PictureError, SettingsError
from realtime_nb.loop import submit
from realtime_nb.media.picture import Picture
from realtime_nb.sessions.cascade import CascadeSession
from realtime_nb.sessions.chat import ChatSession
from realtime_nb.sessions.realtime import RealtimeSession

KINDS = [RealtimeSession, ChatSession, CascadeSession]


def until(condition, timeout_s=20.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(0.01)


class Film:
    """A camera whose picture changes with every look; or not at all."""

    def __init__(self, *, moves=True):
        self.moves = moves
        self.active = False
        self.was_active = []
        self.looks = 0

    def start(self):
        self.active = True

    def stop(self):
        self.active = False

    def snapshot(self, *, max_side, detail):
        self.looks += 1
        self.was_active.append(self.active)
        shade = 40 * self.looks % 256 if self.moves else 90
        return submit(self._take(Picture.of(np.full((60, 80), shade, np.uint8), max_side=max_side, detail=detail)))

    async def _take(self, picture):
        return picture


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_shown_without_an_answer_and_the_next_answer_has_seen_them(kind):
    film = Film()
    with kind(backend="local") as session:
        watch = session.watch(film, every_s=0.01, max_frames=3)
        until(lambda: watch.ended)
        assert watch.ended == "ended: all 3 frames were sent" and not watch.is_running and not watch.problem
        assert session.conversation.replies == []
        assert [len(turn.pictures) for turn in session.conversation] == [1, 1, 1]
        assert {frame.detail for frame in watch.frames} == {"low"} and watch.tokens == 255
        reply = session.ask("What do you see?").result(20)
        assert reply.transcript.startswith("You showed me 3 pictures. The last one is 80 by 60 pixels and all ")
        assert reply.usage.image_in == watch.tokens
        assert reply.asked.text == "What do you see?"
    until(lambda: not film.active)
    assert all(film.was_active)


@pytest.mark.parametrize("kind", KINDS)
def test_older_frames_are_taken_back(kind):
    with kind(backend="local") as session:
        watch = session.watch(Film(), every_s=0.01, max_frames=5, keep=2)
        until(lambda: watch.ended)
        until(lambda: len(session.conversation) == 2)
        assert watch.taken_back == 3
        kept = [turn.pictures[0].data for turn in session.conversation]
        assert kept == [frame.data for frame in watch.frames[-2:]]
        assert session.ask("What do you see?").result(20).usage.image_in == 2 * 85


def test_a_frame_that_cannot_be_taken_back_now_is_taken_back_later(monkeypatch):
    take_back, lost = RealtimeSession._take_back, [ConnectionLost("no connection")]

    async def fails_once(session, shown):
        if lost:
            raise lost.pop()
        await take_back(session, shown)

    monkeypatch.setattr(RealtimeSession, "_take_back", fails_once)
    with RealtimeSession(backend="local") as session:
        watch = session.watch(Film(), every_s=0.01, max_frames=4, keep=1)
        until(lambda: watch.ended)
        assert not lost and watch.taken_back == 3
        assert len(session.conversation) == 1


def test_what_has_hardly_changed_is_skipped():
    with RealtimeSession(backend="local") as session:
        film = Film(moves=False)
        watch = session.watch(film, every_s=0.01)
        until(lambda: watch.skipped >= 3)
        watch.stop()
        until(lambda: not film.active)
        assert len(watch.frames) == 1 and watch.ended == "stopped"
        looks = film.looks
        session.ask("Hello!").result(20)
        assert film.looks == looks


def test_it_ends_with_the_session():
    film = Film(moves=False)
    session = RealtimeSession(backend="local")
    watch = session.watch(film, every_s=0.01)
    until(lambda: watch.frames)
    session.close().result(60)
    until(lambda: not film.active)
    assert watch.ended == "ended with the session" and session.state == "closed"


def test_a_function_may_be_the_camera_and_its_faults_are_reported():
    pictures = [np.zeros((6, 8)), np.ones((6, 8))]
    threads = set()

    def look():
        threads.add(threading.current_thread())
        return pictures.pop(0)

    with RealtimeSession(backend="local") as session:
        watch = session.watch(look, every_s=0.01)
        until(lambda: "pop from empty list" in watch.problem)
        assert len(watch.frames) == 2 and watch.is_running
        assert threading.main_thread() not in threads
        pictures.append("no picture")
        until(lambda: "cannot make a picture of str" in watch.problem)
        watch.stop()


def test_an_impossible_watch_is_refused_at_once():
    session = ChatSession(backend="local", model="gpt-audio-1.5")
    with pytest.raises(PictureError, match="hears but takes no pictures"):
        session.watch(Film())
    session = RealtimeSession(backend="local")
    with pytest.raises(TypeError, match="cannot watch ndarray: give a Camera, or a function"):
        session.watch(np.zeros((3, 4)))
    for wrong in ({"every_s": 0}, {"max_frames": 0}, {"keep": 0}, {"min_change": 2}):
        with pytest.raises(SettingsError, match=f"{next(iter(wrong))}={next(iter(wrong.values()))}"):
            session.watch(Film(), **wrong)
    assert session.state == "closed"


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_shown_without_an_answer_and_the_next_answer_has_seen_them(kind):
    with kind(backend="local") as session:
        session.show(np.full((48, 64, 3), (0, 0, 200), np.uint8), np.zeros((30, 40), np.uint8)).result(20)
        assert session.conversation.replies == []
        assert [turn.pictures[0].width for turn in session.conversation] == [64, 40]
        assert "2 pictures" in session.ask("What do you see?").result(20).transcript


def test_nothing_to_show_is_an_error_at_the_call():
    session = RealtimeSession(backend="local")
    with pytest.raises(TypeError, match="needs a picture"):
        session.show()
    with pytest.raises(PictureError, match="no-such-file"):
        session.show(Path("no-such-file.png"))
