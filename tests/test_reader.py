import json
import shutil

import pytest
from recordings import snapshot, write
from test_recording import samples

import realtime_nb as rt
from realtime_nb.wire import events as ev


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
    assert recording.remarks[0] == "the last line of events.jsonl is not whole: the recording ends before it"
    assert recording.conversation.turn("A").text == original.conversation.turn("A").text


def test_a_last_line_without_its_end_is_whole(folder, original):
    path = folder / "events.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    recording = rt.Recording.load(folder)
    assert len(recording) == len(original)
    assert recording.remarks == ["events.jsonl is not as it was written"]


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
def test_a_missing_file_is_told(folder, original, name):
    (folder / name).unlink()
    recording = rt.Recording.load(folder)
    assert [turn.text for turn in recording.conversation] == [turn.text for turn in original.conversation]
    assert recording.replay().clip.duration_s > 0
    assert [remark for remark in recording.remarks if name in remark]


def test_a_manifest_that_is_not_json_is_told(folder, original):
    (folder / "manifest.json").write_text("{")
    recording = rt.Recording.load(folder)
    assert snapshot(recording.conversation) == snapshot(original.conversation)
    assert "manifest.json cannot be read" in recording.remarks[0]


def test_a_changed_file_is_told(folder):
    path = folder / "events.jsonl"
    path.write_bytes(path.read_bytes().replace(b"past nine", b"past five"))
    assert rt.Recording.load(folder).remarks == ["events.jsonl is not as it was written"]


def test_a_folder_of_something_else_is_no_recording(tmp_path):
    with pytest.raises(rt.RecordingError, match=r"is no recording, as events\.jsonl cannot be read"):
        rt.Recording.load(tmp_path)
    (tmp_path / "events.jsonl").write_text('{"type": "click"}\n{"type": "move"}\n')
    with pytest.raises(rt.RecordingError, match=r"no line of its events\.jsonl can be read"):
        rt.Recording.load(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": "other"}')
    with pytest.raises(rt.RecordingError, match=r"its manifest\.json says nothing of one"):
        rt.Recording.load(tmp_path)


def test_a_later_format_is_refused(folder):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 99}))
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
