from __future__ import annotations

import pytest

from realtime_nb.local.api_errors import ApiError
from realtime_nb.local.realtime import input_audio
from realtime_nb.local.realtime.input_audio import InputAudioBuffer, decode_audio

PCM = {"type": "audio/pcm", "rate": 24000}


def test_half_a_sample_waits_for_the_rest():
    buffer = InputAudioBuffer(PCM)
    assert buffer.append(b"\1\2\3") == b"\1\2"
    assert buffer.append(b"\4\5\6" * 3000) == (b"\3" + b"\4\5\6" * 3000)[:9000]
    assert len(buffer.commit()) == 9002


def test_a_commit_takes_all_and_needs_a_tenth_of_a_second():
    buffer = InputAudioBuffer(PCM)
    buffer.append(bytes(4798))
    with pytest.raises(ApiError, match=r"only has 99\.96ms of audio"):
        buffer.commit()
    buffer.append(bytes(2))
    assert len(buffer.commit()) == 4800
    assert buffer.duration_ms == 0
    assert buffer.total_ms == 100


def test_the_clock_goes_on_after_a_clear():
    buffer = InputAudioBuffer(PCM)
    buffer.append(bytes(4800))
    buffer.clear()
    buffer.append(bytes(4800))
    assert (buffer.total_ms, buffer.duration_ms) == (200, 100)


def test_only_so_much_is_kept():
    buffer = InputAudioBuffer(PCM)
    for _ in range(50):
        buffer.append(bytes(4800))
        buffer.keep_latest(1000)
        assert buffer.duration_ms <= 2000
    assert buffer.total_ms == 5000


def test_one_event_and_the_buffer_have_an_end(monkeypatch):
    buffer = InputAudioBuffer(PCM)
    buffer.append(bytes(15 * 1024 * 1024))
    with pytest.raises(ApiError, match="at most 15 MiB"):
        buffer.append(bytes(15 * 1024 * 1024 + 1))
    monkeypatch.setattr(input_audio, "LONGEST_BUFFER_MS", 1000)
    with pytest.raises(ApiError, match="buffer is full"):
        buffer.append(bytes(2))


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_telephone_audio_is_brought_to_24_khz(kind):
    assert len(decode_audio(bytes(800), {"type": kind})) == pytest.approx(4800, abs=4)
    buffer = InputAudioBuffer(PCM)
    buffer.set_format({"type": kind})
    for _ in range(10):
        buffer.append(bytes(160))
    assert len(buffer.commit()) == pytest.approx(9600, abs=4)
