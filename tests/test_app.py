from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys

import pytest
from asgi_socket import Socket
from local_session import ScriptedEars, SteadyVoice
from starlette.testclient import TestClient

from realtime_nb.local.app import create_app
from realtime_nb.local.realtime_session import Parts
from realtime_nb.local.rule_brain import RuleBrain
from realtime_nb.local.script_brain import ScriptBrain

KEY = "the-key"
BEARER = {"Authorization": f"Bearer {KEY}"}


def make_app(**options):
    brains = {"local-rules": RuleBrain(), "local-script": ScriptBrain()}
    parts = Parts(RuleBrain(), SteadyVoice(), ScriptedEars(), brains)
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
