"""The gallery of executed tutorials: pages without a kernel, without a network, that play."""

import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import expect

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
import gallery

CELLS = (
    new_markdown_cell("# A small one\n\nIt *talks*; so does [another](00_other.ipynb)."),
    new_code_cell("import realtime_nb as rt\nsession = rt.RealtimeSession(backend='local')\nrt.VoicePanel(session)"),
    new_code_cell("reply = await session.ask('What is two plus three?')\nreply"),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    nbformat.write(new_notebook(cells=list(CELLS)), folder / "small.ipynb")
    gallery.build([folder / "small.ipynb"], folder / "out")
    return folder / "out"


@pytest.fixture
def page(browser, built):
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.fetched = []
    page.on("request", lambda request: page.fetched.append(request.url))
    page.goto((built / "index.html").as_uri())
    yield page
    context.close()


def test_the_index_shows_each_notebook_with_its_picture_and_leads_there(page):
    expect(page.get_by_text("It talks; so does another.")).to_be_visible()
    assert page.locator("li img").evaluate("image => image.naturalWidth") > 300
    page.get_by_text("A small one").click()
    expect(page.get_by_role("heading", name="A small one")).to_be_visible()
    expect(page.get_by_role("link", name="another")).to_have_attribute("href", "00_other.html")
    page.get_by_role("link", name="All tutorials").click()
    expect(page.get_by_text("It talks; so does another.")).to_be_visible()


def test_a_page_plays_offline_and_needs_nothing_from_elsewhere(page, built):
    page.get_by_text("A small one").click()
    page.get_by_role("heading", name="A small one").click()  # Chromium plays nothing before a click.
    duration_s, current_s = page.locator("audio").last.evaluate(
        """async (audio) => {
          await audio.play();
          await new Promise((done) => { audio.ontimeupdate = () => audio.currentTime > 0.1 && done(); });
          return [audio.duration, audio.currentTime];
        }"""
    )
    assert 0.5 < duration_s < 10 and 0.1 < current_s <= duration_s
    assert {url.partition(":")[0] for url in page.fetched} <= {"file", "data"}


def test_live_controls_leave_a_note_and_no_state(page, built):
    page.get_by_text("A small one").click()
    expect(page.get_by_text("live controls, which need a kernel: VoicePanel")).to_be_visible()
    text = (built / "small.html").read_text("utf-8")
    assert "vnd.jupyter.widget" not in text and "<script" not in text
