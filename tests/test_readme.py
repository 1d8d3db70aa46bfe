"""The README does what it says: every block runs, every link leads somewhere, every figure is the program's own."""

import re
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import realtime_nb as rt

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text("utf-8")
NOTEBOOKS = sorted(path.stem for path in ROOT.glob("notebooks/*.ipynb"))


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_every_block_is_of_a_kind_that_is_run():
    assert re.findall(r"^```(\w*)$", TEXT, re.MULTILINE)[::2] == ["sh", *["python"] * len(blocks("python"))]
    # test_clean_install.py does what it says.
    assert [block.splitlines()[-1] for block in blocks("sh")] == ["make lab"]


def test_the_cells_run_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    cells = [new_code_cell(block.strip()) for block in blocks("python")]
    done = NotebookClient(
        new_notebook(cells=cells), timeout=90, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [output for cell in done.cells for output in cell.outputs]
    printed = "".join(output.get("text", "") for output in outputs)
    for told in (
        r"What can you do\? → I can do sums",
        r"The status is on its way, the order is 7\.",
        r"^What can you do\?$",
        r"You said: What is 2 plus 3\?\.",
    ):
        assert re.search(told, printed, re.MULTILINE), printed
    shown = "".join(output.get("data", {}).get("text/html", "") for output in outputs)
    assert "<audio controls" in shown
    assert "<li>user: What is 2 plus 3?</li>" in shown
    assert (tmp_path / "lesson-1" / "events.jsonl").is_file()


@pytest.mark.parametrize("model", ["gpt-realtime-2.1", "gpt-realtime-2.1-mini"])
def test_what_it_costs_is_what_the_estimate_says(model):
    estimate = rt.estimate(minutes_in=5, minutes_out=5, model=model, turns=20)
    least, most = f"${estimate.total_usd:.2f}", f"${estimate.uncached_usd:.2f}"
    flat = " ".join(TEXT.split())
    assert re.search(rf"{re.escape(least)}(?: with `{re.escape(model)}`)?[^.;]*?(?:and|, and) {re.escape(most)}", flat)


def test_the_prices_date_is_that_of_the_table():
    import json

    as_of = json.loads((ROOT / "realtime_nb" / "pricing" / "prices.json").read_text("utf-8"))["as_of"]
    assert f"Prices are of {as_of}" in TEXT


def test_every_link_into_the_repository_leads_somewhere():
    links = [*re.findall(r"\]\(((?!http)[^)]+)\)", TEXT), *re.findall(r'(?:src|srcset)="([^"]+)"', TEXT)]
    assert links and [link for link in links if not (ROOT / link).exists()] == []


def test_binder_opens_a_notebook_that_is_there():
    opened = re.findall(r"mybinder\.org/v2/gh/\S+?urlpath=lab/tree/([\w./]+)", TEXT)
    assert all((ROOT / path).is_file() for path in opened)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_are_light_enough_to_be_shown(theme):
    for path in ROOT.glob(f"docs/*-{theme}.png"):
        assert path.name in TEXT and path.stat().st_size < 250_000


def test_every_notebook_is_listed():
    assert re.findall(r"\]\(notebooks/(\w+)\.ipynb\)", TEXT) == NOTEBOOKS
