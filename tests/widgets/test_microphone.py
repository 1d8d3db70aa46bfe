import asyncio

import numpy as np
import pytest

from realtime_nb.errors import AudioError
from realtime_nb.loop import submit
from realtime_nb.media.clip import AudioClip, to_pcm16
from realtime_nb.widgets.microphone import Capture, Microphone, level
from realtime_nb.widgets.road import FROM_MICROPHONE, Frame


def tone(seconds, sample_rate=24_000, amplitude=0.5):
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    return amplitude * np.sin(2 * np.pi * 440 * t)


def frames(samples, sample_rate=24_000):
    """Cut samples into the frames that a page would send."""
    size = sample_rate // 50
    pieces = (samples[start : start + size] for start in range(0, len(samples), size))
    return [Frame(to_pcm16(y), sample_rate, kind=FROM_MICROPHONE, seq=n) for n, y in enumerate(pieces)]


@pytest.fixture
def microphone():
    microphone = Microphone()
    yield microphone
    microphone.close()


def arrive(microphone, *messages):
    """Let messages of the page arrive on the I/O thread."""

    async def take():
        for message in messages:
            microphone._on_message(message)

    submit(take()).result(30)


def test_it_asks_for_sound_only_and_without_echo(microphone):
    assert microphone.constraints == {
        "channelCount": 1,
        "echoCancellation": True,
        "noiseSuppression": True,
        "autoGainControl": True,
    }
    assert microphone.stream is None


def test_a_stream_that_is_none_is_refused():
    with pytest.raises(TypeError, match="not an ipywebrtc media stream"):
        Microphone("default")


def test_listeners_get_the_sound_as_it_comes(microphone):
    heard = []
    stop = microphone.on_audio(heard.append)
    sent = frames(tone(0.1))
    arrive(microphone, *sent)
    assert heard == [frame.pcm for frame in sent]
    assert microphone.level == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    stop()
    arrive(microphone, *sent)
    assert len(heard) == len(sent)


def test_a_browser_with_a_rate_of_its_own_is_resampled_without_seams(microphone):
    heard = []
    microphone.on_audio(heard.append)
    arrive(microphone, *frames(tone(2.0, 48_000), 48_000))
    clip = AudioClip.from_pcm16(b"".join(heard))
    assert clip.duration_s == pytest.approx(2.0, abs=0.05)
    spectrum = np.abs(np.fft.rfft(clip.samples * np.hanning(len(clip.samples))))
    hz = np.arange(len(spectrum)) / clip.duration_s
    # Seams between the frames would show as energy away from the tone.
    assert spectrum[np.abs(hz - 440) > 20].max() < 1e-3 * spectrum.max()


def test_the_rate_may_change_between_frames():
    capture = Capture()
    assert capture.take(Frame(b"\1\0", 24_000)) == b"\1\0"
    assert capture.take(Frame(to_pcm16(tone(1.0, 44_100)), 44_100))


def test_record_counts_samples_and_stops(microphone):
    pending = microphone.record(0.1)
    submit(asyncio.sleep(0)).result(30)
    assert microphone.recording
    arrive(microphone, *frames(tone(0.2)))
    clip = pending.result(30)
    assert clip.duration_s == pytest.approx(0.1)
    assert not microphone.recording


def test_record_fails_in_the_browsers_words(microphone):
    pending = microphone.record(1.0)
    submit(asyncio.sleep(0)).result(30)
    arrive(
        microphone,
        {"kind": "problem", "text": "No microphone was found."},
        {"kind": "shared", "name": "recording", "value": False},
    )
    with pytest.raises(AudioError, match="No microphone was found"):
        pending.result(30)


def test_stopping_early_gives_what_there_is(microphone):
    pending = microphone.record(10.0)
    submit(asyncio.sleep(0)).result(30)
    arrive(microphone, *frames(tone(0.2)))
    microphone.stop()
    assert pending.result(30).duration_s == pytest.approx(0.2)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_no_time_is_no_recording(microphone, seconds):
    with pytest.raises(AudioError, match="must be positive"):
        microphone.record(seconds)


def test_the_clip_is_what_came_since_the_start(microphone):
    arrive(microphone, *frames(tone(0.2)))
    microphone.start()
    arrive(microphone, *frames(tone(0.1)))
    assert microphone.clip.duration_s == pytest.approx(0.1)
    arrive(microphone, {"kind": "shared", "name": "recording", "value": False}, {"kind": "stopped"})
    assert microphone.clip.duration_s == pytest.approx(0.1)
    assert microphone.level == 0.0


def test_an_exception_in_a_listener_is_shown(microphone):
    microphone.on_audio(lambda pcm: 1 / 0)

    async def take():
        microphone._road._hand_on(frames(tone(0.02))[0])

    submit(take()).result(30)
    assert microphone.error == "ZeroDivisionError: division by zero"


def test_the_level_of_silence_and_of_nothing_is_zero():
    assert level(b"") == 0.0
    assert level(b"\0\0" * 480) == 0.0
