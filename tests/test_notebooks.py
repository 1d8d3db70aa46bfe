"""The tutorials: each runs from top to bottom with no key and no page, tells one story, and keeps a key to itself."""

import asyncio
import base64
import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).parent.parent
TYPED_KEY = "sk-typed-0123456789abcdefghij"
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
pytestmark = pytest.mark.timeout(1_000)  # Thirty clips through three systems, on a machine with other work.

#: What notebooks print where they show what they are about.
TOLD = {
    "04_interruptions": (
        r"sent +conversation.item.truncate +(\d+)\n(?:.*\n)*.*received +conversation.item.truncated +\1\n",
        r"said:  (Once upon a time .*)\nheard: Once upon a time there was a small microphone",
        r"cancelled: Once",
    ),
    "05_customer_support": (
        r"Where is order seven\? → The item is desk lamp, the status is on its way\.",
        r"refund\(7\) agreed\.\n",
        r"refund\(9\) refused\.\n",
        r"flagged: an internal note",
        r"not answered: the guard flagged what was asked \(card numbers are not for this line\)",
        r"stopped: \$0\.01\d+ of \$0\.0100 are spent",
    ),
    "07_experiments": (
        r"180 answers, about \$0 \(if they take 8 s each\)",
        r"Open results/\d+_\d+/report\.html",
    ),
}


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


CELL_S = 900  # The longest takes half a minute on a quiet machine.


def executed(path, folder):
    notebook = nbformat.read(path, as_version=4)
    # The folder is the reader's own: what a notebook keeps there is not the repository's.
    return NotebookClient(notebook, timeout=CELL_S, resources={"metadata": {"path": str(folder)}}).execute()


TALK = """import asyncio
import realtime_nb as rt
async with rt.RealtimeSession(backend="local") as session:
    await session.ask("Hello!")
record = rt.ConversationRecord(session)
while not record._html:
    await asyncio.sleep(0.01)
record"""


def test_nbstripout_takes_a_voice_out_of_outputs_and_widgets(tmp_path):
    path = tmp_path / "talk.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(TALK)]), path)
    notebook = executed(path, tmp_path)
    for part in (notebook.cells, notebook.metadata.widgets):
        assert "data:audio/mpeg;base64," in json.dumps(part)
    nbformat.write(notebook, path)
    subprocess.run([sys.executable, "-m", "nbstripout", path], check=True)
    assert "data:audio" not in path.read_text("utf-8")


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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_prose_comes_before_code_and_leads_to_the_next(path):
    cells = nbformat.read(path, as_version=4).cells
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    assert "ccc" not in "".join(cell.cell_type[0] for cell in cells)
    following = NOTEBOOKS[NOTEBOOKS.index(path) + 1 :]
    links = re.findall(r"\]\((\w+\.ipynb)\)", "".join(cell.source for cell in cells if cell.cell_type == "markdown"))
    assert all((ROOT / "notebooks" / link).is_file() for link in links)
    assert not following or following[0].name in links


class Answering(NotebookClient):
    """A front end in which a person answers the prompt for a key."""

    async def async_start_new_kernel_client(self):
        client = await super().async_start_new_kernel_client()
        client.allow_stdin = True
        self.answered = asyncio.create_task(self.answer(client))
        return client

    async def answer(self, client):
        asked = (await client.get_stdin_msg())["content"]
        client.input(TYPED_KEY)
        return asked


@pytest.mark.parametrize("name", ["00_start_here"])
def test_a_key_that_is_typed_never_reaches_the_notebook(name, tmp_path):
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    (asks,) = (cell.source for cell in notebook.cells if "getpass" in cell.source and cell.cell_type == "code")
    shows = "import realtime_nb as rt\nsession = rt.RealtimeSession()\nprint(session, session.backend)\nsession.backend"
    panel = "rt.VoicePanel(session)"
    sources = (asks.replace("# ", ""), shows, panel, "session.conversation", "assert os.environ['OPENAI_API_KEY']")
    client = Answering(
        new_notebook(cells=[new_code_cell(source) for source in sources]),
        timeout=60,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    saved = nbformat.writes(client.execute())
    asked = client.answered.result()
    assert asked["password"] and asked["prompt"] == "OpenAI API key: "
    assert "'openai'" in saved and "vnd.jupyter.widget-view" in saved
    assert TYPED_KEY not in saved and base64.b64encode(TYPED_KEY.encode()).decode()[:-4] not in saved
