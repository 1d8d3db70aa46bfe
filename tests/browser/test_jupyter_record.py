"""What the saved notebook keeps of a conversation, however the panel ended."""

import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import expect

pytestmark = pytest.mark.jupyter

CELL = "import realtime_nb as rt\nsession = rt.RealtimeSession(backend='local')\npanel = rt.VoicePanel(session)\npanel"


@pytest.fixture
def talked(open_notebook):
    """A notebook in which one question was answered, and its record drawn."""
    notebook = open_notebook(CELL)
    notebook.run_all()
    notebook.panel.get_by_text("Hold to talk").first.click()
    notebook.panel.get_by_role("button", name="Connect", exact=True).click()
    expect(notebook.panel.get_by_role("button", name="Disconnect")).to_be_visible()
    ask(notebook, "What is two plus three?")
    expect(notebook.page.locator(".jp-OutputArea img").first).to_be_visible()
    return notebook


def ask(notebook, question):
    notebook.panel.get_by_label("Type a message").fill(question)
    notebook.page.keyboard.press("Enter")
    notebook.until("[reply.done for reply in session.conversation.replies] == [True]")


def test_a_kernel_that_is_shut_down_leaves_a_record_that_reads_without_scripts(talked, browser, tmp_path):
    talked.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown()",
    )
    expect(talked.page.locator(".jp-OutputArea").get_by_text("Run this cell again")).to_be_visible()
    # Until then the picture is inside the record's HTML.
    expect(talked.page.locator(".jp-RenderedImage img")).to_be_visible()
    note, record, picture = talked.save()
    assert note["data"].keys() == {"text/plain", "text/html"}
    assert "What is two plus three?" in "".join(record["data"]["text/plain"])
    assert len(picture["data"]["image/png"]) > 1000

    page = browser.new_context(java_script_enabled=False, offline=True).new_page()
    (tmp_path / "saved.html").write_text(HTMLExporter().from_filename(str(talked.path))[0], "utf-8")
    page.goto((tmp_path / "saved.html").as_uri(), wait_until="domcontentloaded")
    expect(page.get_by_text("2 plus 3 is 5.")).to_be_visible()
    expect(page.locator("audio")).to_be_visible()
    expect(page.locator(".jp-OutputArea img")).to_be_visible()
    page.context.close()


def test_a_reloaded_page_says_where_the_rest_of_the_record_is(talked):
    expect(talked.panel.locator(".rtnb-notice")).to_be_hidden()
    talked.until("panel._pages == 1")
    talked.save()
    talked.reload()
    expect(talked.panel.locator(".rtnb-notice")).to_contain_text("session.conversation")


def test_dollar_signs_are_no_mathematics(open_notebook):
    formula = "<p>The control $x_2$ is a formula.</p>"
    notebook = open_notebook(
        f"import realtime_nb as rt\nfrom IPython.display import HTML, display\ndisplay(HTML({formula!r}))\n"
        "display(rt.estimate(5, 5, turns=20), rt.Cost(input_usd=0.02, output_usd=0.3))"
    )
    notebook.run_all()
    outputs = notebook.page.locator(".jp-OutputArea")
    expect(outputs.get_by_text("if nothing is")).to_contain_text(
        "$0.7576 if everything that can be cached is, $3.30 if"
    )
    expect(outputs.locator("mjx-container")).to_have_count(1)


def test_a_panel_that_is_closed_leaves_its_record(talked):
    talked.ask("panel.close()")
    expect(talked.page.locator(".jp-OutputArea").get_by_text("Run this cell again")).to_be_visible()
    # Until then the picture is inside the record's HTML.
    expect(talked.page.locator(".jp-RenderedImage img")).to_be_visible()
    note, record, _ = talked.save()
    assert note["data"].keys() == {"text/plain", "text/html"}
    assert "2 plus 3 is 5." in "".join(record["data"]["text/html"])


NOTE = """node => ({ size: getComputedStyle(node).fontSize, told: getComputedStyle(node, "::after").content })"""


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_a_kernel_that_is_restarted_ends_the_panel_and_the_saved_file_reads_well(open_notebook, app, browser, tmp_path):
    notebook = open_notebook(CELL, app=app)
    notebook.run_all()
    notebook.panel.get_by_text("Hold to talk").first.click()
    ask(notebook, "What is two plus three?")
    expect(notebook.page.locator(".jp-OutputArea img").first).to_be_visible()
    notebook.page.evaluate(
        "() => { window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart(); }"
    )
    status = notebook.panel.locator("[data-role=status]")
    expect(status).to_have_text("The kernel was restarted, or has stopped")
    expect(notebook.panel.locator(".rtnb-notice")).to_contain_text("run this notebook's cells, from the top")
    expect(notebook.panel.locator(".rtnb-turn")).to_have_count(2)
    expect(notebook.panel.get_by_label("Type a message")).to_be_hidden()

    live, *_ = notebook.save()
    assert "application/vnd.jupyter.widget-view+json" in live["data"]
    notebook.reload()  # The new kernel knows of no panel.
    missing = notebook.page.locator(".jupyter-widgets", has_text="model not found")
    expect(missing).to_be_attached()
    assert missing.evaluate(NOTE) == {
        "size": "0px",
        "told": '"To talk again, run this notebook from the top. '
        'If this panel is open in another window, reload the page."',
    }
    expect(notebook.page.locator(".jp-OutputArea img").first).to_be_visible()

    page = browser.new_context(java_script_enabled=False, offline=True).new_page()
    (tmp_path / "saved.html").write_text(HTMLExporter().from_filename(str(notebook.path))[0], "utf-8")
    page.goto((tmp_path / "saved.html").as_uri(), wait_until="domcontentloaded")
    expect(page.get_by_text("VoicePanel(local, model=local-voice, voice=marin): run the cell to talk")).to_be_visible()
    expect(page.locator("audio").first).to_be_attached()
    assert "model not found" not in page.content()
    page.context.close()
