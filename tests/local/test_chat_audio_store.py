from __future__ import annotations

from realtime_nb.local.endpoints.chat_request import ChatAudioStore


class Clock:
    now = 1000.5

    def __call__(self):
        return self.now


def test_an_answer_is_found_until_it_expires():
    clock = Clock()
    store = ChatAudioStore(lifetime_s=60, clock=clock)
    assert store.keep("audio_1", "hello", 500.0) == 1060
    clock.now += 59.9
    found = store.find("audio_1")
    assert (found.transcript, found.duration_ms) == ("hello", 500.0)
    clock.now += 0.1
    assert store.find("audio_1") is None
    assert store.find("audio_2") is None


def test_what_expires_at_once_is_not_found():
    store = ChatAudioStore(lifetime_s=0)
    store.keep("audio_1", "x", 1.0)
    assert store.find("audio_1") is None
    store.keep("audio_2", "x", 1.0)
