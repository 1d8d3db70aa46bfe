"""As on a Hub or on Binder: https, a host that is not the reader's machine, a base URL, the microphone by the proxy."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import chromium_with
from lab import JupyterServer, OpenNotebook
from playwright.sync_api import expect

pytestmark = pytest.mark.jupyter

HOST = "hub.example.org"
FIRST = Path(__file__).parents[2] / "notebooks" / "00_start_here.ipynb"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("hub")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    making = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}"]
    subprocess.run([*making, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    server = JupyterServer(
        tmp_path / "hub",
        f"--ServerApp.certfile={certificate}",
        f"--ServerApp.keyfile={key}",
        "--ServerApp.base_url=/user/reader/",
        "--ServerApp.allow_remote_access=True",
    )
    server.url = re.sub(r"//[^:/]+", f"//{HOST}", server.url)
    yield server
    server.close()


@pytest.fixture
def page(playwright, spoken_file):
    browser = chromium_with(playwright, Path(f"{spoken_file}%noloop"), f"--host-resolver-rules=MAP {HOST} 127.0.0.1")
    yield browser.new_context(ignore_https_errors=True).new_page()
    browser.close()


def test_the_first_tutorial_hears_and_answers_over_https(hub, page):
    shutil.copy(FIRST, hub.notebooks)
    notebook = OpenNotebook(page, hub, hub.notebooks / FIRST.name)
    assert page.evaluate("() => [location.protocol, location.hostname, isSecureContext]") == ["https:", HOST, True]
    notebook.run_all()
    # A cell has connected the session before.
    notebook.panel.get_by_role("button", name="Turn on microphone").click(timeout=60_000)
    expect(notebook.panel.locator("[data-role=facts]")).to_contain_text("Jupyter's proxy")
    expect(notebook.panel.locator(".rtnb-user").last).to_contain_text("What time is it?")
    expect(notebook.panel.locator(".rtnb-assistant").last).to_contain_text("clock")
    notebook.until("session.conversation.replies[-1].done")


def test_a_kernel_that_is_busy_when_the_panel_comes_is_reached_by_the_proxy_later(hub, page):
    panel = "import realtime_nb as rt\npanel = rt.VoicePanel(rt.RealtimeSession())\npanel"
    notebook = OpenNotebook(page, hub, hub.write("busy.ipynb", panel, "import time\ntime.sleep(1.5)"))
    notebook.run_all()
    expect(notebook.panel.locator("[data-role=facts]")).to_contain_text("Jupyter's proxy")
    assert notebook.ask("panel.road") == "proxy"
