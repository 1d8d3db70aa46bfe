"""A real JupyterHub with its proxy, over https: log in, be given a server, talk through jupyter-server-proxy."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import chromium_with
from install_hosts import HOSTS
from lab import OpenNotebook
from playwright.sync_api import expect
from test_hosts import free_port, write_notebook

PROXY = HOSTS / "node_modules" / ".bin" / "configurable-http-proxy"
HOST = "hub.example.org"

pytestmark = [
    pytest.mark.jupyter,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not PROXY.exists(), reason="no JupyterHub: run python tests/browser/install_hosts.py"),
]

CONFIG = """
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.DummyAuthenticator.password = "open sesame"
c.JupyterHub.spawner_class = "simple"
c.Spawner.cmd = [{python!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root", "--LabApp.expose_app_in_browser=True"]
c.Spawner.environment = {environment!r}
c.Spawner.notebook_dir = {folder!r}
c.Spawner.start_timeout = c.Spawner.http_timeout = 60
c.SimpleLocalProcessSpawner.home_dir_template = {home!r}
c.JupyterHub.bind_url = "https://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.JupyterHub.ssl_cert, c.JupyterHub.ssl_key = "certificate.pem", "key.pem"
c.JupyterHub.cleanup_servers = True
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    making = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}"]
    subprocess.run(
        [*making, "-out", "certificate.pem", "-keyout", "key.pem"], cwd=folder, check=True, capture_output=True
    )
    environment = {
        "PYTHONPATH": str(HOSTS.parent),
        "JUPYTER_PATH": f"{sys.prefix}/share/jupyter",
        "JUPYTER_CONFIG_PATH": f"{sys.prefix}/etc/jupyter",
    }
    port, hub_port, api_port = free_port(), free_port(), free_port()
    python = str(HOSTS / "bin" / "python")
    (folder / "config.py").write_text(
        CONFIG.format(
            **{"python": python, "environment": environment, "folder": str(folder), "proxy": str(PROXY)},
            **{"home": str(folder / "{username}"), "port": port, "hub_port": hub_port, "api_port": api_port},
        )
    )
    write_notebook(folder)
    with (folder / "hub.log").open("w") as log:
        command = [python, "-m", "jupyterhub", "-f", "config.py"]
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=os.environ | environment
        )
    deadline = time.monotonic() + 60
    while "JupyterHub is now running" not in (folder / "hub.log").read_text():
        if time.monotonic() > deadline or process.poll() is not None:
            process.kill()
            pytest.fail((folder / "hub.log").read_text()[-4000:])
        time.sleep(0.05)
    yield SimpleNamespace(url=f"https://{HOST}:{port}", folder=folder)
    process.terminate()
    process.wait(90)  # It ends its users' servers first.


@pytest.fixture
def browser(playwright, spoken_file):
    running = chromium_with(playwright, Path(f"{spoken_file}%noloop"), f"--host-resolver-rules=MAP {HOST} 127.0.0.1")
    yield running
    running.close()


def logged_in(browser, hub, name, wanted, arrives):
    """Return a page of a person who logs in, and wants one path and arrives at another."""
    page = browser.new_context(ignore_https_errors=True).new_page()
    page.goto(f"{hub.url}/hub/login?next={wanted}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill("open sesame")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{hub.url}{arrives}**", timeout=90_000)
    return page


def test_a_user_talks_through_the_hub_and_others_do_not_reach_it(hub, browser):
    page = logged_in(browser, hub, "ann", "/hub/spawn", "/user/ann/")
    notebook = OpenNotebook(page, SimpleNamespace(url=f"{hub.url}/user/ann/"), hub.folder / "talk.ipynb")
    notebook.run_cell(0)
    notebook.panel.get_by_role("button", name="Connect", exact=True).click()
    expect(notebook.panel.locator(".rtnb-user").first).to_contain_text("What time is it?")
    expect(notebook.panel.locator(".rtnb-assistant").first).to_contain_text("clock")
    expect(notebook.panel.locator("[data-role=facts]")).to_contain_text("Jupyter's proxy")
    notebook.until("not panel.playback.busy and panel.playback.audible_samples > 12_000")
    door = notebook.ask("panel._door")

    bob = logged_in(browser, hub, "bob", "/hub/home", "/hub/home")
    for path in ("api/contents", f"proxy/{door['port']}/{door['token']}"):
        answer = bob.goto(f"{hub.url}/user/ann/{path}")
        assert answer.status == 403, (path, answer.status, answer.url)
