import io
import itertools

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from realtime_nb.errors import AudioError
from realtime_nb.media.clip import (
    MIME_TYPES,
    AudioClip,
    Resampler,
    checked_sample_rate,
    concatenate,
    from_pcm16,
    to_pcm16,
)

FORMATS = ("wav", "flac", "opus", "ogg", "mp3")
pcm16 = st.binary(max_size=400).map(lambda data: data[: len(data) // 2 * 2])


def tone(seconds=1.0, rate=24_000, hz=440.0, level=0.5):
    return AudioClip(level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate), rate)


def similarity(one, other):
    """Return the largest normalised correlation over small shifts: codecs delay."""
    length = min(len(one), len(other))
    lags = np.correlate(one[:length], other[:length], "full")
    return lags.max() / np.sqrt((one[:length] ** 2).sum() * (other[:length] ** 2).sum())


# --- PCM16 ---


@given(pcm16)
def test_pcm16_comes_back_exactly(pcm):
    assert to_pcm16(from_pcm16(pcm)) == pcm
    assert AudioClip.from_pcm16(pcm).to_pcm16() == pcm


def test_every_pcm16_value_comes_back_exactly():
    pcm = np.arange(-32768, 32768).astype("<i2").tobytes()
    assert to_pcm16(from_pcm16(pcm)) == pcm


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_loud_samples_are_clipped_not_wrapped(dtype):
    y = np.array([1.0, 1.5, 60_000.0, -1.0, -1.5, -60_000.0], dtype)
    assert np.frombuffer(to_pcm16(y), "<i2").tolist() == [32767] * 3 + [-32768] * 3


def test_the_loudest_single_precision_samples_are_clipped():
    assert to_pcm16(np.array([3e38, -3e38], np.float32)) == b"\xff\x7f\x00\x80"


@given(st.lists(st.floats(-1, 1, width=32), max_size=50))
def test_quantising_moves_a_sample_by_half_a_step_at_most(values):
    y = np.array(values, np.float32)
    error = np.abs(from_pcm16(to_pcm16(y)) - y)
    assert (error <= np.where(y > 32766.5 / 32768, 1 / 32768, 0.5 / 32768)).all()


def test_pcm16_is_little_endian():
    assert to_pcm16(np.array([1 / 32768, -1.0])) == b"\x01\x00\x00\x80"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_pcm16_may_be_any_bytes(kind):
    assert from_pcm16(kind(b"\x00\x40")).tolist() == [0.5]
    assert from_pcm16(memoryview(np.array([16384], "<i2"))).tolist() == [0.5]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: from_pcm16(b"abc"), "3 bytes"),
        (lambda: AudioClip.from_pcm16(b"a"), "1 bytes"),
        (lambda: to_pcm16(np.zeros((2, 3))), r"shape \(2, 3\)"),
        (lambda: to_pcm16(np.zeros(3, np.int16)), "type int16"),
        (lambda: to_pcm16(np.array([0.0, np.nan])), "finite"),
        (lambda: to_pcm16(np.array([np.inf])), "finite"),
        (lambda: AudioClip(np.array([1e300])), "finite"),
        (lambda: AudioClip(np.zeros((3, 1))), r"shape \(3, 1\)"),
        (lambda: AudioClip("hello"), r"'hello' is not an array of samples: give AudioClip\.from_file"),
        (lambda: AudioClip([1, 2]), "type int64"),
        (lambda: AudioClip(np.zeros(3), 0), "sample_rate=0 must be positive"),
        (lambda: AudioClip(np.zeros(3), -8000), "sample_rate=-8000"),
        (lambda: AudioClip(np.zeros(3), 0.5), r"sample_rate=0\.5"),
        (lambda: AudioClip(np.zeros(3), float("nan")), "sample_rate=nan"),
        (lambda: AudioClip(np.zeros(3), "24k"), "sample_rate='24k'"),
        (lambda: AudioClip(np.zeros(3), None), "sample_rate=None"),
        (lambda: Resampler(0, 24_000), "sample_rate=0"),
        (lambda: Resampler(16_000, 24_000).process(b"abc"), "3 bytes"),
        (lambda: Resampler(24_000, 24_000).process(b"abc"), "3 bytes"),
        (lambda: tone().resample(0), "sample_rate=0"),
        (lambda: tone().encode("m4a"), "format='m4a' is not one of wav, flac"),
        (lambda: tone().save("clip"), "format=''"),
        (lambda: concatenate([]), "no clip"),
        (lambda: AudioClip.from_bytes(b""), "'0 bytes' is not audio"),
        (lambda: AudioClip.from_bytes(b"no audio at all"), "'15 bytes' is not audio"),
        (lambda: AudioClip.from_bytes(tone(0.0).encode("wav")), "holds no samples"),
        (lambda: AudioClip.from_bytes(tone().encode("wav"), longest_s=0.001), "at most 0 s are taken"),
        (lambda: AudioClip.from_file("/no/such.wav"), "'/no/such.wav' is not a file"),
        (lambda: AudioClip.from_file("/"), "'/' is a folder, not a file"),
    ],
)
def test_bad_input_is_named(call, said):
    with pytest.raises(AudioError, match=said):
        call()


def test_whole_rates_of_any_number_type_are_taken():
    for rate in (8000, 8000.0, np.int32(8000), np.float64(8000)):
        assert checked_sample_rate(rate) == 8000


# --- files ---


@pytest.mark.parametrize("format", ["wav", "flac"])
@given(pcm=pcm16.filter(bool), rate=st.sampled_from([8_000, 22_050, 24_000, 96_000]))
def test_lossless_files_give_back_the_very_pcm16(format, pcm, rate):
    again = AudioClip.from_bytes(AudioClip.from_pcm16(pcm, rate).encode(format))
    assert again.to_pcm16() == pcm
    assert again.sample_rate == rate


@pytest.mark.parametrize("rate", [7_350, 8_000, 11_025, 24_000, 44_100, 96_000])
@pytest.mark.parametrize("format", ["opus", "ogg", "mp3"])
def test_compressed_files_keep_length_and_sound(format, rate):
    chirp = AudioClip(0.4 * np.sin(np.cumsum(np.linspace(0.05, 0.6, rate // 2))), rate)
    again = AudioClip.from_bytes(chirp.encode(format))
    assert again.duration_s == pytest.approx(chirp.duration_s, abs=0.03)
    rates = 8_000
    assert similarity(chirp.resample(rates).samples, again.resample(rates).samples) > 0.98


@pytest.mark.parametrize("format", FORMATS)
def test_an_empty_clip_can_be_encoded(format):
    assert isinstance(AudioClip(np.zeros(0)).encode(format), bytes)


@pytest.mark.parametrize("format", FORMATS)
def test_minutes_of_audio_can_be_encoded(format):
    """Vorbis given in one piece ends the process from about five minutes on."""
    clip = AudioClip(np.zeros(8_000 * 600, np.float32), 8_000)
    assert soundfile.info(io.BytesIO(clip.encode(format))).duration == pytest.approx(600, abs=0.1)


@pytest.mark.parametrize("format", FORMATS)
def test_a_clip_is_saved_by_its_ending(tmp_path, format):
    path = tone().save(tmp_path / f"clip.{format.upper()}")
    assert AudioClip.from_file(path).duration_s == pytest.approx(1.0, abs=0.03)
    assert AudioClip.from_file(str(path)).sample_rate == 24_000
    assert MIME_TYPES[format].startswith("audio/")


def test_channels_are_averaged(tmp_path):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.column_stack([np.full(100, 0.5), np.full(100, -0.25)]), 16_000, subtype="FLOAT")
    clip = AudioClip.from_file(path)
    assert clip.sample_rate == 16_000
    assert np.allclose(clip.samples, 0.125)


@pytest.mark.parametrize("name", ["broken.wav", "broken.raw", "broken.mp3", "broken"])
def test_a_broken_file_is_named_with_the_way_out(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\x01\x02\x03" * 100)
    with pytest.raises(AudioError, match=f"{name}.*convert it to WAV") as caught:
        AudioClip.from_file(path)
    assert caught.value.__cause__ is not None


def test_an_empty_file_is_named(tmp_path):
    path = tmp_path / "empty.wav"
    path.touch()
    with pytest.raises(AudioError, match=r"empty\.wav' is an empty file"):
        AudioClip.from_file(path)


# --- clips ---


def test_a_clip_knows_its_length_and_peak():
    clip = AudioClip(np.array([0.0, -0.75, 0.5]), 3)
    assert (clip.duration_s, clip.peak) == (1.0, 0.75)
    assert AudioClip(np.zeros(0)).peak == 0.0
    assert repr(clip) == "AudioClip(1.00 s, 3 Hz)"


def test_a_clip_is_cut_as_far_as_it_reaches():
    clip = AudioClip(np.arange(10) / 10, 10)
    assert clip.cut(0.2, 0.5).samples.tolist() == pytest.approx([0.2, 0.3, 0.4])
    assert len(clip.cut(0.5).samples) == 5
    assert len(clip.cut(-1, 99).samples) == 10
    assert len(clip.cut(0.5, 0.2).samples) == len(clip.cut(7).samples) == 0


def test_clips_are_joined_at_the_first_rate():
    joined = concatenate([tone(0.5, 16_000), tone(0.25, 48_000)])
    assert joined.sample_rate == 16_000
    assert joined.duration_s == pytest.approx(0.75)


def test_resampling_keeps_length_and_sound():
    clip = tone(0.5, 16_000).resample(24_000)
    assert clip.duration_s == 0.5
    assert similarity(clip.samples, tone(0.5, 24_000).samples) > 0.999
    assert clip.resample(24_000) is clip
    assert len(clip.to_pcm16(8_000)) == 8_000


# --- streams ---


@pytest.mark.parametrize(
    ("rate_in", "rate_out"), [(48_000, 24_000), (44_100, 24_000), (24_000, 8_000), (8_000, 24_000)]
)
@given(cuts=st.lists(st.integers(0, 4_000), max_size=8))
def test_a_stream_resampled_in_chunks_equals_the_whole(rate_in, rate_out, cuts):
    pcm = tone(4_000 / rate_in, rate_in).to_pcm16()
    whole = Resampler(rate_in, rate_out).process(pcm, last=True)
    resampler = Resampler(rate_in, rate_out)
    edges = [0, *sorted(2 * cut for cut in cuts), len(pcm)]
    chunks = [resampler.process(pcm[start:stop]) for start, stop in itertools.pairwise(edges)]
    joined = b"".join(chunks) + resampler.process(b"", last=True)
    assert joined == whole


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_silence_stays_silent(rate):
    assert set(Resampler(rate, 24_000).process(bytes(rate), last=True)) == {0}


def test_a_stream_of_the_same_rate_passes_untouched():
    resampler = Resampler(24_000, 24_000)
    assert resampler.process(b"\x01\x02") == b"\x01\x02"
    assert resampler.process(b"", last=True) == b""


def test_a_stream_that_has_ended_starts_afresh():
    resampler = Resampler(48_000, 24_000)
    pcm = tone(0.1, 48_000).to_pcm16()
    assert resampler.process(pcm, last=True) == resampler.process(pcm, last=True)


@pytest.mark.parametrize("format", ["wav", "flac", "ogg", "opus", "mp3"])
def test_a_comment_goes_into_the_file_and_through_what_is_made_of_the_clip(format):
    clip = AudioClip(np.zeros(24_000), comment="AI-generated voice")
    made = concatenate([clip.cut(0.0, 0.5), clip.resample(16_000)])
    with soundfile.SoundFile(io.BytesIO(made.encode(format))) as file:
        assert file.comment == "AI-generated voice"


def test_a_comment_costs_an_mp3_file_no_sample():
    samples = np.zeros(24_000, np.float32)
    samples[12_000:12_010] = 0.9
    plain, signed = (AudioClip(samples, 24_000, comment).encode("mp3") for comment in ("", "AI-generated voice"))
    assert b"AI-generated voice" in signed
    assert np.array_equal(AudioClip.from_bytes(signed).samples, AudioClip.from_bytes(plain).samples)
    assert len(AudioClip.from_bytes(signed).samples) == 24_000
