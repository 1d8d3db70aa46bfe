import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_nb.local.recognition.turn_detection import FRAME_MS, FRAME_SAMPLES, Frames


def tone(hertz: float, sample_rate: int, seconds: float = 1.0, amplitude: float = 20_000) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(int(sample_rate * seconds)) / sample_rate)


def framed(samples: np.ndarray) -> np.ndarray:
    return np.frombuffer(b"".join(Frames().feed(samples.astype("<i2").tobytes())), "<i2").astype(float)


def test_a_frame_is_out_one_millisecond_after_its_last_sample():
    frames = Frames()
    assert frames.feed(bytes(48 * FRAME_MS + 46)) == []
    assert [len(frame) for frame in frames.feed(bytes(2))] == [2 * FRAME_SAMPLES]


@pytest.mark.parametrize("hertz", [100, 1000, 3000, 6000])
def test_tones_pass_unchanged_and_in_time(hertz):
    out = framed(tone(hertz, 24_000))
    error = (out - tone(hertz, 16_000)[: len(out)])[500:]
    assert np.sqrt(np.mean(error**2)) < 2


@pytest.mark.parametrize("hertz", [9000, 10_000, 11_900])
def test_what_16_khz_cannot_hold_is_gone(hertz):
    assert np.sqrt(np.mean(framed(tone(hertz, 24_000))[500:] ** 2)) < 20


def test_overshoot_is_clipped_and_does_not_wrap():
    square = np.sign(tone(500, 24_000)) * 32767
    out = framed(square)
    assert np.abs(np.diff(np.sign(out))).sum() < 2200  # as many changes of sign as the square wave has


@given(st.lists(st.integers(0, 3000), max_size=20))
def test_frames_do_not_depend_on_the_size_of_the_chunks(sizes):
    pcm = np.random.default_rng(0).integers(-20_000, 20_000, 5000).astype("<i2").tobytes()
    frames, out, start = Frames(), [], 0
    for size in sizes:
        out += frames.feed(pcm[start : start + 2 * size])
        start += 2 * size
    out += frames.feed(pcm[start:])
    assert out == Frames().feed(pcm)
