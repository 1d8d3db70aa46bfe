"""What conditions do to clips, by numbers."""

import numpy as np
import pytest

from realtime_nb import speak
from realtime_nb.errors import SettingsError
from realtime_nb.experiments.conditions import (
    Babble,
    Clipping,
    Level,
    Noise,
    Reverberation,
    Speed,
    Telephone,
    apply_conditions,
    describe,
    named_pipelines,
)
from realtime_nb.media import g711
from realtime_nb.media.clip import AudioClip
from realtime_nb.speech.voice import loudness_lufs


def tone(frequency_hz=997.0, seconds=1.0, amplitude=0.1, rate=24_000):
    time_s = np.arange(int(rate * seconds)) / rate
    return AudioClip(amplitude * np.sin(2 * np.pi * frequency_hz * time_s), rate)


def decibels(ratio):
    return 10 * np.log10(np.maximum(ratio, 1e-20))


def power(samples):
    return np.mean(np.square(samples, dtype=float))


def chance(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.5])
@pytest.mark.parametrize("color", ["white", "pink"])
def test_noise_is_so_many_decibels_below_the_clip(snr_db, color):
    clip = tone()
    noisy = Noise(snr_db, color).apply(clip, chance())
    assert decibels(power(clip.samples) / power(noisy.samples - clip.samples)) == pytest.approx(snr_db, abs=0.01)


def test_pink_noise_has_the_same_power_in_each_octave():
    quiet = AudioClip(np.full(240_000, 1e-4, np.float32))
    noise = Noise(-40.0, "pink").apply(quiet, chance()).samples - quiet.samples
    spectrum, hertz = np.abs(np.fft.rfft(noise)) ** 2, np.fft.rfftfreq(len(noise), 1 / 24_000)
    octaves = [spectrum[(hertz >= low) & (hertz < 2 * low)].sum() for low in (100, 400, 1_600)]
    assert np.ptp(decibels(np.array(octaves))) < 1.0


def test_noise_that_would_exceed_full_scale_makes_everything_quieter_but_keeps_the_ratio():
    clip = tone(amplitude=0.9)
    noisy = Noise(0.0).apply(clip, chance())
    assert noisy.peak == pytest.approx(1.0)
    gain = np.dot(noisy.samples, clip.samples) / np.dot(clip.samples, clip.samples)
    rest = noisy.samples - gain * clip.samples
    assert decibels(power(gain * clip.samples) / power(rest)) == pytest.approx(0.0, abs=0.2)


def test_babble_is_so_many_decibels_below_the_clip_and_sounds_like_speech():
    clip = tone(seconds=4.0)
    babble = Babble(6.0, talkers=3).apply(clip, chance()).samples - clip.samples
    assert decibels(power(clip.samples) / power(babble)) == pytest.approx(6.0, abs=0.01)
    spectrum, hertz = np.abs(np.fft.rfft(babble)) ** 2, np.fft.rfftfreq(len(babble), 1 / 24_000)
    assert spectrum[(hertz > 80) & (hertz < 4_000)].sum() > 0.85 * spectrum.sum()
    other = Babble(6.0, talkers=3).apply(clip, chance(1)).samples - clip.samples
    assert not np.allclose(babble, other)


@pytest.mark.parametrize("t60_s", [0.3, 1.0])
def test_a_rooms_echoes_fall_by_sixty_decibels_in_its_time(t60_s):
    rate = 24_000
    impulse = AudioClip(np.eye(1, 1_000, dtype=np.float32)[0] * 0.9, rate)
    response = Reverberation(t60_s, direct_db=-20.0).apply(impulse, chance()).samples.astype(float)
    assert len(response) == pytest.approx(1_000 + t60_s * rate, abs=2)
    # Schroeder's backward integration, fitted between -5 and -25 dB (ISO 3382: T20).
    decay = decibels(np.cumsum(np.square(response[1:])[::-1])[::-1] / np.sum(np.square(response[1:])))[
        : int(t60_s * rate * 0.6)
    ]
    fitted = (decay < -5) & (decay > -25)
    slope, _ = np.polyfit(np.flatnonzero(fitted) / rate, decay[fitted], 1)
    assert -60 / slope == pytest.approx(t60_s, rel=0.1)


def test_a_room_keeps_the_energy_of_speech_and_the_share_of_the_direct_sound():
    impulse = AudioClip(np.eye(1, 100, dtype=np.float32)[0] * 0.9)
    response = Reverberation(0.4, direct_db=6.0).apply(impulse, chance()).samples.astype(float)
    assert np.sum(np.square(response)) == pytest.approx(0.81, rel=1e-3)
    assert decibels(response[0] ** 2 / np.sum(np.square(response[1:]))) == pytest.approx(6.0, abs=0.05)


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_a_telephone_passes_its_band_alone(law):
    def passed(frequency_hz):
        clip = tone(frequency_hz, amplitude=0.25)
        heard = Telephone(law).apply(clip, chance())
        assert heard.sample_rate == 24_000 and len(heard.samples) == len(clip.samples)
        return decibels(power(heard.samples[6_000:18_000]) / power(clip.samples[6_000:18_000]))

    assert passed(1_000) == pytest.approx(0.0, abs=0.5)
    assert passed(100) < -20 and passed(5_000) < -40


def test_a_telephones_samples_are_those_of_the_codec():
    """G.711 keeps at least 33 dB over most of its range (ITU-T G.712, total distortion)."""
    clip = tone(1_020.0, amplitude=0.25, rate=8_000)
    heard = Telephone().apply(clip, chance())
    pcm = heard.to_pcm16()
    assert g711.decode_ulaw(g711.encode_ulaw(pcm)) == pcm
    gain = np.dot(heard.samples, heard.samples)
    time = np.arange(len(heard.samples)) / 8_000
    basis = np.stack([np.sin(2 * np.pi * 1_020 * time), np.cos(2 * np.pi * 1_020 * time)])[:, 2_000:]
    fitted = np.linalg.lstsq(basis.T, heard.samples[2_000:], rcond=None)[0] @ basis
    assert gain > 0 and decibels(power(fitted) / power(heard.samples[2_000:] - fitted)) > 33


@pytest.mark.parametrize("dbfs", [-40.0, -20.0])
def test_a_level_is_that_of_the_whole_clip(dbfs):
    assert decibels(power(Level(dbfs).apply(tone(), chance()).samples)) == pytest.approx(dbfs, abs=0.01)
    assert not Level(dbfs).apply(AudioClip(np.zeros(100)), chance()).samples.any()


def test_speed_changes_length_and_keeps_pitch():
    fast = Speed(1.5).apply(tone(440.0, seconds=2.0), chance())
    assert fast.duration_s == pytest.approx(2 / 1.5, rel=0.01)
    spectrum = np.abs(np.fft.rfft(fast.samples * np.hanning(len(fast.samples))))
    assert spectrum.argmax() / fast.duration_s == pytest.approx(440, abs=3)


def sentence():
    return speak("I would like a table for four, please.")


QUIET_CHANGES = [*map(Speed, (0.25, 0.5, 0.8, 0.95, 1.1, 1.25, 1.5, 2.0, 4.0)), Telephone(), Telephone("alaw")]


@pytest.mark.parametrize("condition", [*QUIET_CHANGES, Reverberation(0.5), Reverberation(1.5, -5.0)], ids=str)
def test_other_conditions_keep_the_level(condition):
    said = sentence()
    silence = np.zeros(6_000, np.float32)
    for clip in (
        said,
        said.resample(8_000),
        AudioClip(said.samples * 0.02),
        AudioClip(said.samples / said.peak),
        speak("Yes."),
        tone(440.0, seconds=0.7),
        tone(997.0, seconds=1.3, amplitude=0.7),
        AudioClip(np.concatenate([silence, tone(440.0, seconds=0.8).samples, silence])),
        AudioClip(chance().standard_normal(24_000).clip(-4, 4).astype(np.float32) / 5),
    ):
        changed = condition.apply(clip, chance())
        assert changed.peak <= 1.0
        if loudness_lufs(changed) is None:  # "Yes." at four times its speed.
            assert decibels(power(changed.samples) / power(clip.samples)) == pytest.approx(0, abs=0.5)
        else:
            assert loudness_lufs(changed) == pytest.approx(loudness_lufs(clip), abs=0.5)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.25, 2.0])
def test_at_another_speed_a_short_tone_is_as_loud_and_silence_silent(factor):
    for seconds in (0.01, 0.03, 0.1):
        clip = tone(440.0, seconds=seconds)
        assert decibels(power(Speed(factor).apply(clip, chance()).samples) / power(clip.samples)) == pytest.approx(
            0, abs=0.5
        )
    assert not Speed(factor).apply(AudioClip(np.zeros(2_400)), chance()).samples.any()
    assert not len(Speed(factor).apply(AudioClip(np.zeros(0)), chance()).samples)


def test_clipping_cuts_off_what_is_beyond():
    clip = tone(amplitude=0.5)
    clipped = Clipping(12.0).apply(clip, chance())
    assert clipped.peak == pytest.approx(0.5 * 10 ** (-12 / 20), rel=1e-4)
    # A sine is above a quarter of its peak for 1 - 2/π·arcsin(1/4) of the time.
    cut = np.mean(np.abs(clipped.samples) > 0.999 * clipped.peak)
    assert cut == pytest.approx(1 - 2 / np.pi * np.arcsin(10 ** (-12 / 20)), abs=0.01)


def test_a_pipeline_is_the_same_for_the_same_seed_alone():
    clip = speak("What can you do?")
    pipeline = (Noise(10.0), Telephone())
    first, again, other = (apply_conditions(pipeline, clip, seed) for seed in (1, 1, 2))
    assert (first.samples == again.samples).all() and (first.samples != other.samples).any()


def test_a_clip_meets_the_same_noise_at_every_level():
    clip = tone()
    loud, soft = (apply_conditions((Noise(snr_db),), clip, 7).samples - clip.samples for snr_db in (0.0, 20.0))
    assert np.allclose(loud, 10 * soft, atol=1e-5)


CHANGES = [Noise(0.0), Babble(10.0), Reverberation(0.5), Telephone(), Level(-50.0), Clipping(12.0), Speed(0.8)]


@pytest.mark.parametrize("condition", CHANGES, ids=str)
def test_conditions_keep_track_of_where_speech_is(condition):
    quiet = np.zeros(12_000, np.float32)
    clip = AudioClip(np.concatenate([quiet, tone(440.0).samples, quiet]))  # The tone's own first sample is 0.
    slower = condition.factor if isinstance(condition, Speed) else 1.0
    said = apply_conditions((Noise(20.0), condition, Noise(5.0)), clip, 1)
    assert said.speech_start_ms == pytest.approx(500 / slower, abs=0.2)
    assert said.speech_end_ms == pytest.approx(1_500 / slower, abs=0.2)
    assert said.silence_ms == pytest.approx(500 / slower, abs=0.2)
    # And it is there that the sound is.
    alone = apply_conditions((condition,), clip, 1)
    loud = np.cumsum(np.square(alone.samples, dtype=float))
    begins, ends = (np.searchsorted(loud, share * loud[-1]) / 24 for share in (0.02, 0.98))
    if not isinstance(condition, Noise | Babble):
        assert begins == pytest.approx(alone.speech_start_ms, abs=60)
        # A room rings on after it.
        assert -60 < ends - alone.speech_end_ms < (400 if isinstance(condition, Reverberation) else 60)


def test_a_condition_that_does_not_say_how_it_moves_sound_loses_track_of_speech():
    class Late:
        def apply(self, clip, random):
            return AudioClip(np.concatenate([np.zeros(2_400, np.float32), clip.samples]))

    class Told(Late):
        def place_ms(self, at_ms):
            return at_ms + 100

    clip = tone()
    late, told = (apply_conditions((each,), clip, 1) for each in (Late(), Told()))
    assert late.speech_start_ms is late.speech_end_ms is late.silence_ms is None and late.turn_end_ms == 1_100
    assert told.speech_start_ms == pytest.approx(100, abs=0.2) and told.turn_end_ms == 1_100
    silent = apply_conditions((Noise(0.0),), AudioClip(np.zeros(2_400)), 1)
    assert silent.speech_start_ms is None  # Nobody spoke, whatever is to be heard now.


def test_pipelines_are_named_after_what_they_do():
    noise, line = Noise(10), Telephone("alaw")
    assert named_pipelines(None) == {"clean": ()}
    assert named_pipelines([(), noise, [Speed(1.25), line]]) == {
        "clean": (),
        "noise 10 dB": (noise,),
        "speed 1.25 + telephone A-law": (Speed(1.25), line),
    }
    assert named_pipelines({"street": [noise]}) == {"street": (noise,)}
    assert describe((Babble(5), Reverberation(0.5, -3), Level(-30), Clipping(6), Noise(3, "pink"))) == (
        "babble 5 dB, 4 talkers + reverberation 0.5 s, direct -3 dB + level -30 dBFS + clipping 6 dB + pink noise 3 dB"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Noise(float("inf")), "snr_db=inf"),
        (lambda: Noise(3, "brown"), "color='brown'"),
        (lambda: Babble(3, 9), "talkers=9 is not between 1 and 8"),
        (lambda: Reverberation(0), "t60_s=0"),
        (lambda: Telephone("mulaw"), "law='mulaw'"),
        (lambda: Level(3), "dbfs=3"),
        (lambda: Speed(5), "factor=5"),
        (lambda: Clipping(-1), "drive_db=-1"),
        (lambda: named_pipelines([]), "one or more"),
        (lambda: named_pipelines([Noise(1), Noise(1)]), "each with its own name"),
        (lambda: named_pipelines({"odd": ["telephone"]}), "'telephone' is not a condition"),
        (lambda: named_pipelines({"odd": "telephone"}), "'telephone' is not a condition"),
        (lambda: named_pipelines([Telephone]), "is not a condition: give an object .* e.g. Telephone"),
        (lambda: named_pipelines("telephone"), "conditions='telephone' must be a sequence or a mapping"),
        (lambda: named_pipelines(Noise(3)), "must be a sequence or a mapping"),
    ],
)
def test_what_cannot_be_done_says_so(make, message):
    with pytest.raises(SettingsError, match=message):
        make()
