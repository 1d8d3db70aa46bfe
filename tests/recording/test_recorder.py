import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest
from recordings import snapshot

import realtime_nb as rt
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.local_events import Heard, StateChanged
from realtime_nb.recording.files import About
from realtime_nb.recording.writer import Recorder, Writer, claim
from realtime_nb.sessions.event_log import EventLog

WAIT_S = 60

#: A session that is recorded, and microphone audio that never ends; it says when each tenth of a second was sent.
KILLED = """
import sys, time
import realtime_nb as rt
session = rt.RealtimeSession(backend="local", recording=sys.argv[1])
question = rt.speak("What can you do?")
session.ask(question).result(60)
began = time.perf_counter() - session.elapsed_ms / 1000
while True:
    session.send_audio(question.to_pcm16()[:4800])
    print(round((time.perf_counter() - began) * 1000), flush=True)
    time.sleep(0.1)
"""


def until(condition):
    """Wait for a state, with a bound."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


def test_a_kernel_that_is_killed_leaves_all_but_the_last_second(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "r")], stdout=subprocess.PIPE, text=True)
    try:
        times = [int(process.stdout.readline()) for _ in range(25)]
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    recording = rt.Recording.load(tmp_path / "r")
    assert not recording.manifest["complete"]
    assert any("was not closed" in remark for remark in recording.remarks)
    assert recording.events["elapsed_ms"].iloc[-1] >= times[-1] - 1_000
    turns = recording.conversation.turns
    assert [turn.role for turn in turns[:2]] == ["user", "assistant"] and turns[1].done
    assert turns[0].audio.peak > 0.01 and turns[1].audio.peak > 0.01
    appended = recording.events.query("type == 'input_audio_buffer.append'")
    assert recording.user.duration_s * 1000 >= appended["audio_ms"].sum()
    assert recording.replay().clip.peak > 0.01


class Rig:
    def __init__(self, folder):
        self.log = EventLog()
        self.folder = folder
        self.recorder = Recorder(self.log, claim(folder), lambda: About(session="test"))

    def add(self, event, direction="local"):
        self.log.add(direction, event, 10.0 * len(self.log))
        self.recorder.wake()

    def lines(self):
        return [json.loads(line) for line in (self.folder / "events.jsonl").read_bytes().splitlines()]

    def is_complete(self):
        path = self.folder / "manifest.json"
        return path.is_file() and json.loads(path.read_bytes())["complete"]


def test_it_writes_while_the_session_goes_on(tmp_path):
    rig = Rig(tmp_path / "r")
    rig.add(StateChanged(state="open"))
    rig.add(ev.InputAudioBufferAppend(audio=b"\1\0" * 480), "sent")
    until(lambda: len(rig.lines()) == 2)
    assert (rig.folder / "user.pcm").stat().st_size >= 960
    assert not rig.is_complete()
    rig.add(StateChanged(state="closed"))
    rig.recorder.wait()
    assert rig.is_complete() and not (rig.folder / "user.pcm").exists()


def test_what_comes_after_the_end_is_written_too(tmp_path):
    rig = Rig(tmp_path / "r")
    rig.add(StateChanged(state="closed"))
    rig.recorder.wait()
    rig.add(Heard(item_id="A", played_ms=10))
    until(lambda: len(rig.lines()) == 2)
    until(rig.is_complete)
    assert rt.Recording.load(rig.folder).remarks == []


def test_a_session_that_is_opened_again_goes_on_in_the_same_tracks(tmp_path):
    rig = Rig(tmp_path / "r")
    for number in (1, 2):
        rig.add(StateChanged(state="open"))
        rig.add(ev.InputAudioBufferAppend(audio=bytes([number, 0]) * 480), "sent")
        rig.add(StateChanged(state="closed"))
        rig.recorder.wait()
    recording = rt.Recording.load(rig.folder)
    assert recording.remarks == []
    assert b"".join(entry.event.audio for entry in recording if entry.direction == "sent") == (
        b"\1\0" * 480 + b"\2\0" * 480
    )


def test_a_disk_that_refuses_is_reported_and_the_session_goes_on(tmp_path, monkeypatch):
    rig = Rig(tmp_path / "r")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("realtime_nb.recording.writer.Writer.add", refuse)
    with pytest.warns(RuntimeWarning, match="No space left on device"):
        rig.add(StateChanged(state="open"))
        rig.recorder.wait()
    rig.add(StateChanged(state="closed"))  # Nothing is written, so nothing fails.
    assert len(rig.log) == 2


FULL = """
import resource, sys, warnings
from pathlib import Path
import realtime_nb as rt
question = rt.speak("What can you do?")
session = rt.RealtimeSession(backend="local")
session.ask("Hello!").result(60)  # The server's process is there.
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
folder = Path(sys.argv[1])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    session.record_to(folder / "live")
    reply = session.ask(question).result(60)
    session.close().result(60)
print([str(each.message) for each in caught if each.category is RuntimeWarning])
try:
    session.save(folder / "saved")
except rt.RecordingError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
session.save(folder / "saved")
print(reply.transcript)
"""


def test_a_full_disk_is_reported_and_everything_can_be_saved_elsewhere(tmp_path):
    run = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, timeout=120)
    assert run.stderr == "", run.stderr
    warned, refused, transcript = run.stdout.splitlines()
    assert "live' stopped: File too large. The session goes on" in warned and "session.save(…) writes it" in warned
    assert "saved' cannot be written: File too large. The session keeps everything" in refused
    saved = rt.Recording.load(tmp_path / "saved")
    assert saved.conversation.replies[-1].transcript == transcript and len(saved.remarks) == 1
    live = rt.Recording.load(tmp_path / "live")
    assert len(live) and any("was not closed" in remark for remark in live.remarks)


def test_a_folder_that_is_removed_under_way_is_reported(tmp_path):
    rig = Rig(tmp_path / "r")
    rig.add(StateChanged(state="open"))
    until(lambda: len(rig.lines()) == 1)
    with pytest.warns(RuntimeWarning, match="was removed or replaced during the recording"):
        (tmp_path / "r").rename(tmp_path / "gone")
        rig.add(StateChanged(state="closed"))
        rig.recorder.wait()
    assert rig.recorder.has_failed


def test_two_recordings_in_one_folder_are_refused(tmp_path):
    rig = Rig(tmp_path / "r")
    with pytest.raises(rt.RecordingError, match=r"already holds a recording: choose another folder"):
        claim(tmp_path / "r")
    message = rf"holds a recording that is being written in this process \({os.getpid()}\): close its session"
    with pytest.raises(rt.RecordingError, match=message):
        claim(tmp_path / "r", overwrite=True)
    rig.add(StateChanged(state="closed"))
    rig.recorder.wait()
    assert sorted(each.name for each in rig.folder.iterdir()) == ["events.jsonl", "manifest.json"]
    other = Writer(claim(tmp_path / "r", overwrite=True), About(session="other"))
    with pytest.warns(RuntimeWarning, match=r"another recording is being written there in this process"):
        rig.add(StateChanged(state="open"))  # The first one would go on.
        rig.recorder.wait()
    other.add(0.0, "local", StateChanged(state="open"))
    other.finish()
    assert rt.Recording.load(tmp_path / "r").manifest["session"] == "other"


def test_a_recording_is_its_owners_alone_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        rig = Rig(tmp_path / "talks" / "r")
        rig.add(ev.InputAudioBufferAppend(audio=b"\1\0" * 480), "sent")
        until(lambda: (rig.folder / "user.pcm").exists())
        live = {stat.S_IMODE(each.stat().st_mode) for each in rig.folder.iterdir()}
        rig.add(StateChanged(state="closed"))
        rig.recorder.wait()
    finally:
        os.umask(before)
    assert live == {stat.S_IMODE(each.stat().st_mode) for each in rig.folder.iterdir()} == {0o600}
    assert {stat.S_IMODE(each.stat().st_mode) for each in (rig.folder, rig.folder.parent)} == {0o700}


def test_an_interpreter_that_ends_finishes_its_recordings(tmp_path):
    code = (
        "import sys, realtime_nb as rt\n"
        "session = rt.RealtimeSession(backend='local', recording=sys.argv[1])\n"
        "session.ask('Hello!').result(60)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "r")], check=True, timeout=60)
    recording = rt.Recording.load(tmp_path / "r")
    assert recording.remarks == []
    assert recording.conversation.turns[-1].text.startswith("Hello!")


def test_recording_never_waits_for_the_disk(tmp_path, monkeypatch):
    """The I/O thread goes on while a write takes for ever."""
    gate = threading.Event()
    flush = Writer.flush

    def slow(self):
        gate.wait(WAIT_S)
        flush(self)

    monkeypatch.setattr(Writer, "flush", slow)
    session = rt.RealtimeSession(backend="local", recording=tmp_path / "r")
    assert session.ask("Hello!").result(WAIT_S).status == "completed"
    gate.set()
    session.close().result(WAIT_S)
    assert snapshot(rt.Recording.load(tmp_path / "r").conversation) == snapshot(session.conversation)
