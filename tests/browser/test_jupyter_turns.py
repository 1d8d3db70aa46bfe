"""In JupyterLab: a turn is edited, asked again and taken out, and a film from a file is shown."""

import pytest
from playwright.sync_api import expect
from test_jupyter_camera import film

pytestmark = pytest.mark.jupyter


def test_turns_are_changed_and_pictures_shown_from_the_panel(open_notebook, tmp_path):
    notebook = open_notebook(
        "import realtime_nb as rt\nfrom ipywebrtc import VideoStream\n"
        "session = rt.RealtimeSession(backend='local', turn_detection=None)\n"
        f"stream = VideoStream.from_file({str(film(tmp_path / 'film.webm'))!r})\n"
        "panel = rt.VoicePanel(session, camera=stream)\npanel",
        "1",
    )
    notebook.run_cell(0)
    panel, keyboard = notebook.panel, notebook.page.keyboard
    panel.get_by_label("Type a message").fill("What is two plus three?")
    keyboard.press("Enter")
    turns = panel.locator(".rtnb-turn")
    expect(turns.nth(1)).to_have_text("AI2 plus 3 is 5.")
    # An answer of which nothing was heard would stay in the record.
    notebook.until("(session.conversation.turns[-1].played_ms or 0) > 0")

    panel.locator(".rtnb-log").focus()
    for key in ("Tab", "ArrowUp", "Enter"):
        keyboard.press(key)
    panel.get_by_label("What you said").fill("What is two plus five?")
    keyboard.press("Control+Enter")  # In a notebook this runs the cell; here it saves and asks.
    expect(turns).to_have_text(["YouWhat is two plus five?(edited)", "AI2 plus 5 is 7."])
    turns.nth(1).hover()
    turns.nth(1).locator("[data-choice=rerun]").click()
    notebook.until("len(session.conversation.replies) == 3 and session.conversation.replies[-1].done")
    expect(turns).to_have_count(2)
    turns.nth(1).locator("[data-choice=delete]").click()
    expect(turns).to_have_text(["YouWhat is two plus five?(edited)"])

    panel.get_by_label("Type a message").fill("What is this?")
    panel.get_by_role("button", name="Ask about it").click()
    expect(turns.nth(2)).to_contain_text("Your picture is 320 by 240 pixels and all red.")
    expect(turns.nth(1).get_by_role("img")).to_be_visible()
    panel.get_by_label("Keep showing").check()
    expect(turns.nth(3).get_by_role("img")).to_be_visible()
    expect(panel.locator(".rtnb-seeing video")).to_be_visible()
    panel.get_by_label("Keep showing").click()  # Not `uncheck`: a report that is under way can tick it once more.
    expect(panel.get_by_label("Keep showing")).not_to_be_checked()
    notebook.until("not panel.camera.active")
    assert notebook.ask("In[-1] == In[1]")  # No key has run a cell.
    assert notebook.ask("panel.error") == ""
