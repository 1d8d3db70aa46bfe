"""What the repository promises as a whole: notebooks and versions."""

import csv
import re
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from nbclient import NotebookClient

import realtime_nb as rt

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
#: What notebooks print where they show what they are about.
TOLD = {
    "04_interruptions": (
        r"sent +conversation.item.truncate +(\d+)\n(?:.*\n)*.*received +conversation.item.truncated +\1\n",
        r"said:  (Once upon a time .*)\nheard: Once upon a time there was a small microphone",
        r"cancelled: Once",
    ),
    "05_customer_support": (
        r"where is order seven → The item is desk lamp, the status is on its way\.",
        r"refund\(7\) agreed\.\n",
        r"refund\(9\) refused\.\n",
        r"flagged: an internal note",
        r"not answered: the guard flagged what was asked \(card numbers are not for this line\)",
        r"stopped: \$0\.01\d+ of \$0\.0100 are spent",
    ),
}


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def executed(path, folder):
    notebook = nbformat.read(path, as_version=4)
    # The folder is the reader's own: what a notebook keeps there is not the repository's.
    return NotebookClient(notebook, timeout=90, resources={"metadata": {"path": str(folder)}}).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_without_key_and_browser(path, tmp_path):
    notebook = executed(path, tmp_path)
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    html = "".join("".join(data.get("text/html", "")) for data in shown)
    assert "<audio controls" in html and "data:audio/mpeg;base64," in html
    assert any("image/png" in data for data in shown)
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    for told in TOLD.get(path.stem, ()):
        assert re.search(told, printed), printed


def test_the_tutor_hears_the_mistakes_and_goes_on_where_the_last_session_stopped(tmp_path):
    header = 'session,sentence,heard,"words right, %","pace, % of the model\'s","pitch range, semitones"'
    before = f"{header}\n1 Nov 2026,Hello.,hello,100,90,4\n"
    (tmp_path / "tutor_progress.csv").write_text(before)
    executed(ROOT / "notebooks" / "06_language_tutor.ipynb", tmp_path)
    with (tmp_path / "tutor_progress.csv").open(newline="") as file:
        rows = [row[2:4] for row in csv.reader(file)][1:]
    assert rows[0] == ["hello", "100"]
    assert [right for _, right in rows] == ["100", "83", "100", "100", "86"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs_and_says_who_answers(path):
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    assert "local voice" in notebook.cells[0].source and "OPENAI_API_KEY" in notebook.cells[0].source


def test_the_changelog_begins_with_this_version():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(r"^## \[(.+?)\]", text, re.MULTILINE).group(1) == rt.__version__


def test_the_citation_is_of_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert cited["version"] == rt.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert (cited["license"], cited["repository-code"]) == (project["license"], project["urls"]["Homepage"])
    # Required by the format, version 1.2.0.
    assert cited["cff-version"] == "1.2.0" and cited["message"] and cited["title"] and cited["authors"]


def test_binder_installs_the_package_the_local_voice_and_the_proxy():
    lines = (ROOT / "binder" / "requirements.txt").read_text().splitlines()
    assert ".[local,lab]" in lines
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert any(name.startswith("jupyter-server-proxy") for name in extras["lab"])
    assert re.fullmatch(r"python-3\.\d+\n", (ROOT / "binder" / "runtime.txt").read_text())
