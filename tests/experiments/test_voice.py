from functools import partial

import pytest

import realtime_nb as rt
from realtime_nb.errors import MissingExtra
from realtime_nb.experiments import Dataset, Voice, run


def test_the_voice_of_each_answer_is_in_its_row_and_in_the_summary(tmp_path):
    systems = {name: partial(rt.ChatSession, backend="local", voice=name) for name in ("onyx", "marin")}
    dataset = Dataset.from_texts(["What can you do?"])
    results = run(dataset, systems, graders=[Voice(dnsmos=True)], out=tmp_path / "out", progress=False)
    assert results.failed == []
    low, high = results.rows
    assert high["voice_pitch_hz"] > 2 * low["voice_pitch_hz"]
    assert 1 <= low["voice_dnsmos_ovrl"] <= 5 and 2 < low["voice_syllables_per_s"] < 8
    summary = results.summary().set_index(["system", "measure"])
    assert summary.loc[("marin", "voice_loudness_lufs")]["mean"] == pytest.approx(high["voice_loudness_lufs"])


def test_missing_packages_for_dnsmos_are_named_at_once(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="there is no speechmos and no onnxruntime"):
        Voice(dnsmos=True)
    assert str(Voice()) == "voice"
