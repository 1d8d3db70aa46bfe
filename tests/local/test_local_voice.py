import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import realtime_nb.local.process as module
from realtime_nb.errors import ConnectionLost, MissingExtra, SettingsError
from realtime_nb.local.process import LocalVoice, local_voice, speak
from realtime_nb.sessions.backend import Backend


@pytest.fixture
def voice():
    voice = LocalVoice()
    yield voice
    voice.stop()


def is_alive(process_id):
    try:
        with open(f"/proc/{process_id}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come true in time"
        threading.Event().wait(0.02)


def test_it_is_started_once(voice):
    assert voice.process_id is None
    addresses = []
    threads = [threading.Thread(target=lambda: addresses.append(voice.address())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(addresses) == 3 and len(set(addresses)) == 1
    url, key = addresses[0]
    assert url.startswith("http://127.0.0.1:") and url.endswith("/v1")
    assert len(key) >= 16


def test_it_is_started_again_when_it_was_killed(voice):
    first = voice.address()
    process_id = voice.process_id
    os.kill(process_id, signal.SIGKILL)
    wait_until(lambda: voice.process_id is None)
    assert voice.address() != first
    assert voice.process_id not in (None, process_id)


def test_stopping_ends_it_and_may_be_done_twice(voice):
    voice.address()
    process_id = voice.process_id
    voice.stop()
    voice.stop()
    assert voice.process_id is None
    assert not is_alive(process_id)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc here")
def test_it_dies_with_its_parent_whatever_ends_that():
    code = (
        "from realtime_nb.local.process import local_voice\n"
        "local_voice.address(); print(local_voice.process_id, flush=True); input()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with parent:
        process_id = int(parent.stdout.readline())
        assert is_alive(process_id)
        parent.kill()
    wait_until(lambda: not is_alive(process_id))


def test_a_backend_is_located_by_starting_it():
    backend = Backend.local().located()
    assert (backend.base_url, backend.api_key) == local_voice.address()
    assert backend.realtime_url("local-rules").startswith("ws://127.0.0.1:")
    assert backend.api_key not in repr(backend)


def python_that(monkeypatch, tmp_path, code):
    """Make the voice start a program of our own instead of its server."""
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\n{code}\n")
    program.chmod(0o755)
    monkeypatch.setattr(module.sys, "executable", str(program))


def test_a_missing_extra_is_named_with_the_way_out(monkeypatch, tmp_path, voice):
    python_that(monkeypatch, tmp_path, "import a_server_that_is_not_there")
    with pytest.raises(MissingExtra) as caught:
        voice.address()
    assert str(caught.value) == (
        "the local voice is not installed (ModuleNotFoundError: No module named 'a_server_that_is_not_there'): "
        "run  pip install 'realtime-nb[local]'"
    )
    assert voice.process_id is None


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit('port 80 is taken')", "the local voice did not start: port 80 is taken"),
        ("pass", "the local voice did not start: it said nothing"),
        ("print('hello', flush=True); input()", "the local voice did not start: it said nothing"),
        ("print('{}', flush=True); input()", "the local voice did not start: it said nothing"),
    ],
)
def test_a_server_that_does_not_start_says_why(monkeypatch, tmp_path, voice, code, said):
    python_that(monkeypatch, tmp_path, code)
    with pytest.raises(ConnectionLost, match=said):
        voice.address()
    assert voice.process_id is None


def test_a_server_that_says_nothing_is_given_up(monkeypatch, tmp_path, voice):
    python_that(monkeypatch, tmp_path, "input()")
    monkeypatch.setattr(module, "START_TIMEOUT_S", 0.2)
    with pytest.raises(ConnectionLost, match="did not start"):
        voice.address()


# --- speaking ---


def test_words_become_audio():
    clip = speak("What time is it?")
    assert clip.sample_rate == 24_000
    assert 0.5 < clip.duration_s < 3
    assert clip.peak > 0.1
    assert speak("What time is it?", speed=2.0).duration_s < clip.duration_s


@pytest.mark.parametrize("options", [{"voice": "nobody"}, {"speed": 0}, {"speed": 99}])
def test_a_voice_or_speed_that_is_not_there_is_refused(options):
    with pytest.raises(SettingsError):
        speak("Hello", **options)
