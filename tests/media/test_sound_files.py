"""Sound files of every kind that people have: all of their sound comes, or an error that says why not."""

import io
import itertools
import re
import struct
import subprocess
import sys
import warnings

import av
import numpy as np
import pytest
import soundfile

from realtime_nb.errors import AudioError
from realtime_nb.media import sound_files
from realtime_nb.media.clip import SOUND_ENDINGS, AudioClip

RATE = 24_000
CHIRP = (0.5 * np.sin(np.cumsum(np.linspace(0.05, 0.6, 30_000)))).astype("f4")
CLIP = AudioClip(CHIRP, RATE)
# Headerless, and one whose header is a second file.
NOT_FILES = {"RAW", "SD2"}
SUBTYPES = [
    (container, subtype)
    for container in sorted(set(soundfile.available_formats()) - NOT_FILES)
    for subtype in soundfile.available_subtypes(container)
]


def file(samples=CHIRP, rate=RATE, **how):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, **({"format": "WAV", "subtype": "FLOAT"} | how))
    return buffer.getvalue()


def ffmpeg_file(format, codec, rate=RATE, layout="mono", channels=1, codec_options=None, samples=CHIRP):
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=format) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout, options=codec_options or {})
        samples = AudioClip(samples, RATE).resample(rate).samples
        frame = av.AudioFrame.from_ndarray(np.stack([samples] * channels), "fltp", layout)
        frame.sample_rate = rate
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return buffer.getvalue()


def likeness(one, other):
    """Return the largest correlation over all shifts: codecs delay."""
    size = 2 ** int(np.ceil(np.log2(len(one) + len(other))))
    spectrum = np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size))
    return np.fft.irfft(spectrum).max() / np.sqrt((one**2).sum() * (other**2).sum())


# --- what libsndfile reads ---


@pytest.mark.parametrize(("container", "subtype"), SUBTYPES)
def test_whatever_libsndfile_writes_is_a_clip(container, subtype):
    try:
        data = file(CLIP.resample(8_000).samples, 8_000, format=container, subtype=subtype)
    except soundfile.LibsndfileError as error:
        pytest.skip(f"it does not write this: {error}")
    clip = AudioClip.from_bytes(data)
    assert 10_000 <= len(clip.samples) <= 10_400
    if (container, subtype) != ("VOC", "ULAW"):  # libsndfile 1.2 puts the end of its header into the sound.
        assert likeness(clip.samples, CLIP.resample(8_000).samples) > 0.9


def flac_of_unknown_length(samples=CHIRP):
    data = bytearray(file(samples, format="FLAC", subtype="PCM_16"))
    data[21] &= 0xF0  # The length: 36 bits at byte 21.5 (RFC 9639 §8.2).
    data[22:26] = bytes(4)
    return bytes(data)


def test_flac_that_does_not_know_its_length_is_read_to_its_end():
    assert len(AudioClip.from_bytes(flac_of_unknown_length()).samples) == len(CHIRP)


@pytest.mark.parametrize("claim", [1, 29_999, 40_000, 2**36 - 1])
def test_flac_that_claims_another_length_is_told_of_or_refused(claim):
    data = bytearray(file(format="FLAC", subtype="PCM_16"))
    data[21] = (data[21] & 0xF0) | claim >> 32
    data[22:26] = (claim & 0xFFFFFFFF).to_bytes(4, "big")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            clip = AudioClip.from_bytes(bytes(data))
        except AudioError:
            return
    assert len(clip.samples) == len(CHIRP)
    assert len(told) == (claim > len(CHIRP))


@pytest.mark.parametrize("size", [0, 1, 100, 2**31, 2**32 - 1])
def test_a_wave_header_is_not_believed_beyond_what_is_there(size):
    data = file(subtype="PCM_16")
    at = data.index(b"data") + 4
    data = data[:4] + struct.pack("<I", size) + data[8:at] + struct.pack("<I", size) + data[at + 4 :]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            clip = AudioClip.from_bytes(data)
        except AudioError:
            assert size == 1
        else:
            assert told or len(clip.samples) == len(CHIRP)


@pytest.mark.parametrize("rate", [1, 999, 2**31 - 1])
def test_a_claimed_rate_makes_no_gigabytes(rate):
    data = bytearray(file(subtype="PCM_16"))
    data[24:28] = struct.pack("<I", rate)
    try:
        clip = AudioClip.from_bytes(bytes(data)).resample(RATE)
    except AudioError as error:
        assert f"{rate} Hz" in str(error)
    else:
        assert len(clip.samples) <= RATE


def test_more_channels_than_anybody_has_are_mixed():
    data = file(np.tile(CHIRP[:300, None], (1, 1_000)))
    assert AudioClip.from_bytes(data).samples == pytest.approx(CHIRP[:300], abs=1e-5)


def test_no_more_is_decoded_than_wanted():
    with pytest.raises(AudioError, match="more than 1 s, the most that is taken"):
        AudioClip.from_bytes(flac_of_unknown_length(), longest_s=1.0)
    assert AudioClip.from_bytes(flac_of_unknown_length(), longest_s=1.3)
    joined = file(format="FLAC", subtype="PCM_16") * 2
    with pytest.raises(AudioError, match="1 s are taken"):
        AudioClip.from_bytes(joined, longest_s=2.0)


@pytest.mark.parametrize("tail", [b"TAG".ljust(128), b"\0" * 5_000])
def test_a_tag_behind_flac_hides_none_of_its_sound(tail):
    data = file(format="FLAC", subtype="PCM_16")
    assert np.array_equal(AudioClip.from_bytes(data + tail).samples, AudioClip.from_bytes(data).samples)


@pytest.mark.parametrize("sample", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused_by_the_name_of_their_file(tmp_path, sample):
    path = tmp_path / "odd.wav"
    path.write_bytes(file(np.append(CHIRP, np.float32(sample))))
    with pytest.raises(AudioError, match=r"odd\.wav' holds samples that are NaN"):
        AudioClip.from_file(path)


# --- what FFmpeg reads ---

FFMPEG = [
    ("ipod", "aac", RATE, "clip.m4a"),
    ("mp4", "aac", 44_100, "clip.mp4"),
    ("mov", "alac", RATE, "clip.m4a"),
    ("3gp", "libopencore_amrnb", 8_000, "clip.3gp"),
    ("amr", "libopencore_amrnb", 8_000, "clip.amr"),
    ("webm", "libopus", 48_000, "clip.webm"),
    ("caf", "alac", RATE, "clip.caf"),
    ("caf", "pcm_s16le", RATE, "clip.caf"),
    ("adts", "aac", RATE, "clip.aac"),
    ("asf", "wmav2", 44_100, "clip.wma"),
    ("wav", "adpcm_g726", 8_000, "clip.wav"),
]


@pytest.mark.parametrize(("format", "codec", "rate", "name"), FFMPEG)
def test_what_ffmpeg_reads_is_a_clip(tmp_path, format, codec, rate, name):
    bits_per_s = {"libopencore_amrnb": "12200", "wmav2": "64000"}.get(codec)
    data = ffmpeg_file(format, codec, rate, codec_options={"b": bits_per_s} if bits_per_s else None)
    path = tmp_path / name
    path.write_bytes(data)
    clip = AudioClip.from_file(path)
    assert clip.duration_s == pytest.approx(CLIP.duration_s, abs=0.15)
    assert likeness(clip.resample(8_000).samples, CLIP.resample(8_000).samples) > 0.8
    assert path.suffix[1:] in SOUND_ENDINGS


def test_flac_of_32_bits_is_a_clip_by_ffmpeg(monkeypatch):
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=RATE, layout="mono", format="s32")
        stream.options = {"strict": "experimental", "bits_per_raw_sample": "32"}
        plane = np.round(CHIRP.astype("f8") * 2**31).astype("i4")
        frame = av.AudioFrame.from_ndarray(plane[None, :], "s32", "mono")
        frame.sample_rate = RATE
        container.mux([*stream.encode(frame), *stream.encode(None)])
    data = buffer.getvalue()
    assert AudioClip.from_bytes(data).samples == pytest.approx(CHIRP, abs=1e-6)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match="needs PyAV"):
        AudioClip.from_bytes(data)


def test_channels_of_a_video_file_are_mixed_and_its_pictures_left():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        picture = container.add_stream("mpeg4", rate=5)
        picture.width = picture.height = 64
        sound = container.add_stream("aac", rate=RATE, layout="stereo")
        for _ in range(5):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), "u1"), "rgb24")))
        frame = av.AudioFrame.from_ndarray(np.stack([CHIRP, np.zeros_like(CHIRP)]), "fltp", "stereo")
        frame.sample_rate = RATE
        container.mux([*picture.encode(None), *sound.encode(frame), *sound.encode(None)])
    clip = AudioClip.from_bytes(buffer.getvalue())
    assert np.abs(clip.samples).max() == pytest.approx(0.25, abs=0.1)


def test_a_film_without_sound_says_so():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        picture = container.add_stream("mpeg4", rate=5)
        picture.width = picture.height = 64
        container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), "u1"), "rgb24")))
        container.mux(picture.encode(None))
    with pytest.raises(AudioError, match="no sound track"):
        AudioClip.from_bytes(buffer.getvalue())


@pytest.mark.parametrize(("format", "codec", "rate", "name"), FFMPEG[:6])
def test_without_pyav_the_error_names_the_extra(tmp_path, monkeypatch, format, codec, rate, name):
    path = tmp_path / name
    path.write_bytes(ffmpeg_file(format, codec, rate, codec_options={"b": "12200"} if "amr" in codec else None))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match=rf"{name}' needs PyAV .*pip install 'realtime-nb\[aac\]'"):
        AudioClip.from_file(path)


@pytest.mark.parametrize("part", [0.02, 0.5, 0.9])
@pytest.mark.parametrize(("format", "codec", "rate", "name"), FFMPEG[:2])
def test_half_a_film_is_an_error(format, codec, rate, name, part):
    data = ffmpeg_file(format, codec, rate)
    with pytest.raises(AudioError, match="cannot be decoded"):
        AudioClip.from_bytes(data[: int(len(data) * part)])


# --- several files in one ---


def lame(data):
    """Return an MP3 file without the frame that counts the others."""
    return b"".join(
        frame
        for frame, header in sound_files._mpeg_frames(data, "")
        if b"Info" not in frame[:60] and b"Xing" not in frame[:60]
    )


@pytest.mark.parametrize("container", ["RF64", "AIFF", "AU", "CAF"])
def test_joined_files_of_uncompressed_kinds_give_all_their_sound(container):
    data = file(format=container, subtype="PCM_16")
    assert np.array_equal(AudioClip.from_bytes(data * 2).samples, np.tile(AudioClip.from_bytes(data).samples, 2))


@pytest.mark.parametrize("format", ["ipod", "mp4"])
def test_joined_mp4_gives_all_its_sound(format):
    clip = AudioClip.from_bytes(ffmpeg_file("ipod", "aac") + ffmpeg_file(format, "aac", 44_100))
    assert clip.duration_s == pytest.approx(2 * CLIP.duration_s, abs=0.2)


@pytest.mark.parametrize(
    ("format", "codec", "rate"),
    [
        ("webm", "libopus", 48_000),
        ("matroska", "pcm_s16le", 16_000),
        ("asf", "wmav2", 44_100),
        ("amr", "libopencore_amrnb", 8_000),
    ],
)
def test_joined_files_of_ffmpegs_kinds_give_all_their_sound(format, codec, rate):
    """The third is the one that a reader loses that looks at the times in the files."""
    how = {"b": "64000"} if codec == "wmav2" else {"b": "12200"} if "amr" in codec else {}
    whole, part = (
        ffmpeg_file(format, codec, rate, codec_options=how, samples=each) for each in (CHIRP, CHIRP[:12_000])
    )
    clip = AudioClip.from_bytes(whole + part + whole)
    assert clip.duration_s == pytest.approx(2 * CLIP.duration_s + 0.5, abs=0.3)


def test_joined_aac_of_several_rates_and_channels_is_one_clip():
    others = [ffmpeg_file("adts", "aac", 44_100, "stereo", 2), CLIP.resample(16_000).encode("aac")]
    clip = AudioClip.from_bytes(b"".join([CLIP.encode("aac"), *others]))
    assert clip.duration_s == pytest.approx(3 * CLIP.duration_s, abs=0.4)
    for part in np.array_split(clip.samples, 3):
        assert np.sqrt(np.mean(part**2)) == pytest.approx(0.5 * np.sqrt(0.5), abs=0.05)  # The joints click.


@pytest.mark.parametrize("format", ["mp3", "flac", "ogg", "opus", "wav", "aac"])
@pytest.mark.parametrize("count", [2, 5])
def test_files_joined_to_one_give_all_their_sound(format, count):
    clip = AudioClip.from_bytes(CLIP.encode(format) * count)
    assert clip.duration_s == pytest.approx(count * CLIP.duration_s, abs=0.1 * count)
    thirds = [CLIP.resample(8_000).samples] * count
    if format != "aac":  # Its silence between the files shifts them.
        assert likeness(clip.resample(8_000).samples, np.concatenate(thirds)) > 0.9


@pytest.mark.parametrize("format", ["mp3", "flac", "ogg", "opus", "wav"])
def test_joined_files_of_several_rates_and_channels_are_one_clip(format):
    if format == "opus":
        others = [CLIP.resample(8_000).encode(format)]
    else:
        container, subtype = {
            "mp3": ("MP3", "MPEG_LAYER_III"),
            "flac": ("FLAC", "PCM_16"),
            "ogg": ("OGG", "VORBIS"),
            "wav": ("WAV", "PCM_16"),
        }[format]
        stereo = np.column_stack([CLIP.resample(16_000).samples] * 2)
        others = [file(stereo, 16_000, format=container, subtype=subtype)]
    clip = AudioClip.from_bytes(b"".join([CLIP.encode(format), *others]))
    assert clip.duration_s == pytest.approx(2 * CLIP.duration_s, abs=0.2)
    half = len(clip.samples) // 2
    for part in (clip.samples[:half], clip.samples[half:]):
        assert np.abs(part).max() == pytest.approx(0.5, abs=0.2)


def test_a_wave_file_that_was_streamed_is_told_from_the_next():
    data = CLIP.encode("wav")
    endless = data[:4] + b"\xff" * 4 + data[8:40] + b"\xff" * 4 + data[44:]
    clip = AudioClip.from_bytes(endless + endless)
    assert np.array_equal(clip.samples, np.concatenate([AudioClip.from_bytes(data).samples] * 2))


def varying_mp3():
    """Return an MP3 file without a header whose frames begin small and grow."""
    quiet, loud = (
        AudioClip(level * np.random.default_rng(3).standard_normal(RATE * 5).astype("f4"), RATE) for level in (0.0, 0.1)
    )
    buffers = []
    for clip, mode in ((quiet, 0.99), (loud, 0.0)):
        buffer = io.BytesIO()
        with soundfile.SoundFile(
            buffer,
            "w",
            RATE,
            1,
            format="MP3",
            subtype="MPEG_LAYER_III",
            compression_level=mode,
            bitrate_mode="CONSTANT",
        ) as opened:
            opened.write(clip.samples)
        buffers.append(lame(buffer.getvalue()))
    return buffers


def test_mp3_of_varying_bitrate_without_a_header_is_read_to_its_end():
    for order in (1, -1):
        clip = AudioClip.from_bytes(b"".join(varying_mp3()[::order]))
        assert clip.duration_s == pytest.approx(10, abs=0.3)


def test_mp3_with_tags_before_between_and_behind_gives_all_its_sound():
    tag = b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)
    old = b"TAG".ljust(128, b"\0")
    one = CLIP.encode("mp3")
    clip = AudioClip.from_bytes(tag + one + old + tag + one + old)
    assert clip.duration_s == pytest.approx(2 * CLIP.duration_s, abs=0.1)


def test_tags_hide_no_other_kind_of_file():
    tag = b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)
    for format in ("aac", "flac", "wav", "mp3"):
        clip = AudioClip.from_bytes(tag + tag + CLIP.encode(format) + CLIP.encode(format))
        assert clip.duration_s == pytest.approx(2 * CLIP.duration_s, abs=0.2)


@pytest.mark.parametrize("format", ["mp3", "flac", "ogg", "opus", "wav", "aac"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_gives_what_is_there_or_an_error(format, part):
    data = CLIP.encode(format)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            clip = AudioClip.from_bytes(data[: int(part * len(data))])
        except AudioError:
            return
    assert clip.duration_s <= CLIP.duration_s + 0.1
    if format in ("mp3", "flac", "wav") and clip.duration_s < 0.9 * CLIP.duration_s:
        assert any("but has only" in str(each.message) for each in told)


CUT_OFF = [file(format=container, subtype="PCM_16") for container in ("AIFF", "AU", "W64", "RF64", "WAV")]
CUT_OFF += [ffmpeg_file(*kind) for kind in (("webm", "libopus", 48_000), ("wav", "adpcm_g726", 8_000))]


@pytest.mark.parametrize("data", CUT_OFF, ids=["aiff", "au", "w64", "rf64", "wav", "webm", "g726"])
def test_a_file_that_was_cut_off_says_how_much_is_missing(data):
    with pytest.warns(UserWarning, match=r"announces 1\.2\d s of sound, but has only 0\.[67]\d s"):
        AudioClip.from_bytes(data[: int(0.55 * len(data))])


@pytest.mark.parametrize("format", ["mp3", "flac", "ogg", "opus"])
def test_damage_in_the_middle_is_told_or_refused(format):
    data = CLIP.encode(format) * 2
    for at, length in itertools.product((len(data) // 4, len(data) // 2), (50, 700)):
        broken = data[:at] + b"\x55" * length + data[at + length :]
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                clip = AudioClip.from_bytes(broken)
            except AudioError:
                continue
        assert told or clip.duration_s > 2 * CLIP.duration_s - 0.2


# --- levels ---


@pytest.mark.parametrize(("full_scale", "peak"), [(32_768, 15_824), (2**23, 4_000_000), (2**31, 1.2e9), (128, 90)])
def test_numbers_that_nobody_divided_are_divided_and_told(full_scale, peak):
    wanted = CHIRP * peak / full_scale / 0.5
    with pytest.warns(UserWarning, match=re.escape(f"full scale: its samples are divided by {full_scale:,.6g}")):
        clip = AudioClip.from_bytes(file(wanted.astype("f8") * full_scale, subtype="DOUBLE"))
    assert clip.samples == pytest.approx(wanted, abs=1e-6)


def test_floating_point_beyond_full_scale_is_scaled_to_it_and_told(tmp_path):
    path = tmp_path / "hot.wav"
    path.write_bytes(file(5 * CHIRP))
    with pytest.warns(UserWarning, match=r"hot\.wav' reaches 2\.\d* × full scale"):
        clip = AudioClip.from_file(path)
    assert clip.samples == pytest.approx(CHIRP * 2, abs=1e-3)


def test_a_little_overshoot_stays_as_it_is():
    assert AudioClip.from_bytes(file(2.2 * CHIRP)).peak == pytest.approx(1.1, abs=0.01)


def test_a_clip_of_numbers_that_nobody_divided_warns_where_it_is_made():
    with pytest.warns(UserWarning, match="15,824 × full scale") as told:
        AudioClip(np.array([0.0, 15_824.0]))
    assert told[0].filename == __file__


@pytest.mark.parametrize("gain", [-1.0, -0.9, -0.7, -1.4])
def test_channels_that_cancel_give_the_loudest_and_are_reported(gain):
    stereo = np.column_stack([0.5 * CHIRP, 0.5 * gain * CHIRP])
    with pytest.warns(UserWarning, match=f"only channel {2 if gain < -1 else 1} is taken"):
        clip = AudioClip.from_bytes(file(stereo))
    assert clip.peak == pytest.approx(0.25 * max(1, -gain), abs=0.01)


@pytest.mark.parametrize(
    "right",
    [
        pytest.param(np.where(np.arange(len(CHIRP)) < len(CHIRP) // 2, CHIRP, -CHIRP), id="half of the time"),
        pytest.param(-0.5 * CHIRP, id="at half the level"),
        pytest.param(0.3 - CHIRP, id="beside a constant"),
    ],
)
def test_channels_that_cancel_partly_lose_no_sound(right):
    with pytest.warns(UserWarning, match="cancel each other"):
        clip = AudioClip.from_bytes(file(np.column_stack([CHIRP, right])))
    heard = clip.samples - clip.samples.mean()
    assert np.square(heard).sum() == pytest.approx(np.square(CHIRP).sum(), rel=0.01)


def test_channels_that_cancel_are_found_in_compressed_files_too():
    with pytest.warns(UserWarning, match="cancel"):
        AudioClip.from_bytes(file(np.column_stack([CHIRP, -CHIRP]), format="OGG", subtype="VORBIS"))


@pytest.mark.parametrize("silent", [1, 7])
def test_channels_that_are_silent_or_differ_are_averaged_without_a_word(silent):
    data = file(np.column_stack([CHIRP, *[np.zeros_like(CHIRP)] * silent]))
    assert AudioClip.from_bytes(data).peak == pytest.approx(0.5 / (1 + silent), abs=0.01)
    noise = 0.1 * np.random.default_rng(1).standard_normal((30_000, 2))
    AudioClip.from_bytes(file(noise))


# --- writing ---


@pytest.mark.parametrize("format", ["wav", "flac", "ogg", "opus", "mp3", "aac"])
def test_no_rate_reaches_an_encoder_that_does_not_take_it(format):
    """In a process of its own: an encoder that is given a wrong rate may end it."""
    code = f"""if True:
        import numpy as np
        from realtime_nb.media.clip import SOUND_ENDINGS, AudioClip
        for rate in (1, 999, 7_350, 44_056, 65_537, 199_999, 200_001, 655_351, 1_000_003, 2**31 - 1, 2**31, 2**40):
            clip = AudioClip(np.zeros(100, "f4"), rate)
            try:
                data = clip.encode({format!r})
            except Exception as error:
                assert type(error).__name__ == "AudioError", (rate, error)
            else:
                assert isinstance(data, bytes), rate
        print("all")
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert (done.stdout, done.returncode) == ("all\n", 0), done.stderr
