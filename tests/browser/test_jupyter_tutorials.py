"""The tutorials that are there to be talked with, in a real JupyterLab; 00 is in `test_jupyter_hub`."""

import shutil
from pathlib import Path

import pytest
from lab import OpenNotebook
from playwright.sync_api import expect

pytestmark = pytest.mark.jupyter

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
WITH_PANEL = sorted(
    path for path in NOTEBOOKS.glob("*.ipynb") if "rt.VoicePanel(" in path.read_text("utf-8") and path.stem[:2] != "00"
)


@pytest.mark.parametrize("path", WITH_PANEL, ids=lambda path: path.stem)
def test_it_runs_and_its_panel_listens(path, jupyter, speaking_browser):
    shutil.copy(path, jupyter.notebooks)
    page = speaking_browser.new_context(viewport={"width": 1200, "height": 900}).new_page()
    notebook = OpenNotebook(page, jupyter, jupyter.notebooks / path.name)
    cells = "() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells"
    notebook.run_all()
    page.wait_for_function(
        f"() => ({cells})().every((cell) => cell.cell_type !== 'code' || cell.execution_count)", timeout=90_000
    )
    page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.status === 'idle'",
        timeout=60_000,
    )
    assert [output for output in notebook.outputs() if output["output_type"] == "error"] == []
    panel = notebook.panel
    panel.scroll_into_view_if_needed()
    panel.get_by_role("button", name="Turn on microphone").or_(
        panel.get_by_role("button", name="Connect", exact=True)
    ).click()
    expect(panel.locator("[data-role=status]")).to_have_text("Listening: just speak")
    expect(panel.locator("[data-role=facts]")).to_contain_text("direct socket")
    jupyter.stop_kernels()
    page.context.close()
