"""README and docs are right: their code runs, links work, and figures match the program."""

import re
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import realtime_nb as rt

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text("utf-8")
NOTEBOOKS = sorted(path.stem for path in ROOT.glob("notebooks/*.ipynb"))


PAGES = {path: path.read_text("utf-8") for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]}
PRICES = (ROOT / "docs" / "prices.md").read_text("utf-8")


def blocks(language, text=TEXT):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_readme_is_short_enough_to_be_read():
    words = re.sub(r"```.*?```|<[^>]+>", "", TEXT, flags=re.DOTALL).split()
    assert len(words) <= 700


def test_every_block_is_of_a_kind_that_is_run():
    for text in PAGES.values():
        assert set(re.findall(r"^```(\w*)$", text, re.MULTILINE)[::2]) <= (
            {"sh", "python"} if text == TEXT else {"python"}
        )
    # test_clean_install.py does what it says.
    assert [block.splitlines()[-1] for block in blocks("sh")] == ["make lab"]


def test_the_cells_run_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    # Each page is read on its own, but one kernel is enough; each page imports what it uses.
    for text in PAGES.values():
        assert not blocks("python", text) or blocks("python", text)[0].startswith("import realtime_nb as rt\n")
    cells = [new_code_cell(block.strip()) for text in PAGES.values() for block in blocks("python", text)]
    done = NotebookClient(
        new_notebook(cells=cells), timeout=90, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [output for cell in done.cells for output in cell.outputs]
    printed = "".join(output.get("text", "") for output in outputs)
    for told in (
        r"What can you do\? → I can do sums",
        r"The status is on its way, the order is 7\.",
        r"^status: completed$",
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
    flat = " ".join(PRICES.split())
    assert re.search(
        rf"{re.escape(least)}(?: \([^)]*\))? and {re.escape(most)}(?: \([^)]*\))? on `{re.escape(model)}`", flat
    )


def test_the_prices_date_is_that_of_the_table():
    import json

    as_of = json.loads((ROOT / "realtime_nb" / "pricing" / "prices.json").read_text("utf-8"))["as_of"]
    assert f"The prices are from {as_of}" in PRICES


def test_every_link_into_the_repository_leads_somewhere():
    found = {
        path.parent / link
        for path, text in PAGES.items()
        for link in [*re.findall(r"\]\(((?!http)[^)]+)\)", text), *re.findall(r'(?:src|srcset)="([^"]+)"', text)]
    }
    assert found and [link for link in found if not link.exists()] == []
    assert [path.name for path in PAGES if path.parent.name == "docs" and f"docs/{path.name}" not in TEXT] == []


def test_binder_opens_a_notebook_that_is_there():
    opened = re.findall(r"mybinder\.org/v2/gh/\S+?urlpath=lab/tree/([\w./]+)", "".join(PAGES.values()))
    assert all((ROOT / path).is_file() for path in opened)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_are_light_enough_to_be_shown(theme):
    for path in ROOT.glob(f"docs/*-{theme}.png"):
        assert path.name in TEXT and path.stat().st_size < 250_000


def test_every_notebook_is_listed():
    assert re.findall(r"\]\(notebooks/(\w+)\.ipynb\)", TEXT) == NOTEBOOKS
