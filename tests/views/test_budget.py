import base64

import numpy as np
import pytest
import record_samples as samples

from realtime_nb.conversation.records import Part, Reply, Turn
from realtime_nb.errors import SettingsError
from realtime_nb.media.clip import AudioClip
from realtime_nb.views.budget import AudioBudget, DisplayOptions, display_options, duration_s


def noise(seconds, rate=24_000):
    return AudioClip(np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * rate)), rate)


def spoken(ms, item_id="A"):
    part = Part(kind="audio")
    part.add_audio(samples.sound(ms))
    return Turn(item_id=item_id, role="assistant", parts={0: part})


def decoded(embedded):
    head, data = embedded.url.split(",")
    assert head == "data:audio/mpeg;base64"
    return AudioClip.from_bytes(base64.b64decode(data))


@pytest.fixture
def encoded(monkeypatch):
    """The lengths in s of all clips that were encoded."""
    lengths = []
    encode = AudioClip.encode
    monkeypatch.setattr(
        AudioClip, "encode", lambda clip, format: lengths.append(clip.duration_s) or encode(clip, format)
    )
    return lengths


def test_what_fits_is_embedded_whole():
    budget = AudioBudget()
    embedded = budget.embed(noise(2))
    assert decoded(embedded).duration_s == pytest.approx(2, abs=0.01)
    assert embedded[1:] == (2, 2) and budget.left_out == []


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
def test_a_clip_that_does_not_fit_is_cut_and_the_limit_holds(rate, encoded):
    budget = AudioBudget(0.1)
    embedded = budget.embed(noise(120, rate))
    assert 60_000 < len(embedded.url) < 100_030
    assert decoded(embedded).duration_s == pytest.approx(embedded.embedded_s, abs=0.01)
    assert budget.left_out == [120 - embedded.embedded_s]
    assert sum(encoded) < 120  # What cannot fit is not encoded first.


def test_behind_others_a_clip_is_left_out_and_so_is_all_that_follows(encoded):
    budget = AudioBudget(0.02)
    assert budget.embed(spoken(1_000)).url
    long, short = budget.embed(noise(600)), budget.embed(spoken(100))
    assert (long.url, long.embedded_s, long.total_s) == ("", 0, 600)
    assert short.url == "" and budget.left_out == [600, 0.1]
    assert encoded == [1]


def test_no_audio_at_all_can_be_asked_for():
    budget = AudioBudget(0)
    assert budget.embed(spoken(1)).url == "" and budget.left_out


def test_a_sound_is_encoded_once_until_it_grows(encoded):
    turn = spoken(300)
    reply = Reply(response_id="R", outputs={0: turn})
    first = AudioBudget().embed(turn)
    assert AudioBudget().embed(turn) == first
    assert encoded == [0.3]
    turn.parts[0].add_audio(samples.sound(100))
    assert AudioBudget().embed(turn).total_s == pytest.approx(0.4)
    assert AudioBudget().embed(reply).total_s == pytest.approx(0.4)
    assert encoded == pytest.approx([0.3, 0.4, 0.4])


def test_what_is_about_to_be_embedded_is_encoded_once_and_no_more_of_it_than_fits(encoded):
    turns = [spoken(300, f"item-{number}") for number in range(20)]
    budget = AudioBudget(0.01)
    budget.prepare(turns)
    shown = [budget.embed(turn) for turn in turns]
    there = [turn for turn, embedded in zip(turns, shown, strict=True) if embedded.url]
    assert 0 < len(there) < len(turns)
    assert len(encoded) <= len(there) + 1


@pytest.mark.parametrize("audio", [b"", b"\x01"])
def test_what_has_no_sample_has_no_length(audio):
    part = Part(kind="audio", audio_chunks=[audio], audio_bytes=len(audio))
    assert duration_s(Turn(item_id="A", parts={0: part})) == 0
    assert duration_s(Turn(item_id="A", parts={0: Part(kind="audio", audio_bytes=2)})) > 0


def test_the_limit_can_be_changed(monkeypatch):
    monkeypatch.setattr(display_options, "audio_mb", 0.01)
    assert AudioBudget().limit_mb == 0.01
    assert AudioBudget().embed(noise(10)).embedded_s < 10


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("audio_mb", -1, "audio_mb=-1 must be a number of megabytes, 0 or more"),
        ("full_turns", -1, "full_turns=-1 must be a number of turns, 0 or more"),
        ("audio_mb", "4 MB", "audio_mb='4 MB' must be"),
        ("audio_mb", float("nan"), "audio_mb=nan must be"),
        ("audio_kb", 4, "display_options has no 'audio_kb': there is audio_mb, full_turns"),
    ],
)
def test_an_option_that_cannot_be_is_refused(name, value, message):
    options = DisplayOptions()
    with pytest.raises(SettingsError, match=message):
        setattr(options, name, value)
    assert options == DisplayOptions()
