import sys

import numpy as np
import pytest

import realtime_nb as rt
from realtime_nb.errors import AudioError, MissingExtra
from realtime_nb.media.clip import AudioClip
from realtime_nb.speech.voice import COLUMNS, loudness_lufs, measure_voice, measure_voices
from realtime_nb.views import mimebundle

RATE = 24_000
QUESTION = "I would like to book a table for four people tonight, please."


def tone(frequency_hz=200.0, seconds=1.0, level_db=0.0, rate=RATE):
    """Return a sine whose peak is `level_db` from full scale."""
    return 10 ** (level_db / 20) * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate)) / rate)


def voiced(fundamental_hz):
    """Return a sound of many harmonics, as a voice has, with a fundamental for each sample."""
    turns = np.cumsum(fundamental_hz) / RATE
    return AudioClip(0.3 * (2 * (turns % 1) - 1))


def k_weighted_lufs(frequency_hz, level_db):
    """Return what ITU-R BS.1770-4 says of a steady sine in one channel, by its tables 1 and 2 for 48 kHz."""
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285], [1, -1.69065929318241, 0.73248077421585]
    high_pass = [1.0, -2.0, 1.0], [1, -1.99004745483398, 0.99007225036621]
    z = np.exp(-2j * np.pi * frequency_hz / 48_000)
    gain = np.prod([abs(np.polyval(b[::-1], z) / np.polyval(a[::-1], z)) for b, a in (shelf, high_pass)])
    return -0.691 + 10 * np.log10(10 ** (level_db / 10) / 2 * gain**2)


# Loudness.


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize(("frequency_hz", "level_db"), [(997.0, 0.0), (200.0, -20.0), (200.0, -3.0)])
def test_loudness_is_that_of_the_standard(frequency_hz, level_db, rate):
    measured = measure_voice(AudioClip(tone(frequency_hz, level_db=level_db, rate=rate), rate))
    assert measured.loudness_lufs == pytest.approx(k_weighted_lufs(frequency_hz, level_db), abs=0.1)


def test_the_standards_own_figure():
    assert k_weighted_lufs(997, 0.0) == pytest.approx(-3.01, abs=0.005)
    assert measure_voice(AudioClip(tone(997))).loudness_lufs == pytest.approx(-3.01, abs=0.02)


def test_silence_and_faint_stretches_are_gated():
    loud = tone(level_db=-20, seconds=2)
    expected = pytest.approx(k_weighted_lufs(200, -20), abs=0.5)
    assert measure_voice(AudioClip(np.append(loud, np.zeros(3 * RATE)))).loudness_lufs == expected
    assert measure_voice(AudioClip(np.append(loud, tone(level_db=-40, seconds=2)))).loudness_lufs == expected


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("seconds", [0.15, 0.3, 0.45, 0.5, 0.7, 0.9])
def test_a_short_tone_is_as_loud_as_a_long_one_whatever_silence_is_around_it(seconds, rate):
    for before_s, behind_s in [(0.0, 0.0), (0.05, 0.04), (0.0, 0.25), (0.3, 0.3)]:
        if before_s + seconds + behind_s < 1:
            silences = [np.zeros(round(each * rate)) for each in (before_s, behind_s)]
            clip = AudioClip(np.concatenate([silences[0], tone(440, seconds, -20.0, rate), silences[1]]), rate)
            assert loudness_lufs(clip) == pytest.approx(k_weighted_lufs(440, -20.0), abs=0.1)


def test_two_short_tones_are_as_loud_as_one():
    beep = tone(440, 0.2, -20.0)
    clip = AudioClip(np.concatenate([beep, np.zeros(RATE // 4), beep]))
    assert loudness_lufs(clip) == pytest.approx(k_weighted_lufs(440, -20.0), abs=0.1)


@pytest.mark.parametrize("seconds", [1.0, 1.05, 1.149, 1.35, 2.05])
def test_an_incomplete_last_block_is_no_silence(seconds):
    assert loudness_lufs(AudioClip(tone(440, seconds, -20.0))) == pytest.approx(k_weighted_lufs(440, -20.0), abs=0.02)


def test_short_or_silent_clips_have_no_loudness():
    assert measure_voice(AudioClip(tone(seconds=0.14))).loudness_lufs is None
    assert measure_voice(AudioClip(tone(seconds=0.15))).loudness_lufs is not None
    silent = measure_voice(AudioClip(np.zeros(RATE)), text="one two")
    assert {name for name, value in silent.columns.items() if value is not None} == {"duration_s"}
    with pytest.raises(AudioError, match="there is no sound to measure in AudioClip"):
        measure_voice(AudioClip(np.zeros(0)))


# Pitch.


def test_a_steady_voice_has_its_pitch_and_no_spread():
    measured = measure_voice(voiced(np.full(RATE, 200.0)))
    assert measured.pitch_hz == pytest.approx(200, rel=0.01)
    assert measured.pitch_sd_semitones < 0.1


def test_the_spread_is_in_semitones():
    swing = 3 * np.sin(2 * np.pi * 1.0 * np.arange(2 * RATE) / RATE)
    for middle_hz in (110.0, 220.0):
        measured = measure_voice(voiced(middle_hz * 2 ** (swing / 12)))
        assert measured.pitch_hz == pytest.approx(middle_hz, rel=0.03)
        assert measured.pitch_sd_semitones == pytest.approx(3 / np.sqrt(2), abs=0.15)
        assert measured.pitch_range_semitones == pytest.approx(6, abs=0.3)


@pytest.mark.parametrize(("voice", "pitch_hz"), [("onyx", 79), ("echo", 102), ("alloy", 178), ("marin", 200)])
def test_local_voices_have_the_pitch_that_they_are_known_for(voice, pitch_hz):
    assert measure_voice(rt.speak(QUESTION, voice=voice)).pitch_hz == pytest.approx(pitch_hz, rel=0.1)


# Rate.


def in_silence(seconds):
    return AudioClip(np.concatenate([np.zeros(RATE // 2), tone(seconds=seconds), np.zeros(RATE)]))


def test_the_rate_counts_from_the_first_to_the_last_sound():
    measured = measure_voice(in_silence(2.0), text="Table, people: tonight!")
    assert measured.words_per_minute == pytest.approx(90, rel=0.03)
    assert measured.syllables_per_s == pytest.approx(3, rel=0.03)
    assert measured.pause_share == pytest.approx(0.0, abs=0.01)


def test_numbers_are_as_long_as_other_words_and_other_languages_are_not_counted():
    clip = in_silence(2.0)
    assert measure_voice(clip, text="table 12 people").syllables_per_s == pytest.approx(3, rel=0.03)
    assert measure_voice(clip, text="12 13 people").syllables_per_s is None
    for text in ("Größe überall", "こんにちは", ""):
        assert measure_voice(clip, text=text).syllables_per_s is None
    assert measure_voice(clip).words_per_minute is None
    assert measure_voice(clip, text="今日は何ができますか").words_per_minute is None


def test_pauses_count():
    clip = AudioClip(np.concatenate([tone(seconds=1), np.zeros(RATE // 2), tone(seconds=0.5)]))
    assert measure_voice(clip).pause_share == pytest.approx(0.25, abs=0.02)


def test_a_faster_voice_has_a_higher_rate():
    slow, fast = (measure_voice(rt.speak(QUESTION, speed=speed), text=QUESTION) for speed in (0.7, 1.4))
    assert fast.syllables_per_s > 1.5 * slow.syllables_per_s


# Quality.


def test_noise_lowers_dnsmos():
    clean = rt.speak(QUESTION)
    noise = np.random.default_rng(0).standard_normal(len(clean.samples)) * np.sqrt(np.mean(clean.samples**2))
    noisy = AudioClip(5 * (clean.samples + noise))  # some of it beyond full scale
    assert noisy.peak > 1
    good, bad = (measure_voice(clip, dnsmos=True) for clip in (clean, noisy))
    for scale in ("dnsmos_ovrl", "dnsmos_bak", "dnsmos_p808"):
        assert 1 <= getattr(bad, scale) < getattr(good, scale) - 0.5 <= 4.5
    assert isinstance(good.dnsmos_p808, float)
    assert f"DNSMOS overall: {good.dnsmos_ovrl:.2f}" in mimebundle(good)["text/plain"]


def test_without_the_extra_dnsmos_says_what_to_install(monkeypatch):
    for name in ("speechmos", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"DNSMOS is not installed .*pip install 'realtime-nb\[mos\]'"):
        measure_voice(AudioClip(tone(seconds=0.5)), dnsmos=True)


# Several, and how they look.


def test_a_conversation_has_a_row_for_each_reply():
    with rt.RealtimeSession(backend="local") as session:
        for question in ("Hello!", "Thank you."):
            reply = session.ask(question).result()
    frame = measure_voices(session.conversation)
    assert frame.columns.tolist() == ["number", "text", *COLUMNS]
    assert frame["number"].tolist() == [1, 2] and frame["text"][1] == reply.transcript
    assert frame["syllables_per_s"].between(2, 8).all() and frame["loudness_lufs"].between(-40, -10).all()
    assert measure_voice(reply) == measure_voice(reply.audio, text=reply.transcript)


def test_a_frame_of_clips_has_its_columns():
    assert measure_voices([AudioClip(np.zeros(0))]).columns.tolist() == ["number", "text", *COLUMNS]
    assert measure_voices([AudioClip(np.zeros(0)), AudioClip(tone(seconds=0.5))])["number"].tolist() == [2]


def test_the_view_has_figures_and_the_pitch():
    bundle = mimebundle(measure_voice(voiced(np.full(RATE, 150.0))))
    assert "pitch, median: 150 Hz" in bundle["text/plain"] and "words per minute: –" in bundle["text/plain"]
    assert "LUFS" in bundle["text/html"] and bundle["image/png"]
    assert "image/png" not in mimebundle(measure_voice(AudioClip(np.zeros(RATE))))
