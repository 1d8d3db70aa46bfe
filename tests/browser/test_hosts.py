"""Other front ends, each from its own server: talk, be answered aloud, see the record. docs/front-ends.md has all."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import nbformat
import pytest
from install_hosts import HOSTS
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import expect

pytestmark = [
    pytest.mark.jupyter,
    pytest.mark.skipif(not HOSTS.is_dir(), reason="no other front ends: run python tests/browser/install_hosts.py"),
]

CELL = "import realtime_nb as rt\nsession = rt.RealtimeSession(backend='local')\npanel = rt.VoicePanel(session)\npanel"
MARIMO = """
import marimo
app = marimo.App()

@app.cell
def _():
    import realtime_nb as rt
    session = rt.RealtimeSession(backend="local")
    panel = rt.VoicePanel(session)
    panel
    return rt, session

@app.cell
def _(rt, session):
    rt.ConversationRecord(session)
    return
"""
SHINY = """
from shiny.express import ui
from shinywidgets import render_widget
import realtime_nb as rt

session = rt.RealtimeSession(backend="local")
ui.page_opts(fillable=True)
with ui.card():
    @render_widget
    def panel():
        return rt.VoicePanel(session)
"""
#: Keeps what an element has said, as `told`.
LISTEN = """(element) => {
  element.told = [element.textContent];
  const note = () => element.told.push(element.textContent);
  new MutationObserver(note).observe(element, { childList: true, characterData: true, subtree: true });
}"""


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def write_notebook(folder):
    notebook = new_notebook(cells=[new_code_cell(CELL), new_code_cell("rt.ConversationRecord(session)")])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "python3", "language": "python"}
    nbformat.write(notebook, folder / "talk.ipynb")
    return folder / "talk.ipynb"


class Host:
    """A front end's server, and its page."""

    def __init__(self, folder, page, module, *options, ready="/"):
        port = free_port()
        env = os.environ | {
            # Its own come first: both have templates of the same name.
            "JUPYTER_PATH": os.pathsep.join([f"{HOSTS}/share/jupyter", f"{sys.prefix}/share/jupyter"]),
            "JUPYTER_CONFIG_PATH": f"{sys.prefix}/etc/jupyter",
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "IPYTHONDIR": str(folder / "ipython"),
            "PYTHONPATH": str(HOSTS.parent),
        }
        env.pop("OPENAI_API_KEY", None)
        self.page = page
        self.url = f"http://127.0.0.1:{port}"
        self._log = folder / "server.log"
        command = [HOSTS / "bin" / "python", "-m", module, *(str(option).format(port=port) for option in options)]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        self._wait(self.url + ready)

    def _wait(self, url):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                urllib.request.urlopen(url, timeout=30).close()
                return
            except urllib.error.HTTPError:
                return  # It is there, and wants a token.
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"the server did not start:\n{self._log.read_text()[-4000:]}")

    def talk(self):
        """Ask aloud, and wait until the answer was played; returns the panel."""
        panel = self.page.locator(".rtnb-panel")
        status = panel.locator("[data-role=status]")
        connect = panel.get_by_role("button", name="Connect", exact=True)
        expect(connect).to_be_enabled()
        status.evaluate(LISTEN)
        connect.click()
        expect(panel.locator(".rtnb-user").first).to_contain_text("What time is it?")
        expect(panel.locator(".rtnb-assistant").first).to_contain_text("clock")
        expect(status).to_have_text("Listening: just speak")
        assert "The AI is speaking" in status.evaluate("element => element.told")
        return panel

    def has_record(self):
        """Wait for the record's player."""
        expect(self.page.locator("audio").first).to_be_attached()

    def close(self):
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def start(speaking_browser, tmp_path):
    hosts = []

    def start_it(module, *options, height=900, **more):
        context = speaking_browser.new_context(viewport={"width": 1000, "height": height})
        hosts.append(host := Host(tmp_path, context.new_page(), module, *options, **more))
        return host

    yield start_it
    for host in hosts:
        host.page.context.close()
        host.close()


@pytest.fixture
def notebook(tmp_path):
    return write_notebook(tmp_path)


def test_nbclassic_talks_and_shows_the_record(start, notebook):
    options = ("--no-browser", "--allow-root", "--port={port}", "--ServerApp.token=secret")
    host = start("nbclassic", *options, ready="/api")
    host.page.goto(f"{host.url}/nbclassic/notebooks/{notebook.name}?token=secret")
    host.page.wait_for_function("window.Jupyter?.notebook?.kernel?.widget_manager")
    # ipywidgets asks a new page's kernel for its widgets, and then draws all of them anew, without the names by which
    # outputs are redrawn. Asked once more, it has done so.
    host.page.evaluate("Jupyter.notebook.kernel.widget_manager._loadFromKernel()")
    host.page.evaluate("Jupyter.notebook.execute_all_cells()")
    host.talk()
    # Below the panel, and in the cell after it.
    for cell in host.page.locator(".code_cell").all():
        expect(cell.locator("audio").first).to_be_attached()


def test_voila_talks_and_shows_the_record_without_its_kernel_too(start, notebook):
    host = start("voila", notebook.name, "--no-browser", "--port={port}", ready="/voila/static/voila.js")
    host.page.goto(host.url)
    host.talk()
    host.has_record()
    host.close()  # Its kernels end with it.
    expect(host.page.locator("[data-role=status]")).to_have_text("The kernel does not answer")
    expect(host.page.locator(".rtnb-turn")).to_have_count(2)
    expect(host.page.locator("[data-rtnb=talk] audio").first).to_be_visible()
    assert "model not found" not in host.page.content()


def test_marimo_talks_and_shows_the_record(start, tmp_path):
    (tmp_path / "talk.py").write_text(MARIMO)
    host = start("marimo", "run", "talk.py", "--headless", "--no-token", "-p", "{port}", ready="/health")
    host.page.goto(host.url)
    host.talk()
    host.has_record()


def test_shiny_talks_and_scrolls_what_its_layout_would_cut(start, tmp_path):
    (tmp_path / "app.py").write_text(SHINY)
    host = start("shiny", "run", "app.py", "--port", "{port}", height=300)
    host.page.goto(host.url)
    panel = host.talk()
    assert panel.evaluate("panel => panel.scrollHeight > panel.clientHeight && panel.clientHeight < 300")
    panel.get_by_text("Details", exact=True).click()
    facts = panel.locator("[data-role=facts]")
    facts.scroll_into_view_if_needed()
    expect(facts).to_be_in_viewport()
