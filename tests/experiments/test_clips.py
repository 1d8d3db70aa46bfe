"""The clips of a run: each made once, kept by its hash, and checked when a run is loaded."""

import hashlib
import itertools
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import realtime_nb as rt
from realtime_nb.experiments import Babble, Dataset, Noise, Results, RuleUser, Scenario, run
from realtime_nb.experiments.clips import RunClips, SpokenClip, clip_remarks, file_name, read_index
from realtime_nb.files import seal
from realtime_nb.media.clip import AudioClip

LOCAL = partial(rt.RealtimeSession, backend="local")


class Moody:
    """A speaker that never says the same twice."""

    def __init__(self, loudness=0.5):
        self.loudness, self.said = loudness, []

    def __call__(self, text):
        self.said.append(text)
        clip = rt.speak(text)
        return AudioClip(clip.samples * np.float32(self.loudness + 0.01 * len(self.said)))


def quiet(dataset, out, **options):
    results = run(dataset, {"one": LOCAL, "two": LOCAL}, out=out, progress=False, **options)
    assert results.failed == []
    return results


def test_all_systems_repeats_and_later_runs_hear_the_same_clip(tmp_path):
    moody = Moody()
    dataset = Dataset.from_texts(["What is two plus three?", "What can you do?"], speaker=moody)
    conditions = {"clean": [], "babble": Babble(10, talkers=2)}
    results = quiet(dataset[:1], tmp_path / "out", conditions=conditions)
    results = quiet(dataset, tmp_path / "out", conditions=conditions, repeats=2, resume=True)
    assert moody.said == ["What is two plus three?", "What can you do?"]
    heard = results.frame.groupby(["example_id", "condition"]).input_sha256.agg(["nunique", "count"])
    assert heard["nunique"].tolist() == [1] * 4 and heard["count"].tolist() == [4] * 4
    kept = {each.stem: AudioClip.from_file(each) for each in (tmp_path / "out" / "clips").glob("*.wav")}
    assert all(hashlib.sha256(clip.to_pcm16()).hexdigest() == name for name, clip in kept.items())
    assert len(kept) == 2 + 2 + 2  # Clean and under babble, and its talkers.
    for row in results.rows:
        sent = AudioClip.from_file(results.path / row["input_audio_path"])
        assert sent.to_pcm16() == kept[row["input_sha256"]].to_pcm16()
    assert results.remarks == []
    saved = results.save(tmp_path / "saved")
    assert saved.remarks == [] and len(list((tmp_path / "saved" / "clips").glob("*.wav"))) == len(kept)
    other = quiet(dataset.spoken_by(Moody(loudness=0.3)), tmp_path / "other", conditions=conditions)
    [remark] = [each for each in results.compare(other).remarks if "clips" in each]
    assert remark.startswith("4 of 4 clips are not the same sound in both runs: text_001 · clean, text_001 · babble, ")
    assert not [each for each in results.compare(saved).remarks if "clips" in each]


def test_a_clip_that_changed_on_the_disk_is_named_and_made_again(tmp_path):
    dataset = Dataset.from_texts(["What is two plus three?"])
    results = quiet(dataset, tmp_path, conditions={"noise": Noise(20)})
    name = results.rows[0]["input_sha256"]
    file = tmp_path / "clips" / f"{name}.wav"
    whole = file.read_bytes()
    file.write_bytes(whole[:-2] + b"xx")
    assert Results.load(tmp_path).remarks == [f"1 of 2 clips is changed since they were heard: clips/{name}.wav"]
    file.unlink()
    assert Results.load(tmp_path).remarks == [f"1 of 1 clips is gone: clips/{name}.wav"]
    again = quiet(dataset, tmp_path, conditions={"noise": Noise(20)}, repeats=2, resume=True)
    assert again.remarks == [] and file.read_bytes() == whole


def test_a_turn_that_was_not_known_in_advance_is_kept_as_well(tmp_path):
    user = RuleUser([("5", None)], opening="What is two plus three?")
    results = quiet(Dataset([Scenario(example_id="a", user=user)]), tmp_path)
    assert results.turns.input_sha256.nunique() == 1 and results.remarks == []
    [kept] = (tmp_path / "clips").glob("*.wav")
    assert kept.stem == results.turns.input_sha256[0]


def test_clips_that_differ_within_a_run_are_named():
    same = {"example_id": "a", "condition": "clean", "status": "completed", "user_text": "Hi"}
    rows = [same | {"input_sha256": each} for each in "xxy"]
    old, gone, mixed = clip_remarks(Path("nowhere"), [*rows, same])
    assert old == "1 of 4 answers are from an earlier version: what they heard is not known by hash"
    assert gone == "2 of 2 clips are gone: clips/x.wav, clips/y.wav"
    assert mixed == "1 of 1 clips is not the same for all systems and repeats: a · clean"


@pytest.mark.parametrize("rate", [24_000, 8_000])
def test_the_stored_clip_is_the_one_that_was_made_with_its_times(tmp_path, rate):
    made = itertools.count()

    def make():
        samples = np.full(rate // 2, 0.1 * (1 + next(made)), np.float32)
        return SpokenClip(samples, rate, speech_start_ms=100.0, speech_end_ms=None, turn_end_ms=450.0)

    first = RunClips(tmp_path).keep(("heard", "a", 0, "clean"), make)
    again = RunClips(tmp_path).keep(("heard", "a", 0, "clean"), make)
    assert next(made) == 1 and (first.samples == again.samples).all() and again.sample_rate == rate
    assert (again.speech_start_ms, again.speech_end_ms, again.turn_end_ms) == (100.0, None, 450.0)
    assert RunClips(tmp_path).keep(("heard", "a", 1, "clean"), make).sha256 != first.sha256


def test_a_clip_of_two_names_is_written_once_and_again_if_its_file_was_damaged(tmp_path):
    clips = RunClips(tmp_path)
    said = clips.keep(("said", "a", 0), lambda: SpokenClip(np.full(12_000, 0.1, np.float32), 24_000))
    path = tmp_path / file_name(said.sha256)
    before = path.stat()
    heard = clips.keep(("heard", "a", 0, "clean"), lambda: said)
    assert heard.sha256 == said.sha256 and path.stat().st_ino == before.st_ino
    whole = path.read_bytes()
    path.write_bytes(whole[:-2])
    for key in (("said", "a", 0), ("heard", "a", 0, "clean")):
        assert clips.keep(key, lambda: said).sha256 == said.sha256 and path.read_bytes() == whole
    slower = clips.keep(("said", "b", 0), lambda: SpokenClip(said.samples, 8_000))
    assert slower.sample_rate == 8_000 and RunClips(tmp_path).known(("said", "b", 0)).sample_rate == 8_000


@pytest.mark.parametrize(
    "odd", [{"sha256": ["no", "hash"]}, {"sample_rate": 2**70}, {"speech_start_ms": "early"}, {"turn_end_ms": None}]
)
def test_an_odd_entry_of_the_index_costs_that_clip_only(odd, tmp_path):
    entry = {"sha256": "ab", "sample_rate": 24_000, "speech_start_ms": 0, "speech_end_ms": 9.5, "turn_end_ms": 10.0}
    lines = [{"clip": ["said", "good", 0]} | entry, {"clip": ["said", "odd", 0]} | entry | odd]
    (tmp_path / "clips").mkdir()
    index = tmp_path / "clips" / "index.jsonl"
    index.write_bytes(b"".join(seal(json.dumps(line).encode()) + b"\n" for line in lines))
    assert list(read_index(tmp_path)) == [("said", "good", 0)]
    assert RunClips(tmp_path).known(("said", "good", 0)) is None  # Its file is not there.
