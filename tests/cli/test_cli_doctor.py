import json

import pytest
from local_http import served

from realtime_nb.cli.main import main


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    for name in ("OPENAI_API_KEY", "REALTIME_NB_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_a_healthy_machine_ends_with_0_and_each_line_is_printed_once(capsys):
    assert main(["doctor", "--backend", "local"]) == 0
    out = capsys.readouterr().out
    for name in ("Python", "packages", "espeak-ng", "webrtcvad", "pocketsphinx", "backend", "Realtime socket"):
        assert out.count(f"✓ ok      {name} ") == 1
    assert (
        "not checked: page, microphone and speaker" in out
        and "checks: 13 ok\nThe voice answers. Still to check: page, " in out
    )


def test_something_broken_ends_with_1_and_json_says_what(capsys):
    with served() as server:
        assert main(["doctor", "--backend", server.url, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    (broken,) = [check for check in found["checks"] if check["state"] == "broken"]
    assert broken.keys() == {"name", "state", "said", "fix"}
    assert broken["name"] == "API key" and "none is set" in broken["said"]


def test_a_mistyped_backend_is_a_line_with_its_cure(capsys):
    assert main(["doctor", "--backend", "opneai"]) == 1
    assert "✗ broken  backend          backend='opneai' is not" in capsys.readouterr().out
