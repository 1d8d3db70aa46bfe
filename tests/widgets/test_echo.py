import functools
import time

import numpy as np
import pytest
from test_panel_link import AUDIO, Desk

import realtime_nb as rt
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.local_events import EchoHeard
from realtime_nb.widgets.road import FROM_MICROPHONE, Frame
from realtime_nb.widgets.speaker import ECHO_LIKENESS, NOTICE, find_echo

RATE = 24_000
ANSWER = "I can tell you the time, add numbers, and answer questions about orders."
OTHERS = ("What time is it? Please stop talking now, I have another question.", "No, wait, I meant something else.")


@functools.cache
def voice(text, name="coral"):
    return rt.speak(text, voice=name).resample(RATE).samples.astype(np.float64)


def in_a_room(y, seconds, seed=0):
    """Return a voice as a microphone hears it in a room with an echo of that many seconds."""
    t = np.arange(round(RATE * 0.4)) / RATE
    tail = 0.15 * np.random.default_rng(seed).standard_normal(len(t)) * np.exp(-6.9 * t / seconds)
    tail[0] = 1
    n = len(y) + len(tail)
    return np.fft.irfft(np.fft.rfft(y, n) * np.fft.rfft(tail, n), n)[: len(y)]


def noisy(y, below_db, seed=1):
    rng = np.random.default_rng(seed)
    return y + rng.standard_normal(len(y)) * np.sqrt(np.mean(y**2)) * 10 ** (-below_db / 20)


def late(y, ms):
    return np.concatenate([np.zeros(RATE * ms // 1000), y])


def windows(y, ms):
    n = RATE * ms // 1000
    return [slice(start, start + n) for start in range(RATE // 2, len(y) - n, RATE)]


@pytest.mark.parametrize("length_ms", [600, 1200])
@pytest.mark.parametrize("room_s", [0.2, 0.5])
@pytest.mark.parametrize("noise_db", [20, 10])
@pytest.mark.parametrize("gain", [1.0, 0.03])
@pytest.mark.parametrize("delay_ms", [20, 300])
def test_the_answer_is_known_again(length_ms, room_s, noise_db, gain, delay_ms):
    answer = voice(ANSWER)
    heard = noisy(gain * in_a_room(late(answer, delay_ms), room_s), noise_db)
    padded = late(answer, 500)
    for window in windows(answer, length_ms):
        echo = find_echo(heard[window], padded[window.start : window.stop + RATE // 2])
        assert echo.likeness > ECHO_LIKENESS
        assert 0 <= echo.delay_ms - delay_ms < 60  # The room's strongest echo may be later than the straight way.


@pytest.mark.parametrize("length_ms", [500, 600, 1200])
@pytest.mark.parametrize("name", ["coral", "echo"])
@pytest.mark.parametrize("text", OTHERS)
def test_another_speaker_is_none_whatever_the_voice(length_ms, name, text):
    padded = late(voice(ANSWER), 500)
    heard = noisy(in_a_room(voice(text, name), 0.3), 15)
    likenesses = [
        find_echo(heard[one], padded[other.start : other.stop + RATE // 2]).likeness
        for one in windows(heard, length_ms)
        for other in windows(voice(ANSWER), length_ms)
    ]
    assert max(likenesses) < ECHO_LIKENESS


def test_noise_and_silence_are_no_echo():
    padded = late(voice(ANSWER), 500)[: RATE * 2]
    for heard in (np.zeros(RATE), 0.1 * np.random.default_rng(2).standard_normal(RATE)):
        assert find_echo(heard, padded[: RATE + RATE // 2]).likeness < ECHO_LIKENESS
        assert find_echo(heard, np.zeros(RATE + RATE // 2)).likeness < ECHO_LIKENESS


# --- on the line ---


def interrupted(heard, *, played_ms=2_000, by="speech", paused_ms=0):
    """Let a page play an answer, send what its microphone heard meanwhile, and stop; return the desk."""
    desk = Desk()
    desk.page(AUDIO, {"kind": "connect"})
    answer = rt.AudioClip(voice(ANSWER), RATE)
    desk.session.begin_answer("item-1", ANSWER, seconds=0.0)
    at = {"response_id": "resp-1", "item_id": "item-1"}
    desk.session.say(ev.ResponseOutputAudioDelta(**at, delta=answer.to_pcm16()))
    now_ms = time.time() * 1000
    pcm = rt.AudioClip(heard[: RATE * (played_ms + paused_ms) // 1000], RATE).to_pcm16()
    for n in range(len(pcm) // 960):
        ended_ms = now_ms - len(pcm) / 48 + 20 * (n + 1)
        desk.page(Frame(pcm[960 * n : 960 * n + 960], kind=FROM_MICROPHONE, time_ms=ended_ms))
    position = {"key": 1, "samples": RATE * played_ms // 1000}
    if paused_ms:
        counters = {"underruns": 0, "audible": 1, "holds": 1}
        desk.page({"kind": "played", "playing": position, "finished": [], "timeMs": now_ms - paused_ms, **counters})
    if by == "speech":
        desk.session.say(ev.InputAudioBufferSpeechStarted(audio_start_ms=0, item_id="item-2"))
    else:
        desk.page({"kind": "interrupt"})
    desk.page({"kind": "flushed", "positions": [position], "time_ms": now_ms})
    desk.line.hang_up()
    return desk


def echoes(desk):
    return [event for event in desk.session.noted if isinstance(event, EchoHeard)]


@pytest.mark.parametrize("paused_ms", [0, 300])
def test_a_voice_that_interrupts_itself_is_told_with_the_way_out(paused_ms):
    quiet = np.concatenate([0.1 * in_a_room(late(voice(ANSWER), 80), 0.3)[: RATE * 2], np.zeros(RATE)])
    desk = interrupted(noisy(quiet, 20), paused_ms=paused_ms)
    [echo] = echoes(desk)
    assert echo.item_id == "item-1" and echo.likeness >= ECHO_LIKENESS
    assert 75 < echo.delay_ms < 105
    [notice] = desk.road.controls("notice")
    assert notice["text"] == NOTICE
    assert all(way in NOTICE for way in ("headphones", "echoCancellation", "Mute me while the AI speaks"))
    turn = desk.session.conversation.turn("item-1")
    assert turn.echoed and turn.interrupted


@pytest.mark.parametrize("name", ["coral", "echo"])
def test_a_person_who_interrupts_is_not_taken_for_an_echo(name):
    desk = interrupted(noisy(in_a_room(voice(OTHERS[0], name), 0.3), 20))
    assert not echoes(desk) and not desk.road.controls("notice")
    assert not desk.session.conversation.turn("item-1").echoed


def test_an_interruption_by_hand_is_no_echo():
    assert not echoes(interrupted(voice(ANSWER), by="hand"))


def test_a_page_that_heard_too_little_says_nothing():
    assert not echoes(interrupted(np.zeros(0)))
    assert not echoes(interrupted(voice(ANSWER), played_ms=400))
