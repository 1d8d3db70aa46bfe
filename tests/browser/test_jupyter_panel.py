"""What only a real front end shows: its proxy, its keys, its reloads, its other widgets."""

import pytest
from barriers import NO_LOOPBACK_PORT
from playwright.sync_api import expect

pytestmark = pytest.mark.jupyter

SETUP = """
import realtime_nb as rt
session = rt.RealtimeSession(backend="local")
panel = rt.VoicePanel(session)
panel
"""


def test_where_the_port_is_out_of_reach_jupyters_proxy_carries_the_sound(open_notebook):
    notebook = open_notebook(SETUP, init=NO_LOOPBACK_PORT)
    notebook.run_all()
    notebook.panel.get_by_role("button", name="Connect", exact=True).click()
    expect(notebook.panel.locator("[data-role=facts]")).to_contain_text("Jupyter's proxy")
    expect(notebook.panel.locator(".rtnb-assistant")).to_contain_text("clock")
    notebook.until("panel.playback.audible_samples > 12_000")
    assert notebook.ask("panel.road") == "proxy"


def test_keys_in_the_panel_do_not_reach_the_notebook(open_notebook):
    notebook = open_notebook(SETUP, "1")
    notebook.run_cell(0)
    panel = notebook.panel
    # Before it is opened: hands-free, the microphone's own sentence would be a turn on a machine that is slow here.
    panel.get_by_text("Hold to talk").first.click()
    panel.get_by_role("button", name="Connect", exact=True).click()
    expect(panel.get_by_role("button", name="Disconnect")).to_be_visible()
    panel.locator(".rtnb-log").focus()
    for key in ["a", "b", "x", "d", "d", "Escape", "m"]:
        notebook.page.keyboard.press(key)
    notebook.page.keyboard.down(" ")
    expect(panel.locator("[data-role=hold]")).to_have_attribute("aria-pressed", "true")
    notebook.page.keyboard.up(" ")
    expect(panel.locator("[data-role=hold]")).to_have_attribute("aria-pressed", "false")
    cells = notebook.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells")
    assert [cell["cell_type"] for cell in cells] == ["code", "code"]
    panel.get_by_label("Type a message").fill("abx")
    notebook.page.keyboard.press("Enter")
    # What was heard while the space bar was down may be a turn as well.
    expect(panel.locator(".rtnb-user").filter(has_text="abx")).to_have_text("Youabx")


def test_a_reload_of_the_page_does_not_cut_the_line(open_notebook):
    notebook = open_notebook(SETUP)
    notebook.run_all()
    panel = notebook.panel
    panel.get_by_role("button", name="Connect", exact=True).click()
    expect(panel.locator(".rtnb-assistant")).to_contain_text("clock")
    notebook.save()
    notebook.reload()
    expect(panel.locator(".rtnb-user")).to_contain_text("What time is it?")
    expect(panel.locator("[data-role=status]")).to_have_text("Connected, microphone off")
    assert notebook.ask("session.state") == "open"
    panel.get_by_role("button", name="Turn on microphone").click()
    expect(panel.locator(".rtnb-assistant")).to_have_count(2)
    notebook.until("not panel.playback.busy")
    assert notebook.ask("panel.playback.audible_samples") > 12_000


def test_a_scope_of_its_own_shows_what_another_widget_plays(open_notebook):
    notebook = open_notebook(
        """
import realtime_nb as rt
speaker = rt.Speaker()
speaker
""",
        "rt.Scope(speaker)",
    )
    notebook.run_all()
    notebook.until("speaker.road")
    notebook.page.locator(".rtnb-speaker").click()
    canvas = notebook.page.locator(".rtnb-scope canvas")
    expect(canvas).to_have_count(1)
    empty = canvas.evaluate("canvas => canvas.toDataURL()")
    notebook.ask("speaker.play(rt.speak('What can you do?')) and None")
    notebook.page.wait_for_function(
        "empty => document.querySelector('.rtnb-scope canvas').toDataURL() !== empty", arg=empty, timeout=20_000
    )


def test_a_stream_of_ipywebrtc_is_a_source(open_notebook):
    notebook = open_notebook(
        """
import ipywebrtc
import numpy as np
import realtime_nb as rt
t = np.arange(5 * 44_100) / 44_100
tone = rt.AudioClip(0.5 * np.sin(2 * np.pi * 660 * t), 44_100).save("tone.wav")
stream = ipywebrtc.AudioStream.from_file(str(tone), playing=True)
microphone = rt.Microphone(stream)
microphone
"""
    )
    notebook.run_all()
    notebook.page.locator(".rtnb-microphone").get_by_text("● Record").click()
    notebook.until("microphone.clip.duration_s > 1.5")
    hz = "(lambda y: np.argmax(np.abs(np.fft.rfft(y[-24_000:]))))(microphone.clip.samples)"
    assert abs(notebook.ask(f"float({hz})") - 660) < 3
