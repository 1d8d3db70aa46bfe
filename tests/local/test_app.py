from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from asgi_socket import Socket
from local_session import ScriptedRecognizer, SteadyVoice
from starlette.testclient import TestClient

from realtime_nb.local.__main__ import main
from realtime_nb.local.brains.openai_brain import OpenAICompatibleBrain
from realtime_nb.local.brains.rule_brain import RuleBrain
from realtime_nb.local.brains.script_brain import ScriptBrain
from realtime_nb.local.realtime.session import Parts
from realtime_nb.local.server import create_app

KEY = "the-key"
BEARER = {"Authorization": f"Bearer {KEY}"}


def make_app(**options):
    brains = {"local-rules": RuleBrain(), "local-script": ScriptBrain()}
    parts = Parts(RuleBrain(), SteadyVoice(), ScriptedRecognizer(), brains)
    return create_app(parts, api_key=KEY, **options)


def first_event(path):
    async def main():
        async with Socket(make_app(), path, BEARER) as socket:
            return await socket.receive()

    return asyncio.run(main())


@pytest.mark.parametrize(
    "path",
    [
        "/v1/realtime?model=local-rules",
        "/openai/v1/realtime?model=local-rules",
        "/openai/realtime?api-version=2025-08-28&deployment=local-rules",
    ],
)
def test_every_address_of_the_protocol_opens_a_session(path):
    created = first_event(path)
    assert (created["type"], created["session"]["model"]) == ("session.created", "local-rules")


def test_the_model_names_the_brain():
    assert "script" in first_event("/v1/realtime?model=local-script")["session"]["notice"]
    session = first_event("/v1/realtime?model=gpt-realtime")["session"]
    assert session["model"] == "gpt-realtime"
    assert "no language model" in session["notice"]


def test_unknown_addresses_are_answered_in_the_api_s_shape():
    answer = TestClient(make_app(), base_url="http://127.0.0.1").get("/v1/nothing", headers=BEARER)
    assert answer.status_code == 404
    assert "Invalid URL" in answer.json()["error"]["message"]


@pytest.fixture
def server():
    """A server process of the kind that a notebook starts."""
    command = [sys.executable, "-m", "realtime_nb.local", "--with-parent"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def test_the_first_line_says_where_it_is(server):
    said = json.loads(server.stdout.readline())
    assert said["url"].startswith("http://127.0.0.1:")
    assert said["url"].endswith("/v1")
    assert said["pid"] == server.pid
    assert len(said["api_key"]) >= 24


def test_it_ends_cleanly_when_told_to(server):
    server.stdout.readline()
    server.send_signal(signal.SIGTERM)
    out, err = server.communicate(timeout=20)
    assert (server.returncode, out, err) == (0, "", "")


def test_it_ends_with_its_parent(server):
    server.stdout.readline()
    server.stdin.close()
    server.stdin = None
    out, err = server.communicate(timeout=20)
    assert (server.returncode, out, err) == (0, "", "")


def test_a_key_of_one_s_own_and_a_script(tmp_path):
    script = tmp_path / "script.txt"
    script.write_text("# a lesson\nGood morning.\n")
    command = [sys.executable, "-m", "realtime_nb.local", "--api-key", "mine", "--brain", f"script:{script}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert json.loads(process.stdout.readline())["api_key"] == "mine"
        process.terminate()


def test_a_script_that_cannot_be_read_is_told_in_one_line():
    command = [sys.executable, "-m", "realtime_nb.local", "--brain", "script:/no/such/file"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "the script '/no/such/file' cannot be used" in done.stderr.splitlines()[-1]


# --- keys ---

SECRET = "marker0of0a0server"


def started(*arguments, said="", **environment):
    """Run the server with keys; return its first line, what it is called, and what it complained of."""
    command = [sys.executable, "-m", "realtime_nb.local", *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=os.environ | environment, **pipes) as process:
        process.stdin.write(said)
        process.stdin.close()
        first = process.stdout.readline()
        called = Path(f"/proc/{process.pid}/cmdline").read_text() if sys.platform == "linux" else ""
        process.terminate()
        return json.loads(first)["api_key"], called, process.stderr.read()


@pytest.mark.parametrize("way", ["environment", "file", "stdin"])
def test_keys_come_by_a_way_that_no_list_of_processes_shows(way, tmp_path):
    file = tmp_path / "key"
    file.write_text(f"{SECRET}\n")
    key, called, complaints = {
        "environment": lambda: started(REALTIME_NB_SERVER_KEY=SECRET, REALTIME_NB_BRAIN_KEY=SECRET),
        "file": lambda: started("--api-key-file", str(file), "--brain-key-file", str(file)),
        "stdin": lambda: started("--api-key-file", "-", said=f"{SECRET}\n"),
    }[way]()
    assert key == SECRET
    assert SECRET not in called and not complaints


def test_a_key_in_the_open_is_warned_of():
    key, _, complaints = started("--api-key", SECRET, "--brain-key", SECRET)
    assert key == SECRET
    assert complaints.count("in the list of processes") == 2
    assert "REALTIME_NB_SERVER_KEY" in complaints and "--brain-key-file" in complaints and SECRET not in complaints


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), (" \n", "does not hold a key")])
def test_a_file_without_a_key_is_reported(content, said, tmp_path, capsys):
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SystemExit):
        main(["--api-key-file", str(file)])
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("by", ["option", "environment"])
def test_ears_that_are_nowhere_end_the_server_in_words(by, monkeypatch, capsys):
    arguments = []
    if by == "option":
        arguments = ["--ears", "/no/such/model"]
    else:
        monkeypatch.setenv("REALTIME_NB_EARS", "/no/such/model")
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error: ears='/no/such/model' is not a folder" in capsys.readouterr().err


def test_an_address_of_a_brain_keeps_its_secrets(capsys):
    address = f"https://user:{SECRET}@host/v1?api-key={SECRET}"
    with pytest.raises(SystemExit):
        main(["--brain", address])
    complaints = capsys.readouterr().err
    assert "https://host/v1 needs the name of a model" in complaints
    assert "others can read --brain in the list of processes" in complaints and SECRET not in complaints
    brain = OpenAICompatibleBrain(address, "m")
    client = brain._opened()
    assert str(client.base_url) == "https://host/v1/"
    assert client.default_query == {"api-key": SECRET} and client.default_headers["Authorization"].startswith("Basic ")
