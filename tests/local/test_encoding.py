from __future__ import annotations

import base64

import numpy as np
import pytest

from realtime_nb.local.api_errors import ApiError
from realtime_nb.local.endpoints import audio_files
from realtime_nb.media.clip import AudioClip

PCM = (8_000 * np.sin(np.arange(24_000) / 9)).astype("<i2").tobytes()


def test_pcm_stays_as_it_is():
    assert audio_files.encode(PCM, "pcm16") is PCM
    assert AudioClip.from_bytes(audio_files.encode(PCM, "flac")).to_pcm16() == PCM


@pytest.mark.parametrize("format", ["wav", "mp3", "flac", "opus", "aac"])
def test_no_sound_is_a_file_that_can_be_read(format):
    assert audio_files.decode(audio_files.encode(b"", format), "file").duration_s > 0


def test_invalid_audio_is_refused():
    with pytest.raises(ApiError, match="corrupted or unsupported") as refused:
        audio_files.decode(b"no audio", "file")
    assert refused.value.param == "file"


def test_small_aac_files_that_hold_hours_are_refused_as_soon_as_that_is_known(monkeypatch):
    monkeypatch.setattr(audio_files, "LONGEST_S", 1.0)
    with pytest.raises(ApiError, match="more than 1 s, the most that is taken"):
        audio_files.decode(AudioClip(np.zeros(48_000, "f4"), 24_000).encode("aac"), "file")


def test_small_files_that_hold_hours_are_refused_undecoded():
    hours = AudioClip(np.zeros(8_000 * 1501, "f4"), 8_000).encode("flac")
    assert len(hours) < 100_000
    with pytest.raises(ApiError, match="at most 1500 s are taken"):
        audio_files.decode(hours, "file")


def test_high_rates_take_no_more_memory(monkeypatch):
    monkeypatch.setattr(audio_files, "LONGEST_S", 1.0)
    file = AudioClip(np.zeros(2 * 48_000, "f4"), 384_000).encode("flac")
    with pytest.raises(ApiError, match="holds 2 s, but at most 1 s are taken"):
        audio_files.decode(file, "file")


def test_rates_that_would_make_gigabytes_of_seconds_are_refused():
    with pytest.raises(ApiError, match="1000 Hz"):
        audio_files.decode(AudioClip(np.zeros(100), 1_000).encode("wav"), "file")


def test_base64_of_any_length():
    for size in (0, 1, 2, 3, 3 * 262_144, 1_000_001):
        data = bytes(range(256)) * (size // 256 + 1)
        assert audio_files.decode_base64(base64.b64encode(data[:size]).decode(), "data") == data[:size]


@pytest.mark.parametrize("text", ["abc", "ab c", "äöüß", "data:audio/wav;base64,QUJD", "QUJ-"])
def test_invalid_base64_is_refused(text):
    with pytest.raises(ApiError, match="base64") as refused:
        audio_files.decode_base64(text, "data")
    assert refused.value.param == "data"
