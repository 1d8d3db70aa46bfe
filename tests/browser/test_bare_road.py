"""The road's JavaScript in a real browser: which way it takes, and what happens when the way is lost."""

import pytest
from bare import until
from barriers import NO_SOCKETS
from conftest import TRACKS
from playwright.sync_api import expect
from scripted import ScriptedSession

from realtime_nb.loop import call_soon
from realtime_nb.widgets.microphone import Microphone
from realtime_nb.widgets.panel import VoicePanel
from realtime_nb.widgets.road import FROM_MICROPHONE, Frame

#: Jupyter's own word for where it lives, on a page that is not on loopback.
ROADS = """async ([page, baseUrl]) => {
  const { socketRoads } = await import("/road.js");
  return socketRoads({ port: 5, token: "t" }, new URL(page), baseUrl).map(({ road, url }) => `${road} ${url}`);
}"""


@pytest.fixture
def microphone(bare):
    return Microphone()


def words(page):
    return page.locator("[data-role=road]")


@pytest.mark.parametrize(
    ("page_url", "base_url", "roads"),
    [
        ("http://localhost:8888/lab", "/", ["direct ws://127.0.0.1:5/t", "proxy ws://localhost:8888/proxy/5/t"]),
        ("http://[::1]:8888/lab", None, ["direct ws://127.0.0.1:5/t"]),
        ("https://hub.example/user/ann/lab", "/user/ann/", ["proxy wss://hub.example/user/ann/proxy/5/t"]),
        ("vscode-webview://abc/", None, []),
    ],
)
def test_the_roads_to_try_follow_from_the_page(microphone, visit, page_url, base_url, roads):
    assert visit().evaluate(ROADS, [page_url, base_url]) == roads


def test_frames_of_the_browser_and_of_python_are_the_same(microphone, visit):
    packed = visit().evaluate(
        """async () => {
          const { packFrame, unpackFrame } = await import("/carrier.worker.js");
          const samples = Int16Array.of(1, -2);
          const frame = { kind: 1, seq: 4294967295, sampleRate: 44100, key: 9, timeMs: 1.5, samples };
          const back = unpackFrame(packFrame(frame));
          return { bytes: [...new Uint8Array(packFrame(frame))], back: { ...back, samples: [...back.samples] } };
        }"""
    )
    frame = Frame(b"\x01\x00\xfe\xff", 44_100, key=9, seq=2**32 - 1, time_ms=1.5, kind=FROM_MICROPHONE)
    assert bytes(packed["bytes"]) == frame.encode()
    assert packed["back"] == {
        "kind": 1,
        "last": False,
        "live": False,
        "seq": 2**32 - 1,
        "sampleRate": 44_100,
        "key": 9,
        "timeMs": 1.5,
        "samples": [1, -2],
    }


def test_without_sockets_the_comm_carries_ten_bundles_a_second(microphone, visit, bare):
    page = visit(NO_SOCKETS)
    until(lambda: microphone.road == "comm")
    expect(words(page)).to_have_text("Audio: widget messages (slower)")
    before = bare.upstream_messages
    clip = microphone.record(2.0).result(30)
    assert clip.peak > 0.3
    assert bare.upstream_messages - before < 2 * 12 + 10


def test_on_the_comm_nothing_is_lost_while_the_kernel_is_busy(microphone, visit, bare):
    page = visit(NO_SOCKETS)
    until(lambda: microphone.road == "comm")
    seqs = []
    take = microphone._on_frame
    microphone._on_frame = lambda frame: (seqs.append(frame.seq), take(frame))
    pending = microphone.record(5.0)
    until(lambda: len(seqs) > 25)
    bare.block()
    expect(words(page)).to_contain_text("The kernel is busy")
    held_from = len(seqs)
    bare.unblock()
    assert pending.result(30).duration_s == 5.0
    assert len(seqs) > held_from
    assert seqs == list(range(len(seqs)))
    expect(words(page)).to_have_text("Audio: widget messages (slower)")


def test_a_kernel_that_does_not_answer_is_said_to_be_busy_or_gone(microphone, visit, bare):
    page = visit(NO_SOCKETS + "window.deaf = true;")
    expect(words(page)).to_contain_text("does not answer")
    page.evaluate("window.deaf = false")
    expect(words(page)).to_have_text("Audio: widget messages (slower)")


@pytest.mark.parametrize("takes_back", [False, True], ids=["new", "taken back"])
def test_a_choice_that_crosses_the_kernels_greeting_counts(bare, visit, takes_back):
    panel = VoicePanel(ScriptedSession())
    send, greeting = panel._road.send, []

    def hold(message, *, urgent=False):
        is_greeting = isinstance(message, dict) and message["kind"] == "shared"
        greeting.append(message) if is_greeting else send(message, urgent=urgent)

    if takes_back:  # The sound, from another page.
        page = visit(TRACKS)
        until(lambda: panel.road == "direct")
        visit(TRACKS).get_by_role("button", name="Talk here").click()
        expect(page.get_by_role("button", name="Talk here")).to_be_visible()
    panel._road.send = hold
    if takes_back:
        page.get_by_role("button", name="Talk here").click()
    else:
        page = visit(TRACKS)
    page.get_by_text("Hold to talk").first.click()
    until(lambda: not panel.hands_free)
    del panel._road.send
    for message in greeting:
        send(message, urgent=True)
    assert {"kind": "shared", "name": "hands_free", "value": True} in greeting
    panel.error = "The greeting is over."
    expect(page.get_by_text("The greeting is over.")).to_be_visible()
    expect(page.get_by_role("radio", name="Hold to talk")).to_be_checked()
    panel.hands_free = True  # From then on the last one counts.
    expect(page.get_by_role("radio", name="Hands-free")).to_be_checked()


def test_a_lost_socket_is_opened_again(microphone, visit):
    visit()
    until(lambda: microphone.road == "direct")
    roads = []
    microphone.observe(lambda change: roads.append(change["new"]), "road")
    call_soon(microphone._road._holding.connection.transport.abort)
    until(lambda: roads == ["", "direct"])
    assert microphone.record(0.5).result(30).duration_s == 0.5


def test_a_closed_widget_lets_go_of_the_microphone(microphone, visit):
    page = visit(TRACKS)
    microphone.start()
    until(lambda: microphone.level > 0)
    microphone.close()
    page.wait_for_function("window.tracks.length === 1 && window.tracks[0].readyState === 'ended'")
