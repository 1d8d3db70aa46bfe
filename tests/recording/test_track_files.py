import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from realtime_nb.recording.tracks import TrackReader, TrackWriter, _as_disk_error

NOISE = np.random.default_rng(0).integers(-3_000, 3_000, 200_000).astype(np.int16)


@pytest.fixture
def written(tmp_path):
    writer = TrackWriter(tmp_path, "user", 24_000)
    writer.write(0, NOISE[:1_000])
    writer.write(150_000, NOISE)
    writer.flush()
    yield writer
    writer.abandon()


EXPECTED = np.concatenate([NOISE[:1_000], np.zeros(149_000, np.int16), NOISE])


def check(folder):
    reader = TrackReader(folder, "user", 24_000)
    assert np.array_equal(reader.read(500, 1_000), EXPECTED[500:1_500])
    assert np.array_equal(reader.read(349_900, 1_000), np.pad(EXPECTED[349_900:], (0, 900)))
    assert not reader.read(400_000, 10).any()
    assert np.array_equal(reader.whole, EXPECTED)
    assert np.array_equal(reader.read(500, 1_000), EXPECTED[500:1_500])
    assert reader.remarks == []


def test_a_track_is_read_while_it_grows(written, tmp_path):
    check(tmp_path)


def test_a_piece_that_it_holds_is_found_and_no_other(written):
    piece = NOISE[20_000:80_000].copy()
    assert written.find(piece) == 170_000
    assert written.find(NOISE[:1_000]) in (0, 150_000)
    piece[-2] += 1
    assert written.find(piece) is None
    assert written.find(np.zeros(500, np.int16)) is None
    assert written.find(np.tile(NOISE, 3)) is None


def test_a_finished_track_is_one_flac_file(written, tmp_path):
    written.close()
    assert [path.name for path in tmp_path.iterdir()] == ["user.flac"]
    check(tmp_path)
    assert soundfile.info(tmp_path / "user.flac").samplerate == 24_000


def test_a_finished_track_goes_on(written, tmp_path):
    written.close()
    writer = TrackWriter(tmp_path, "user", 24_000)
    assert writer.samples == len(EXPECTED)
    writer.write(writer.samples, NOISE[:5])
    writer.close()
    assert np.array_equal(TrackReader(tmp_path, "user", 24_000).whole, np.concatenate([EXPECTED, NOISE[:5]]))


def test_a_missing_file_is_silence_and_told(tmp_path):
    reader = TrackReader(tmp_path, "user", 24_000)
    assert not reader.read(10, 5).any() and len(reader.read(10, 5)) == 5
    assert reader.remarks == ["user.flac is missing: its sound is silence here"]


@pytest.mark.parametrize("kept", [10, 200_000])
def test_a_damaged_file_is_silence_where_it_is_damaged_and_told(written, tmp_path, kept):
    written.close()
    path = tmp_path / "user.flac"
    path.write_bytes(path.read_bytes()[:kept])
    reader = TrackReader(tmp_path, "user", 24_000, length=len(EXPECTED))
    assert len(reader.read(0, len(EXPECTED))) == len(EXPECTED)
    [remark] = reader.remarks
    assert "user.flac" in remark


def test_a_damaged_frame_is_silent_and_the_others_are_not(written, tmp_path):
    written.close()
    path = tmp_path / "user.flac"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    reader = TrackReader(tmp_path, "user", 24_000, length=len(EXPECTED))
    wrong = np.flatnonzero(reader.whole != EXPECTED)
    assert 0 < len(wrong) <= 2 * 4_096 and not reader.whole[wrong].any()
    assert reader.remarks[0].startswith("user.flac is damaged: 0.") and "are silence here" in reader.remarks[0]


def test_a_head_that_claims_years_asks_for_no_memory(written, tmp_path):
    written.close()
    path = tmp_path / "user.flac"
    data = bytearray(path.read_bytes())
    data[21] |= 0x0F  # The first four of the 36 bits of its length.
    path.write_bytes(data)
    reader = TrackReader(tmp_path, "user", 24_000, length=len(EXPECTED))
    assert np.array_equal(reader.whole[:344_064], EXPECTED[:344_064]) and len(reader.whole) <= len(EXPECTED)
    data[18] ^= 0x10  # Of its rate.
    path.write_bytes(data)
    reader = TrackReader(tmp_path, "user", 24_000, length=len(EXPECTED))
    assert not reader.whole.any() and "its header says" in reader.remarks[0]


@pytest.mark.parametrize(("free", "said"), [(4_096, "No space left on device"), (2**40, "System error")])
def test_a_track_on_a_full_disk_says_so(tmp_path, monkeypatch, free, said):
    """libsndfile tells a full disk from no other trouble."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    with (
        pytest.raises(OSError, match=rf"^user\.flac cannot be written: {said}$"),
        _as_disk_error(tmp_path / "user.flac"),
    ):
        raise soundfile.LibsndfileError(2)
