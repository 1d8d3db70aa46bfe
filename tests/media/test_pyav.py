"""Files that FFmpeg reads and writes."""

import io
import math
import sys

import av
import numpy as np
import pytest

from realtime_nb.errors import AudioError
from realtime_nb.media import pyav
from realtime_nb.media.clip import AudioClip

RATE = 24_000
CHIRP = (0.4 * np.sin(np.cumsum(np.linspace(0.05, 0.6, RATE)))).astype("f4")


def decode(data, longest_s=math.inf):
    return pyav.decode(data, "aac", "the file", longest_s)


@pytest.fixture(scope="module")
def file():
    return pyav.encode(CHIRP, RATE)


@pytest.mark.parametrize("rate", pyav.SAMPLE_RATES)
def test_what_was_written_is_read_again(rate):
    chirp = AudioClip(CHIRP, RATE).resample(rate).samples
    samples, found = decode(pyav.encode(chirp, rate))
    samples = samples[:, 0]
    assert (found, samples.dtype) == (rate, np.float32)
    delay = 1024  # of the encoder; its last frame is filled up
    assert delay <= len(samples) - len(chirp) < 3 * delay
    assert np.corrcoef(samples[delay : delay + len(chirp)], chirp)[0, 1] > 0.98


def test_channels_are_averaged():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="adts") as container:
        stream = container.add_stream("aac", rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.stack([CHIRP, np.zeros_like(CHIRP)]), "fltp", "stereo")
        frame.sample_rate = RATE
        container.mux([*stream.encode(frame), *stream.encode(None)])
    samples = AudioClip.from_bytes(buffer.getvalue()).samples
    assert np.abs(samples).max() == pytest.approx(0.2, abs=0.03)


def test_it_is_told_from_other_files(file):
    assert pyav.is_aac(file)
    for format in ("wav", "flac", "opus", "ogg", "mp3"):
        assert not pyav.is_aac(AudioClip(CHIRP, RATE).encode(format))
    assert not pyav.is_aac(b"") and not pyav.is_aac(b"\xff")


def test_a_broken_file_is_reported(file):
    broken = file[: len(file) // 2] + bytes(200) + file[len(file) // 2 :]
    for data in (b"\xff\xf1" + bytes(500), file[:100], file[:3], broken):
        with pytest.raises(AudioError, match="'the file'"):
            decode(data)


def test_what_is_longer_than_wanted_is_not_decoded_to_its_end(file):
    with pytest.raises(AudioError, match="more than 0 s, the most that is taken"):
        decode(file, longest_s=0.2)
    assert len(decode(file, longest_s=1.2)[0]) >= RATE


def test_a_playlist_is_not_followed(tmp_path):
    (tmp_path / "secret.aac").write_bytes(pyav.encode(CHIRP, RATE))
    playlist = f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/secret.aac\n".encode()
    with pytest.raises(AudioError):
        decode(playlist)


def test_without_pyav_it_says_what_to_install(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    for call in (lambda: AudioClip.from_bytes(file), lambda: AudioClip(CHIRP, RATE).encode("aac")):
        with pytest.raises(AudioError, match=r"needs PyAV .*pip install 'realtime-nb\[aac\]'"):
            call()
