"""The doctor in JupyterLab: on an old kernel and on a good one, and what the notebook keeps of it."""

import pytest
from playwright.sync_api import expect

# A reply that the kernel lost says nothing about the doctor; see test_jupyter_busy_kernel.
pytestmark = [pytest.mark.jupyter, pytest.mark.flaky(reruns=1, only_rerun=["TimeoutError"])]

CELL = "import realtime_nb as rt\nfound = rt.doctor('local')\nfound"
LINES = "{check.name: [check.state, check.said, check.fix] for check in found.checks}"


def test_an_old_kernel_is_named_and_what_it_does_is_measured(open_notebook):
    notebook = open_notebook(CELL, kernel="ipykernel-6.30.1")
    notebook.run_all()
    notebook.until("found._facts.comm is not None")
    lines = notebook.ask(LINES)
    state, said, fix = lines["kernel"]
    assert state == "warning" and "ipykernel 6.30.1 handles no widget messages while a cell runs" in said
    assert "pip install -U 'ipykernel>=7.4'" in fix
    assert lines["widget messages"][1].startswith("0 of 8 widget messages were handled")
    assert notebook.ask("found.ok")


def test_a_good_kernel_passes_and_the_notebook_keeps_the_lines(open_notebook):
    notebook = open_notebook(CELL, kernel="ipykernel-7.4.0")
    notebook.run_all()
    panel = notebook.page.locator(".rtnb-doctor")
    expect(panel).to_be_visible()
    notebook.until("found._facts.comm is not None")
    lines = notebook.ask(LINES)
    assert lines["kernel"] == ["ok", "ipykernel 7.4.0, with subshells", ""]
    assert lines["widget messages"][1].startswith("8 of 8 widget messages were handled")
    assert "on the thread subshell-" in lines["widget messages"][1]
    assert lines["front end"][1].startswith("JupyterLab 4") and lines["ipywebrtc"][0] == "ok"

    panel.get_by_role("button", name="Check microphone").click()
    panel.get_by_role("button", name="Check speaker").click(timeout=10_000)
    panel.get_by_role("button", name="Yes").click()
    notebook.until("found._facts.played and found._facts.played.heard")
    panel.get_by_role("button", name="Done").click()
    expect(notebook.page.locator(".jp-OutputArea").get_by_text("Run this cell again to check again.")).to_be_visible()
    note, record = notebook.save()
    assert note["data"].keys() == record["data"].keys() == {"text/plain", "text/html"}
    text = "".join(record["data"]["text/plain"])
    assert "speaker          14400 of 14400 samples of a tone were played, and heard" in text
    assert "microphone" in text and "pocketsphinx" in text and "not checked" not in text
    assert "<table" in "".join(record["data"]["text/html"])
