"""Turn detection replayed on real sound, by the real detector."""

from functools import partial

import numpy as np
import pytest

import realtime_nb as rt
from realtime_nb.errors import AudioError, SettingsError
from realtime_nb.experiments import Babble, Dataset, compare_turn_detection, run
from realtime_nb.experiments.turn_detection import Recognised
from realtime_nb.local.recognition.heard import Recognition
from realtime_nb.local.weights import SMART_TURN
from realtime_nb.media.clip import AudioClip, concatenate

FRAME_MS = 32
PAUSE_S = 0.7


def silence(seconds):
    return AudioClip(np.zeros(round(24_000 * seconds), np.float32))


def spoken(text, voice="echo"):
    """Return a sentence from its first to its last sound."""
    clip = rt.speak(text, voice=voice)
    loud = np.flatnonzero(np.abs(clip.samples) > 0.01)
    return clip.cut(loud[0] / 24_000, loud[-1] / 24_000)


@pytest.fixture(scope="module")
def hesitating():
    """A sentence with a pause of 700 ms in it."""
    parts = [silence(0.6), spoken("I would like to book a table"), silence(PAUSE_S), spoken("for four people.")]
    return concatenate([*parts, silence(0.5)])


def silences(*durations_ms):
    return {f"{ms} ms": {"silence_duration_ms": ms} for ms in durations_ms}


def test_a_pause_of_700_ms_splits_a_sentence_at_500_and_not_at_900(hesitating):
    found = compare_turn_detection(hesitating, silences(500, 900))
    patient, quick = found.frame.set_index("setting").loc[["900 ms", "500 ms"]].to_dict("records")
    assert (quick["outcome"], patient["outcome"]) == ("split", "whole")
    rest_ms = spoken("for four people.").duration_s * 1000
    assert quick["clipped_ms"] == pytest.approx(rest_ms, abs=60) and patient["clipped_ms"] == 0.0
    assert quick["lost_ms"] == patient["lost_ms"] == 0.0


def test_the_gain_is_the_difference_of_the_silences(hesitating):
    summary = compare_turn_detection(hesitating, silences(500, 200, 900)).summary().set_index("setting")
    assert summary.loc["200 ms"]["gained_p50_ms"] == pytest.approx(300, abs=FRAME_MS)
    assert summary.loc["900 ms"]["gained_p50_ms"] == pytest.approx(-400, abs=FRAME_MS)
    # The detector takes the end of speech to be 64 ms before it shows, and it shows up to 75 ms late.
    assert summary.loc["500 ms"]["latency_p50_ms"] == pytest.approx(500, abs=75)


def test_padding_below_the_lag_of_the_detector_clips_the_first_sound(hesitating):
    settings = {f"{ms}": {"prefix_padding_ms": ms, "silence_duration_ms": 900} for ms in (0, 300)}
    frame = compare_turn_detection(hesitating, settings).frame.set_index("setting")
    none, usual = frame.loc["0"], frame.loc["300"]
    assert none["clipped_start_ms"] > 0 and none["lost_ms"] == none["clipped_start_ms"]
    assert none["clipped_start_ms"] == pytest.approx(none["start_ms"] - none["speech_start_ms"])
    assert usual["clipped_ms"] == 0.0


def test_speech_is_found_where_it_is(hesitating):
    row = compare_turn_detection(hesitating, ["server_vad"]).frame.iloc[0]
    assert row["speech_start_ms"] == pytest.approx(600, abs=30)
    assert row["speech_end_ms"] == pytest.approx(hesitating.duration_s * 1000 - 500, abs=60)


def test_labels_count_more_than_what_is_found(hesitating):
    first_s = 0.6 + spoken("I would like to book a table").duration_s
    labels = [(0.6, first_s), (first_s + PAUSE_S, hesitating.duration_s - 0.5)]
    found = compare_turn_detection(hesitating, silences(500, 900), turns=labels)
    assert found.frame["outcome"].tolist() == ["whole", "whole", "merged", "merged"]
    assert found.frame["speech_start_ms"].tolist()[:2] == pytest.approx([1000 * labels[0][0], 1000 * labels[1][0]])
    assert found.reference == "the given turns"


def test_a_longer_pause_begins_another_turn(hesitating):
    found = compare_turn_detection(hesitating, silences(500), pause_ms=600)
    assert found.frame["outcome"].tolist() == ["whole", "whole"]


def test_semantic_vad_waits_by_the_words_and_its_eagerness(hesitating):
    settings = {each: {"eagerness": each} for each in ("low", "high")}
    summary = compare_turn_detection(hesitating, settings).summary().set_index("setting")
    assert summary.loc["high"]["gained_p50_ms"] > 200  # 300 ms at least, instead of 800
    assert summary.loc["high"]["split_share"] >= summary.loc["low"]["split_share"]


@pytest.mark.skipif(not SMART_TURN.is_installed, reason="pipecat-ai holds the network, and is not here")
@pytest.mark.parametrize("is_sentence", [True, False])
def test_the_network_of_turns_is_asked_about_sentences(hesitating, monkeypatch, is_sentence):
    heard = Recognition("I would like to book a table.", tokens=("a network's",) if is_sentence else ())
    monkeypatch.setattr(Recognised, "hear", lambda self, pcm16k: heard)
    found = compare_turn_detection(hesitating, {"semantic": {"eagerness": "high"}, "server": "server_vad"})
    assert found.turn_model == ("smart-turn 3.2" if is_sentence else "")
    page = found._repr_mimebundle_()["text/html"]
    assert "by the words that the local recogniser writes" in page and ("smart-turn 3.2" in page) == is_sentence


def test_a_dataset_is_a_turn_a_clip():
    dataset = Dataset.from_texts({"short": "What can you do?", "long": "Well, I think, perhaps, tell me a story."})
    found = compare_turn_detection(dataset, silences(500, 200))
    assert [sound.name for sound in found.sounds] == ["short", "long"]
    assert all(len(sound.spoken) == 1 for sound in found.sounds)
    summary = found.summary().set_index("setting")
    assert summary["turns"].tolist() == [2, 2]
    assert summary.loc["200 ms"]["gained_p50_ms"] == pytest.approx(300, abs=FRAME_MS)


def test_a_run_is_heard_as_it_was_sent_and_speech_is_where_it_is_without_the_noise(tmp_path):
    dataset = Dataset.from_texts({"one": "What can you do?"})
    systems = {name: partial(rt.ChatSession, backend="local") for name in ("first", "second")}
    results = run(dataset, systems, conditions=[(), Babble(5)], out=tmp_path / "out", progress=False)
    found = compare_turn_detection(results, silences(500))
    clean, babble = found.sounds
    assert (clean.name, babble.name.startswith("one · babble")) == ("one · clean", True)
    assert clean.spoken == babble.spoken
    assert found.reference == "each clip is one turn; speech is taken from the clean clip"


def test_each_turn_of_a_scenario_is_a_clip():
    dataset = Dataset.from_scenarios({"sums": ["What is two plus three?", "And what can you do?"]})
    found = compare_turn_detection(dataset, silences(500))
    assert [(sound.name, len(sound.spoken)) for sound in found.sounds] == [("sums · turn 1", 1), ("sums · turn 2", 1)]


def test_a_recordings_own_settings_are_the_baseline_and_its_own_turns_are_shown(hesitating, tmp_path):
    vad = {"type": "server_vad", "silence_duration_ms": 500}
    with rt.RealtimeSession(backend="local", turn_detection=vad) as session:
        session.listen_to(hesitating, speed=4).result(60)
    recording = session.save(tmp_path / "recording")
    found = compare_turn_detection(recording, silences(900))
    assert list(found.settings) == ["recorded", "recorded settings", "900 ms"]
    assert found.baseline == "recorded settings"
    assert found.settings["recorded settings"]["silence_duration_ms"] == 500
    recorded, again, patient = found.frame.groupby("setting", sort=False)
    assert recorded[1]["outcome"].tolist() == again[1]["outcome"].tolist() == ["split"]
    for column in ("start_ms", "end_ms"):  # the same detector, whose frames begin elsewhere
        assert recorded[1][column].to_numpy() == pytest.approx(again[1][column].to_numpy(), abs=FRAME_MS)
    assert patient[1]["outcome"].tolist() == ["whole"]
    assert len(found.sounds[0].answers) >= 1 and found.sounds[0].answers[0][0] > found.sounds[0].spoken[0].start_ms
    assert "its settings: type=server_vad, threshold=0.5" in found._repr_mimebundle_()["text/plain"]
    as_cut = compare_turn_detection(recording, silences(900), turns="recorded")
    assert as_cut.frame.groupby("setting", sort=False)["outcome"].agg(list)["900 ms"] == ["merged", "merged"]


def test_an_impossible_comparison_is_refused(hesitating):
    refuse = partial(compare_turn_detection, hesitating)
    with pytest.raises(SettingsError, match="threshold: 2 is not between 0 and 1"):
        refuse([{"threshold": 2}])
    with pytest.raises(SettingsError, match="silence_duration_ms=-5 must not be negative"):
        refuse([{"silence_duration_ms": -5}])
    with pytest.raises(SettingsError, match="finds no turns"):
        refuse([None])
    with pytest.raises(SettingsError, match="must hold settings"):
        refuse("server_vad")
    with pytest.raises(SettingsError, match="needs a recording"):
        refuse(turns="recorded")
    with pytest.raises(SettingsError, match="must be pairs of start and end in seconds"):
        refuse(turns=[(2.0, 1.0)])
    with pytest.raises(SettingsError, match=r"turns\['b'\] names no clip"):
        compare_turn_detection({"a": hesitating}, turns={"b": []})
    with pytest.raises(SettingsError, match="by the names of the clips"):
        compare_turn_detection([hesitating, hesitating], turns=[(0.0, 1.0)])
    with pytest.raises(TypeError, match="is not an AudioClip"):
        compare_turn_detection("hello.wav")
    with pytest.raises(AudioError, match="no one speaks"):
        compare_turn_detection(silence(1.0))
