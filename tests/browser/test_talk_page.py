"""The talk page: the panel in a browser tab of its own, without a notebook."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path

import pytest
from bare import until
from conftest import TRACKS
from playwright.sync_api import expect
from scripted import ScriptedSession

import realtime_nb as rt
from realtime_nb.widgets.camera import Camera
from realtime_nb.widgets.panel import VoicePanel, open_page, panel_of


@pytest.fixture
def tab(speaking_browser):
    context = speaking_browser.new_context(viewport={"width": 1000, "height": 700})
    context.add_init_script(TRACKS)
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def opened(monkeypatch):
    """The addresses that a browser was started with."""
    addresses = []

    class Recorder(webbrowser.BaseBrowser):
        def open(self, url, new=0, autoraise=True):
            addresses.append(url)
            return len(addresses) < 3

    monkeypatch.setattr(webbrowser, "_tryorder", ["recorder"])
    monkeypatch.setattr(webbrowser, "_browsers", {"recorder": [None, Recorder()]})
    return addresses


def status(page):
    return page.locator("[data-role=status]")


def test_a_terminal_opens_a_browser_tab_to_talk_in(tab, tmp_path):
    command = [sys.executable, "-m", "realtime_nb.cli.main", "talk", "--live", "--backend", "local", "--out", tmp_path]
    environment = os.environ | {"BROWSER": "true", "PYTHONUNBUFFERED": "1"}
    terminal = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    try:
        tab.goto(terminal.stdout.readline().removeprefix("Talk at ").strip())
        tab.get_by_role("button", name="Connect", exact=True).click()
        expect(tab.locator(".rtnb-user").last).to_contain_text("What time is it?")
        expect(tab.locator(".rtnb-assistant").last).to_contain_text("clock")
        terminal.send_signal(signal.SIGINT)
        said, _ = terminal.communicate(timeout=60)
    finally:
        terminal.kill()
    assert terminal.returncode == 0
    assert "What time is it?" in said and "clock" in said
    expect(status(tab)).to_have_text("This conversation has ended.")
    assert rt.Recording.load(tmp_path / "recording").conversation.replies


def test_a_session_opens_its_page_without_showing_the_token(opened, tab, bare):
    session = ScriptedSession()
    address = open_page(session)
    token = address.rpartition("/")[2].partition("#")[0]
    redirect = Path(opened[0].removeprefix("file://"))
    assert token not in opened[0] and redirect.stat().st_mode & 0o077 == 0
    tab.goto(opened[0])
    tab.wait_for_url("http://127.0.0.1:*/*")
    expect(status(tab)).to_have_text("Not connected")
    panel = panel_of(session)
    assert open_page(session) == address and panel_of(session) is panel
    assert tab.evaluate("innerHeight - document.querySelector('.rtnb-panel').getBoundingClientRect().height") == 0
    assert tab.evaluate("[location.hash, document.documentElement.scrollHeight > innerHeight]") == ["", False]
    with pytest.warns(UserWarning, match="no browser could be started here"):
        open_page(session)


def test_the_tab_takes_the_sound_from_the_notebook_once(bare, visit, tab):
    session = ScriptedSession()
    panel = VoicePanel(session, camera=Camera())
    bare.permissions = "microphone=()"
    notebook = visit()
    expect(notebook.get_by_text("This page may not use the microphone.")).to_be_visible()
    tab.goto(notebook.get_by_role("link", name="Talk in a separate tab").get_attribute("href"))
    expect(status(tab)).to_have_text("Not connected")
    expect(status(notebook)).to_have_text("In use in another window")
    expect(tab.get_by_role("link")).to_have_count(0)
    # What is inside the panel goes with it.
    expect(tab.get_by_role("button", name="● Camera on")).to_be_visible()
    expect(notebook.get_by_role("button", name="Use here")).to_be_visible()
    tab.get_by_role("button", name="Connect", exact=True).click()
    until(lambda: session.audio)
    notebook.get_by_role("button", name="Talk here").click()
    expect(status(tab)).to_have_text("Somebody talks in another window")
    tab.reload()
    expect(status(tab)).to_have_text("Somebody talks in another window")
    assert panel.road == "direct"


def test_without_the_token_there_is_no_page(bare):
    panel = VoicePanel(ScriptedSession())
    door = panel._road.address

    def get(path):
        return urllib.request.urlopen(f"http://127.0.0.1:{door['port']}/{path}", timeout=30)

    for path in ("", "wrong", door["token"][:-1]):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            get(path)
    with get(door["token"]) as answer:
        page, headers = answer.read().decode(), answer.headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store" and headers["Referrer-Policy"] == "no-referrer"
    given = json.loads(page.partition('id="given">')[2].partition("</script>")[0])
    assert given["models"][given["panel"]]["_door"] == door
    panel.close()
    until(lambda: panel._road not in panel._road._server._roads.values())
    with pytest.raises(urllib.error.HTTPError, match="403"):
        get(door["token"])
