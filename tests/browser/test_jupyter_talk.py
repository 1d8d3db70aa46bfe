"""The main job in the real front ends: speak, be heard, hear the answer, keep the record."""

import pytest
from playwright.sync_api import expect

from realtime_nb.conversation.timeline import STEPS

pytestmark = pytest.mark.jupyter

CELLS = (
    "import realtime_nb as rt\nsession = rt.RealtimeSession(backend='local')\npanel = rt.VoicePanel(session)\npanel",
)


WATERFALL = """[
    [(span.name, span.start_ms, span.end_ms) for span in waterfall.steps]
    + [waterfall.clock.offset_ms, waterfall.clock.error_ms]
    for waterfall in rt.timeline(session.conversation).waterfalls
][0]"""
#: Whether the log tells the same when it is folded again.
TOLD_AGAIN = """(lambda again: [again.apply(entry.event, entry.elapsed_ms) for entry in session.log] and
    rt.timeline(again).frame.equals(rt.timeline(session.conversation).frame))(rt.Conversation())"""


def check_waterfall(notebook):
    """Every step from the microphone to the loudspeaker is known; kernel and browser share one clock here."""
    *steps, offset_ms, error_ms = notebook.ask(" ".join(WATERFALL.split()))
    assert abs(offset_ms) <= error_ms < 1_000  # A few ms where nothing else runs.
    assert [name for name, _, _ in steps] == list(STEPS)
    spans = {name: end_ms - start_ms for name, start_ms, end_ms in steps}
    assert steps[0][1] == 0 and 0 <= spans["capture"] <= 21
    assert all(span_ms >= -error_ms - 1 for span_ms in spans.values())
    assert notebook.ask(" ".join(TOLD_AGAIN.split()))
    assert spans["turn detection"] > 300  # The server waits for 500 ms of silence, of which some was in the frames.


def check_fits(notebook):
    """Nothing of the panel is cut off at the side of a phone."""
    right = notebook.panel.evaluate("panel => panel.getBoundingClientRect().right")
    assert 300 < right <= notebook.page.viewport_size["width"]
    assert notebook.panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth")


@pytest.mark.parametrize(("app", "phone"), [("lab", ""), ("notebook", "Pixel 7")])
def test_a_spoken_turn_is_answered_aloud_and_kept(open_notebook, app, phone):
    notebook = open_notebook(*CELLS, app=app, phone=phone)
    notebook.run_all()
    connect = notebook.panel.get_by_role("button", name="Connect", exact=True)
    connect.tap() if phone else connect.click()
    expect(notebook.panel.locator(".rtnb-user")).to_contain_text("What time is it?")
    expect(notebook.panel.locator(".rtnb-assistant")).to_contain_text("clock")
    expect(notebook.panel.locator("[data-role=facts]")).to_contain_text("direct socket")
    notebook.until("session.conversation.replies[-1].done and not panel.playback.busy")
    assert notebook.ask("panel.playback.audible_samples") > 12_000
    check_waterfall(notebook)
    if phone:
        check_fits(notebook)
    expect(notebook.page.locator(".jp-OutputArea img").first).to_be_visible()

    live, record, place = notebook.save()  # The picture comes to its place with the end.
    assert "application/vnd.jupyter.widget-view+json" in live["data"]
    assert "What time is it?" in "".join(record["data"]["text/plain"])
    assert "clock" in "".join(record["data"]["text/html"])
    assert not "".join(place["data"]["text/plain"])

    notebook.panel.get_by_role("button", name="Disconnect").click()
    notebook.panel.get_by_role("button", name="End and keep the record").click()
    expect(notebook.page.locator(".jp-OutputArea").get_by_text("Run this cell again")).to_be_visible()
    expect(notebook.panel).to_have_count(0)
    notebook.until("session.state == 'closed'")
    expect(notebook.page.locator(".jp-RenderedImage img")).to_be_visible()
    note, record, picture = notebook.save()
    assert note["data"].keys() == {"text/plain", "text/html"}
    assert "What time is it?" in "".join(record["data"]["text/plain"])
    assert len(picture["data"]["image/png"]) > 1000
