import json
import signal
import subprocess
import sys

import numpy as np
import pytest

import realtime_nb as rt
from realtime_nb.cli.main import main


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("questions")
    rt.speak("What can you do?").save(folder / "first.wav")
    rt.speak("What time is it?").save(folder / "second.mp3")
    return folder


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_each_file_is_a_spoken_turn_and_each_reply_is_kept(questions, tmp_path, capsys):
    files = [str(questions / "first.wav"), str(questions / "second.mp3")]
    assert main(["talk", *files, "--out", str(tmp_path), "--json"]) == 0
    turns = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [turn["heard"] for turn in turns] == ["What can you do?", "What time is it?"]
    for turn in turns:
        assert turn["reply"] and turn["status"] == "completed" and turn["ai_generated"] is True
        assert turn["first_audio_ms"] > 0
        assert turn["cost_usd"] == 0
        assert turn["usage"]["audio_in"] > 0 and turn["usage"]["audio_out"] > 0
        clip = rt.AudioClip.from_file(turn["audio"])
        assert clip.duration_s == pytest.approx(turn["reply_s"], abs=0.01) and clip.peak > 0.01
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first-reply.wav", "recording", "second-reply.wav"]
    recording = rt.Recording.load(tmp_path / "recording")
    assert recording.manifest["complete"] and not recording.remarks
    assert [turn.role for turn in recording.conversation] == ["user", "assistant"] * 2


def test_the_output_says_what_was_heard_said_and_paid(questions, tmp_path, capsys):
    assert main(["talk", str(questions / "first.wav"), "--out", str(tmp_path), "--voice", "echo"]) == 0
    out = capsys.readouterr().out
    for words in (
        "heard   What can you do?",
        "reply   ",
        "AI-generated voice echo",
        "first audio after ",
        " input · ",
        "$0",
    ):
        assert words in out


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
@pytest.mark.parametrize("as_json", [False, True])
def test_an_answer_whose_sound_cannot_be_kept_is_told_and_no_more_is_asked(as_json, questions, tmp_path, capsys):
    (tmp_path / "first-reply.wav").symlink_to("/dev/full")
    files = [str(questions / "first.wav"), str(questions / "second.mp3")]
    assert main(["talk", *files, "--out", str(tmp_path), *(["--json"] if as_json else [])]) == 2
    printed = capsys.readouterr()
    assert "What can you do?" in printed.out and "What time is it?" not in printed.out
    assert "No space left on device" in printed.err
    if as_json:
        told = json.loads(printed.out)
        assert told["reply"] and told["audio"] is None and told["cost_usd"] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_without_a_traceback_after_the_answers_so_far(questions, tmp_path):
    files = [str(questions / "first.wav")] * 100
    command = [sys.executable, "-u", "-m", "realtime_nb.cli.main", "talk", *files, "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            while "cost" not in (line := process.stdout.readline()):
                assert line, process.communicate()
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert error.endswith("realtime-nb: interrupted\n") and "Traceback" not in error


def test_files_of_the_same_name_get_replies_of_their_own(questions, tmp_path, capsys):
    again = tmp_path / "first.flac"
    rt.AudioClip.from_file(questions / "first.wav").save(again)
    assert main(["talk", str(questions / "first.wav"), str(again), "--out", str(tmp_path / "out")]) == 0
    names = ["first-reply-2.wav", "first-reply.wav", "recording"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert main(["talk", str(again), "--out", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [*names, "recording-2"]


def _missing(path):
    return "is not a file"


def _empty(path):
    path.write_bytes(b"")
    return "is an empty file"


def _broken(path):
    path.write_bytes(b"RIFF but no more than that")
    return "is not audio that libsndfile can read"


def _silent(path):
    rt.AudioClip(np.zeros(24_000)).save(path)
    return "silent from end to end"


def _short(path):
    rt.AudioClip(np.full(240, 0.5)).save(path)
    return "10 ms long"


@pytest.mark.parametrize("make", [_missing, _empty, _broken, _silent, _short])
def test_a_file_that_cannot_be_used_gets_one_line_and_exit_code_2(make, questions, tmp_path, capsys):
    bad = tmp_path / "bad.wav"
    complaint = make(bad)
    assert main(["talk", str(questions / "first.wav"), str(bad), "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""  # nothing was sent: the list is checked first
    assert len(printed.err.splitlines()) == 1
    assert complaint in printed.err and "bad.wav" in printed.err


def test_a_server_that_cannot_be_reached_is_exit_code_1(questions, tmp_path, capsys):
    address = "http://127.0.0.1:9/v1"
    assert main(["talk", str(questions / "first.wav"), "--backend", address, "--out", str(tmp_path)]) == 1
    assert "127.0.0.1:9 cannot be reached" in capsys.readouterr().err


def test_a_missing_key_is_exit_code_2(questions, capsys):
    assert main(["talk", str(questions / "first.wav"), "--backend", "openai"]) == 2
    assert "OPENAI_API_KEY" in capsys.readouterr().err


def test_the_command_is_installed_and_serves():
    process = subprocess.Popen(
        [sys.executable, "-m", "realtime_nb.cli.main", "serve", "--api-key", "secret-of-this-test"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        said = json.loads(process.stdout.readline())
        assert said["api_key"] == "secret-of-this-test" and said["pid"] == process.pid
        session = rt.RealtimeSession(backend=said["url"], api_key=said["api_key"], transcription=None)
        with session:
            assert session.ask("Hello!").result(30).transcript
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def test_every_command_explains_itself_by_the_name_that_people_type(capsys):
    for command in ("talk", "serve", "lab", "eval", "doctor"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert capsys.readouterr().out.startswith(f"usage: realtime-nb {command} ")


def test_a_secret_in_an_address_is_warned_of(capsys, tmp_path):
    assert main(["talk", str(tmp_path / "none.wav"), "--backend", "http://user:hunter2hunter2@host/v1"]) == 2
    complaints = capsys.readouterr().err
    assert "others can read --backend in the list of processes" in complaints and "hunter2" not in complaints
