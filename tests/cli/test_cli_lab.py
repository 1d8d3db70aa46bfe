import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from realtime_nb.cli import lab as cli_lab
from realtime_nb.cli.lab import FIRST, place_tutorials
from realtime_nb.cli.main import main

TUTORIALS = sorted(path.name for path in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def test_missing_tutorials_are_copied(tmp_path):
    mine = tmp_path / "talks" / TUTORIALS[1]
    mine.parent.mkdir()
    mine.write_text("my own notes")
    placed = place_tutorials(tmp_path / "talks")
    assert [path.name for path in placed] == [name for name in TUTORIALS if name != mine.name]
    assert mine.read_text() == "my own notes"
    assert place_tutorials(tmp_path / "talks") == []
    assert sorted(path.name for path in mine.parent.iterdir()) == TUTORIALS


def test_without_jupyterlab_it_says_how_to_install_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", None)
    assert main(["lab", "--folder", str(tmp_path / "here")]) == 2
    assert "JupyterLab is not installed" in capsys.readouterr().err
    assert not (tmp_path / "here").exists()


def test_a_folder_that_cannot_be_made_is_reported(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["lab", "--folder", str(tmp_path / "file" / "in")]) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="asks for a display as Linux has it")
@pytest.mark.parametrize(("display", "told"), [("", ["--no-browser"]), (":0", [])])
def test_without_a_screen_no_browser_is_opened(monkeypatch, display, told):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if display:
        monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cli_lab._circumstances() == told


def test_jupyterlab_opens_on_the_first_tutorial(tmp_path):
    env = os.environ | {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    options = ["--no-browser", "--port=0", "--IdentityProvider.token=secret", "--LabApp.news_url="]
    server = subprocess.Popen(
        [sys.executable, "-m", "realtime_nb.cli.main", "lab", "--folder", "lessons", *options],
        cwd=tmp_path,
        env=env,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = (re.search(r"(http://localhost:\d+/)lab/tree/", line) for line in server.stderr)
        address = next(found[1] for found in said if found)
        # It listens a moment after it has said so.
        with httpx.Client(
            base_url=address, params={"token": "secret"}, transport=httpx.HTTPTransport(retries=8)
        ) as client:
            names = [each["name"] for each in client.get("api/contents").json()["content"]]
            assert sorted(names) == TUTORIALS
            assert client.get("").headers["Location"].startswith(f"/lab/tree/{FIRST}")
    finally:
        server.terminate()
        server.communicate(timeout=30)


def test_the_first_tutorial_is_there():
    assert TUTORIALS[0] == FIRST
