import base64
import io

import numpy as np
import pytest
import record_samples as samples
from PIL import Image

import realtime_nb as rt
from realtime_nb.conversation.conversation import Conversation
from realtime_nb.conversation.records import Reply
from realtime_nb.errors import AudioError
from realtime_nb.media.clip import AudioClip
from realtime_nb.protocol.local_events import Word
from realtime_nb.sessions.realtime import RealtimeSession
from realtime_nb.views import mimebundle
from realtime_nb.views.spectrogram import spectrogram


def tone(hz, rate=24_000, seconds=1.0):
    return AudioClip(0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate), rate)


def cut_reply():
    reply = samples.conversation().replies[0]
    [answer] = reply.turns
    answer.interrupted, answer.played_ms, answer.began_at_ms = True, 200, reply.timing.origin_ms + 500
    reply.asked.parts[0].replace_audio(samples.sound(400))
    reply.asked.parts[0].words = (Word("what", 100.0, 300.0),)
    reply.asked.began_at_ms = reply.timing.origin_ms - 400
    return reply


@pytest.mark.parametrize("kind", ["mel", "stft", "cqt", "vqt"])
def test_the_arrays_fit_each_other(kind):
    record = spectrogram(tone(440), kind, hop_ms=20)
    assert (
        record.power_db.shape == (len(record.frequencies_hz), len(record.times_s)) == (len(record.frequencies_hz), 51)
    )
    assert record.power_db.max() == 0 and record.power_db.min() >= -80
    assert record.power_db.dtype == np.float32
    assert record.times_s[-1] == pytest.approx(1.0)
    loudest = record.frequencies_hz[record.power_db.mean(axis=1).argmax()]
    assert loudest == pytest.approx(440, rel=0.1)
    assert repr(record) == f"Spectrogram({kind}, {len(record.frequencies_hz)} bands, 1.00 s)"


def test_both_sides_of_a_reply_lie_on_one_clock():
    record = spectrogram(cut_reply())
    question, answer = record.sides
    assert (question.name, answer.name) == ("You", "AI voice")
    assert question.power_db.shape == answer.power_db.shape == record.power_db.shape
    assert (record.times_s[0], record.times_s[-1]) == (pytest.approx(-0.4), pytest.approx(1.1))
    for side, start_s, stop_s in ((question, -0.4, 0.0), (answer, 0.5, 1.1)):
        sounding = record.times_s[side.power_db.max(axis=0) > -60]
        assert (sounding[0], sounding[-1]) == (pytest.approx(start_s, abs=0.03), pytest.approx(stop_s, abs=0.03))
        assert side.speech_s == (pytest.approx((start_s, stop_s), abs=0.03),)
    assert repr(record) == "Spectrogram(mel of You and AI voice, 80 bands, 1.50 s)"


def test_one_point_is_the_loudest_of_both_sides():
    reply = cut_reply()
    reply.asked.parts[0].replace_audio((np.frombuffer(samples.sound(400), "<i2") // 100).astype("<i2").tobytes())
    question, answer = spectrogram(reply).sides
    assert answer.power_db.max() == 0 and question.power_db.max() == pytest.approx(-40, abs=1.5)


def test_unheard_sound_and_words_are_on_the_clock():
    question, answer = spectrogram(cut_reply()).sides
    assert answer.unheard_s == (pytest.approx((0.7, 1.1)),) and question.unheard_s == ()
    [(text, start_s, stop_s)] = question.words
    assert (text, start_s, stop_s) == ("what", pytest.approx(-0.3), pytest.approx(-0.1))


def test_unheard_sound_makes_way_for_the_next_answer():
    conversation = Conversation()
    reply = cut_reply()
    again = samples.conversation().turn("A")
    again.item_id, again.began_at_ms = "A2", reply.turns[0].began_at_ms + 350
    for turn in (reply.turns[0], again):
        conversation._index.turns[turn.item_id] = turn
        conversation._index.place(turn.item_id, None)
    [side] = spectrogram(conversation).sides
    assert [piece.clip.duration_s for piece in side.pieces] == [pytest.approx(0.35), pytest.approx(0.6)]
    [(cut_s, stop_s)] = side.unheard_s
    assert stop_s - cut_s == pytest.approx(0.15)


def test_long_sound_has_no_more_frames_than_a_picture_can_show():
    record = spectrogram(AudioClip(np.tile(tone(440).samples, 120)))
    assert 5_900 < len(record.times_s) <= 6_001
    assert record.times_s[-1] == pytest.approx(120, abs=0.05)


def test_a_stretch_of_the_clock_can_be_drawn_alone():
    record = spectrogram(cut_reply(), start_s=0.6, stop_s=0.9)
    assert [side.name for side in record.sides] == ["AI voice"]
    assert (record.times_s[0], record.times_s[-1]) == (pytest.approx(0.6), pytest.approx(0.9))
    assert record.sides[0].unheard_s == (pytest.approx((0.7, 0.9)),)
    with pytest.raises(AudioError, match=r"no audio from start_s=5 to stop_s=None, only -0\.4 to 1\.1"):
        spectrogram(cut_reply(), start_s=5)


def test_a_clips_words_are_the_callers():
    [side] = spectrogram(tone(440), words=[("la", 0.2, 0.4)]).sides
    assert side.words == (("la", 0.2, 0.4),)
    _, answer = spectrogram(cut_reply(), words={"AI voice": [("ten", 0.6, 0.65)]}).sides
    assert answer.words == (("ten", 0.6, 0.65),)


def test_words_need_a_speaker():
    with pytest.raises(AudioError, match=r"words of 2 sides must say whose they are: give a mapping of \['You', 'AI v"):
        spectrogram(cut_reply(), words=[("ten", 0.6, 0.65)])
    with pytest.raises(AudioError, match=r"words of 'Me': the sides are \['You', 'AI voice'\]"):
        spectrogram(cut_reply(), words={"Me": []})


def test_its_looks_are_a_picture_and_words_and_on_demand_a_drawing():
    record = spectrogram(tone(440))
    assert record.png is record.png
    bundle = mimebundle(record)
    assert base64.b64decode(bundle["image/png"]) == record.png
    assert bundle["image/png"] in bundle["text/html"]
    assert set(record._repr_mimebundle_()) == {"text/plain", "text/html", "image/png"}
    assert record._repr_mimebundle_(include=["image/svg+xml"])["image/svg+xml"] == record.svg


def test_it_is_saved_as_the_name_says(tmp_path):
    record = spectrogram(tone(440))
    assert record.save(tmp_path / "a.png").read_bytes() == record.png
    assert record.save(tmp_path / "a.SVG").read_text("utf-8") == record.svg
    with pytest.raises(AudioError, match=r"must end in .png or .svg"):
        record.save(tmp_path / "a.jpg")


@pytest.mark.parametrize("rate", [8_000, 48_000])
@pytest.mark.parametrize("samples", [1, 500, 24_000])
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_silent_and_tiny_clips_of_any_rate_break_nothing(rate, samples, level):
    record = spectrogram(AudioClip(level * np.ones(samples), rate))
    assert np.isfinite(record.power_db).all()
    assert record.power_db.min() >= -80 and record.power_db.max() <= 0
    assert Image.open(io.BytesIO(record.png)).format == "PNG"


def test_silence_is_drawn_as_silence():
    assert (spectrogram(AudioClip(np.zeros(24_000))).power_db == -80).all()


@pytest.mark.parametrize("source", [AudioClip(np.zeros(0)), Reply(response_id="R"), Conversation()])
def test_without_audio_there_is_nothing_to_draw(source):
    with pytest.raises(AudioError, match="no audio to draw"):
        spectrogram(source)


def test_a_session_is_drawn_as_its_conversation():
    session = RealtimeSession(backend="local")
    session.conversation._index = samples.conversation()._index
    record = spectrogram(session)
    assert np.array_equal(record.power_db, spectrogram(session.conversation).power_db)


def test_a_recording_looks_as_its_session_did(tmp_path):
    session = RealtimeSession(backend="local")
    session.ask(rt.speak("What is two plus three?")).result(30)
    session.close().result(60)
    session.save(tmp_path / "sum")
    live, loaded = spectrogram(session), spectrogram(rt.Recording.load(tmp_path / "sum"))
    assert [side.name for side in loaded.sides] == ["You", "AI voice"]
    assert loaded.power_db.shape == live.power_db.shape
    assert np.abs(loaded.power_db - live.power_db).max() < 0.1


def test_other_things_have_no_spectrogram():
    with pytest.raises(
        TypeError, match="no spectrogram of ndarray: give a clip, turn, reply, conversation or recording"
    ):
        spectrogram(np.zeros(100))


def test_options_are_checked():
    with pytest.raises(AudioError, match="kind='sftf' is not one of mel, stft, cqt, vqt"):
        spectrogram(tone(440), "sftf")
    with pytest.raises(AudioError, match="range_db=-80 must be positive"):
        spectrogram(tone(440), range_db=-80)
