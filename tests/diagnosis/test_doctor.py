import json
import subprocess
import sys

import nbformat
import pytest
from blocked import LOCAL, without
from local_http import served
from nbclient import NotebookClient

import realtime_nb as rt

KEY = "sk-proj-WRONG0123456789abcdefgh"


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "REALTIME_NB_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def states(found):
    return {check.name: check.state for check in found.checks}


def test_a_healthy_machine_is_ok_and_its_text_says_so():
    found = rt.doctor("local")
    assert found.ok
    assert list(states(found)) == [
        *("Python", "packages", "espeak-ng", "hibari", "webrtcvad", "silero", "pocketsphinx", "whisper"),
        *("text model", "voice server", "parts", "backend", "Realtime socket"),
    ]
    assert set(states(found).values()) == {"ok"}
    text = repr(found)
    assert "✓ ok      pocketsphinx" in text and "checks: 13 ok" in text and "The voice answers." in text
    (parts,) = (check.said for check in found.checks if check.name == "parts")
    # What hears may still be loading.
    assert parts.startswith("ears: ") and parts.endswith(f"brain: {rt.Backend.local().parts.brain}")
    assert "not checked: page, microphone and speaker" in text
    assert json.loads(json.dumps(found.to_dict()))["ok"] is True


def test_lines_come_as_they_are_found():
    found = rt.doctor("local")
    counts = [len(found.checkup.checks)]
    found.listen(lambda checkup: counts.append(len(checkup.checks)))
    found.finished.result(60)
    assert counts == sorted(counts) and counts[0] >= 2 and len(set(counts)) > 3


def test_a_coroutine_may_await_it():
    async def look():
        return await rt.doctor("local").finished

    assert rt.run_sync(look()).ok


def test_a_wrong_key_is_broken_and_shown_nowhere():
    with served() as server:
        found = rt.doctor(server.url, api_key=KEY)
        assert not found.ok
    (key,) = [check for check in found.checks if check.name == "API key"]
    assert key.state == "broken" and "refused the key" in key.said and "REALTIME_NB_API_KEY" in key.fix
    for text in (repr(found), json.dumps(found.to_dict()), json.dumps(found._repr_mimebundle_()), repr(found._facts)):
        assert KEY not in text and "WRONG" not in text


def test_without_a_key_the_wanted_server_is_broken_and_the_rest_is_looked_at():
    found = rt.doctor("openai")
    (backend,) = [check for check in found.checks if check.name == "backend"]
    assert backend.state == "broken" and backend.fix.startswith("set OPENAI_API_KEY")
    assert states(found)["espeak-ng"] == "ok"


def test_a_crash_of_a_check_is_a_line(monkeypatch):
    def fail(*_):
        raise KeyError("unforeseen")

    monkeypatch.setattr("realtime_nb.diagnosis.doctor.find_server", fail)
    found = rt.doctor("local")
    assert found.ok
    assert [check.said for check in found.checks if check.name == "doctor"] == [
        "looking at the backend failed: KeyError: 'unforeseen'"
    ]


def test_without_the_local_extra_one_line_says_how_to_get_it(tmp_path, monkeypatch):
    without(monkeypatch, tmp_path, *LOCAL)
    script = "import realtime_nb as rt, json; print(json.dumps(rt.doctor().to_dict()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    found = json.loads(done.stdout)
    assert found["ok"] is False, done.stderr
    wrong = [check for check in found["checks"] if check["state"] != "ok"]
    assert [check["name"] for check in wrong] == ["local voice", "hibari", "silero", "whisper", "backend"]
    assert all("pip install 'realtime-nb[local]'" in check["fix"] for check in wrong)


def test_a_notebook_that_runs_without_a_page_keeps_the_lines(tmp_path):
    cells = ["import realtime_nb as rt\nfound = rt.doctor('local')\nfound", "print(found.ok, len(found.checks))"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=90, resources={"metadata": {"path": str(tmp_path)}}).execute()
    first, second = notebook.cells
    # A slow start has an output of its own, for its progress.
    record = next(each["data"] for each in first.outputs if "✓" in each.get("data", {}).get("text/plain", ""))
    assert "✓ ok      pocketsphinx" in record["text/plain"] and "✓ ok      kernel" in record["text/plain"]
    assert "the page has not answered" in record["text/plain"]
    assert "<table" in record["text/html"] and "<script" not in record["text/html"]
    assert second.outputs[0]["text"].startswith("True 1")
