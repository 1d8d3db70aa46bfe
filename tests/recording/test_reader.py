import hashlib
import json
import random
import shutil

import numpy as np
import pytest
from recordings import snapshot, write
from test_recording import samples

import realtime_nb as rt
from realtime_nb.files import seal, unseal
from realtime_nb.protocol import events as ev
from realtime_nb.recording.files import About
from realtime_nb.recording.writer import Writer, claim


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    entries = [(10.0 * index, *entry) for index, entry in enumerate(samples())]
    return write(tmp_path_factory.mktemp("o") / "talk", entries)


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original.path, tmp_path / "talk")


def test_a_last_line_that_is_not_whole_is_left_out(folder, original):
    path = folder / "events.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    recording = rt.Recording.load(folder)
    assert len(recording) == len(original) - 1
    assert recording.remarks[0] == "the last line of events.jsonl is incomplete: the recording ends before it"
    assert recording.conversation.turn("A").text == original.conversation.turn("A").text


def test_a_last_line_without_its_end_is_whole(folder, original):
    path = folder / "events.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    recording = rt.Recording.load(folder)
    assert len(recording) == len(original)
    assert recording.remarks == ["events.jsonl was changed after it was written"]


def test_lines_that_cannot_be_read_are_left_out(folder, original):
    path = folder / "events.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[3:5] = [b"\0" * 40, b'{"elapsed_ms": "x"}']
    path.write_bytes(b"\n".join(lines))
    recording = rt.Recording.load(folder)
    assert len(recording) == len(original) - 2
    assert recording.remarks[0] == f"2 of {len(original)} lines of events.jsonl cannot be read: left out"
    assert len(list(recording)) == len(recording)


@pytest.mark.parametrize("name", ["manifest.json", "user.flac", "assistant.flac"])
def test_a_missing_file_is_reported(folder, original, name):
    (folder / name).unlink()
    recording = rt.Recording.load(folder)
    assert [turn.text for turn in recording.conversation] == [turn.text for turn in original.conversation]
    assert recording.replay().clip.duration_s > 0
    assert [remark for remark in recording.remarks if name in remark]


@pytest.mark.parametrize("text", ["{", "[" * 50_000], ids=["cut", "deep"])
def test_a_manifest_that_is_not_json_is_reported(folder, original, text):
    (folder / "manifest.json").write_text(text)
    recording = rt.Recording.load(folder)
    assert snapshot(recording.conversation) == snapshot(original.conversation)
    assert "manifest.json cannot be read" in recording.remarks[0]


@pytest.mark.parametrize("file", [{"a": 1}, ["a"], 7, "other.flac"])
def test_a_track_under_an_odd_name_is_found_under_its_own(folder, original, file):
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["tracks"]["user"]["file"] = file
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert np.array_equal(rt.Recording.load(folder).user.samples, original.user.samples)


def test_a_changed_file_is_reported(folder):
    path = folder / "events.jsonl"
    path.write_bytes(path.read_bytes().replace(b"past nine", b"past five"))
    recording = rt.Recording.load(folder)
    assert recording.remarks == ["12 of 155 lines of events.jsonl cannot be read: left out"]


def test_a_recording_of_an_earlier_version_loads_and_a_change_is_reported(folder, original):
    path = folder / "events.jsonl"
    lines = [unseal(line) for line in path.read_bytes().splitlines()]
    path.write_bytes(b"\n".join(lines) + b"\n")
    manifest = json.loads(unseal((folder / "manifest.json").read_bytes().rstrip()))
    manifest["files"]["events.jsonl"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    recording = rt.Recording.load(folder)
    assert recording.remarks == [] and snapshot(recording.conversation) == snapshot(original.conversation)
    path.write_bytes(path.read_bytes().replace(b"past nine", b"past five"))
    assert rt.Recording.load(folder).remarks == ["events.jsonl was changed after it was written"]
    path.write_bytes(path.read_bytes().replace(b'"samples":480', b'"samples":999999999999', 1))
    assert rt.Recording.load(folder).user.duration_s > 0


def test_what_the_events_tell_stands_in_for_a_manifest(folder, original):
    (folder / "manifest.json").unlink()
    recording = rt.Recording.load(folder)
    assert recording.model == original.model
    assert recording.manifest["settings"] == original.manifest["settings"] != {}


def damaged(folder, original, name, data):
    """Load a recording of which a file holds something else; return it, and how many of its events are lost."""
    (folder / name).write_bytes(data)
    recording = rt.Recording.load(folder)
    whole = [tuple(entry) for entry in original]
    events = [tuple(entry) for entry in recording] if name == "events.jsonl" else whole
    assert all(event in whole for event in events), "never another event"
    assert len(recording.conversation) <= len(original.conversation) and recording._repr_mimebundle_()
    assert recording.replay().clip.duration_s > 0 and len(recording.turns) == len(recording.said)
    return recording, len(whole) - len(events)


def sounds(recording):
    return [recording.user.to_pcm16(), recording.assistant.to_pcm16()]


@pytest.mark.parametrize("name", ["events.jsonl", "manifest.json", "user.flac", "assistant.flac"])
def test_a_flipped_bit_costs_its_event_or_some_sound_and_is_reported(folder, original, name):
    content, chance = (folder / name).read_bytes(), random.Random(name)
    for _ in range(120):
        at, bit = chance.randrange(len(content)), chance.randrange(8)
        data = bytearray(content)
        data[at] ^= 1 << bit
        recording, lost = damaged(folder, original, name, bytes(data))
        assert lost <= 1, (at, bit)
        assert any(name in remark for remark in recording.remarks) or data[at] == 0x0B, (at, bit)
        if not lost and sounds(recording) != sounds(original):
            assert [remark for remark in recording.remarks if name in remark], (at, bit)
        if name == "manifest.json":
            assert sounds(recording) == sounds(original)


@pytest.mark.parametrize("name", ["events.jsonl", "manifest.json", "user.flac", "assistant.flac"])
def test_a_file_that_was_cut_off_is_reported(folder, original, name):
    content, chance = (folder / name).read_bytes(), random.Random(name)
    for _ in range(30):
        end = chance.randrange(1, len(content) - 1)
        if name == "events.jsonl":
            end = max(end, content.index(b"\n") + 1)
        recording, lost = damaged(folder, original, name, content[:end])
        assert any(name in remark for remark in recording.remarks), end
        # A line that lacks its end alone is whole.
        assert lost == (content.count(b"\n", end) - (content[end] == 10) if name == "events.jsonl" else 0), end


def test_a_recording_that_was_killed_is_as_robust(tmp_path):
    entries = [(10.0 * index, *entry) for index, entry in enumerate(samples())]
    writer = Writer(claim(tmp_path / "r"), About(session="test"))
    for entry in entries:
        writer.add(*entry)
    writer.flush()
    chance = random.Random(0)
    content = {each.name: each.read_bytes() for each in (tmp_path / "r").iterdir()}
    writer.abandon()
    for trial in range(60):
        folder = tmp_path / str(trial)
        folder.mkdir()
        for name, data in content.items():
            (folder / name).write_bytes(data)
        data = bytearray(content["events.jsonl"])
        at = chance.randrange(len(data))
        data[at] ^= 1 << chance.randrange(8)
        (folder / "events.jsonl").write_bytes(data)
        recording = rt.Recording.load(folder)
        events = [tuple(entry) for entry in recording]
        assert len(events) >= len(entries) - 1 and all(event in entries for event in events)
        assert len(events) == len(entries) or any("events.jsonl" in remark for remark in recording.remarks)
    (folder / "user.pcm").write_bytes(content["user.pcm"][:-9_600])
    assert any("user.pcm ends 0.2 s too early" in remark for remark in rt.Recording.load(folder).remarks)


def test_a_folder_of_something_else_is_no_recording(tmp_path):
    with pytest.raises(rt.RecordingError, match=r"is not a recording, because events\.jsonl cannot be read"):
        rt.Recording.load(tmp_path)
    (tmp_path / "events.jsonl").write_text('{"type": "click"}\n{"type": "move"}\n')
    with pytest.raises(rt.RecordingError, match=r"no line of its events\.jsonl can be read"):
        rt.Recording.load(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": "other"}')
    with pytest.raises(rt.RecordingError, match=r"its manifest\.json does not describe one"):
        rt.Recording.load(tmp_path)


def test_a_later_format_is_refused(folder):
    path = folder / "manifest.json"
    path.write_bytes(seal(json.dumps(json.loads(unseal(path.read_bytes().rstrip())) | {"version": 99}).encode()))
    with pytest.raises(rt.RecordingError, match="update realtime_nb"):
        rt.Recording.load(folder)


def test_what_no_track_can_hold_is_kept_in_the_line(tmp_path):
    ids = {"response_id": "R", "item_id": "A"}
    entries = [
        (0.0, "received", ev.ResponseOutputAudioDelta(**ids, delta=b"\1\0\2")),  # Half a sample.
        (1.0, "received", ev.ResponseOutputAudioDelta(**ids, delta=b"\3\4\5\6\7")),
        (2.0, "received", ev.ResponseOutputAudioDelta(**ids, delta=b"\1\0" * 50)),
        (3.0, "received", ev.SessionUpdated(session={"audio": {"output": {"format": {"type": "audio/pcmu"}}}})),
        (4.0, "received", ev.ResponseOutputAudioDelta(**ids, delta=b"\1\0\2")),  # Another rate than the track's.
    ]
    recording = write(tmp_path / "r", entries)
    assert [tuple(entry) for entry in recording] == entries
    assert recording.assistant.duration_s == pytest.approx(0.002 + 50 / 24_000, abs=1e-4)
    assert recording._outline.received_ms("A") == recording.conversation.received_ms("A")


def test_an_empty_session_can_be_read(tmp_path):
    recording = write(tmp_path / "r", [])
    assert (len(recording), recording.duration_s, recording.user) == (0, 0.0, None)
    assert recording.turns.empty and recording.events.empty and not recording.replay().turns
    assert "text" in recording.turns and "audio_in" in recording.usage and "done_ms" in recording.latency
