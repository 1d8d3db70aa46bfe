"""A turn spoken while a cell blocks the kernel's main thread, on the kernels that treat comms differently."""

import pytest
from barriers import NO_SOCKETS
from playwright.sync_api import expect

# A reply that the kernel lost says nothing about the road; the test is then done once more in a notebook of its own.
pytestmark = [pytest.mark.jupyter, pytest.mark.flaky(reruns=1, only_rerun=["TimeoutError"])]

SETUP = """
import time
import ipykernel
import realtime_nb as rt

session = rt.RealtimeSession(backend="local")
session.connect().result(30)
panel = rt.VoicePanel(session)
frames, audible = [], []
on_frame, on_played = panel.line.on_frame, panel._handlers["played"]

def note_frame(frame):
    frames.append((time.time(), frame.seq))
    on_frame(frame)

def note_played(message):
    audible.append((time.time(), message["audible"]))
    on_played(message)

panel.line.on_frame = note_frame
panel._handlers["played"] = note_played
panel
"""

BUSY = """
began = time.time()
time.sleep(5)
ended = time.time()
"""

#: It ends when the answer is heard, which takes longer on a busy machine, or after a minute.
BUSY_UNTIL_HEARD = """
began = time.time()
while time.time() < began + (60 if max((n for _, n in audible), default=0) <= 2_400 else 5):
    time.sleep(0.1)
ended = time.time()
"""

#: Longest pause between frames while the cell slept, in seconds.
LONGEST_GAP = "max(b[0] - a[0] for a, b in zip(frames, frames[1:]) if began <= b[0] and a[0] <= ended)"


def speak_while_busy(notebook):
    """Let the person's sentence fall into the cell; return when the answer has been heard."""
    notebook.run_cell(0)
    panel = notebook.panel
    panel.get_by_role("button", name="Turn on microphone").click()
    notebook.until("len(frames) > 200")  # Four of the six seconds before the sentence.
    notebook.run_cell(1)
    expect(panel.locator(".rtnb-user")).to_contain_text("What time is it?")
    expect(panel.locator(".rtnb-assistant")).to_contain_text("clock")
    notebook.until("'ended' in globals() and session.conversation.replies[-1].done and not panel.playback.busy")
    order = notebook.ask("[seq for _, seq in frames]")
    assert order == list(range(len(order)))
    assert notebook.ask("panel.playback.audible_samples") > 12_000
    assert notebook.ask("panel.error") == ""


@pytest.mark.parametrize("version", ["6.30.1", "7.3.0", "7.4.0"])
def test_over_the_bridge_nothing_stalls(open_notebook, version):
    notebook = open_notebook(SETUP, BUSY_UNTIL_HEARD, kernel=f"ipykernel-{version}")
    speak_while_busy(notebook)
    assert notebook.ask("ipykernel.__version__") == version
    assert notebook.ask("panel.road") == "direct"
    assert notebook.ask(LONGEST_GAP) < 3  # The cell slept 5 s or more. 0.1 s where nothing else runs.
    # The answer was heard while the cell still slept.
    assert notebook.ask("max((n for at, n in audible if at < ended), default=0)") > 2_400


@pytest.mark.parametrize("version", ["6.30.1", "7.3.0", "7.4.0"])
def test_over_the_comm_nothing_is_lost(open_notebook, version):
    notebook = open_notebook(SETUP, BUSY, kernel=f"ipykernel-{version}", init=NO_SOCKETS)
    speak_while_busy(notebook)
    assert notebook.ask("ipykernel.__version__") == version
    assert notebook.ask("panel.road") == "comm"
    gap_s = notebook.ask(LONGEST_GAP)
    if version == "6.30.1":
        assert gap_s > 3  # This kernel takes no message while a cell runs.
    else:
        assert gap_s < 3
