"""The page's clock in a real browser: its offset from the kernel's is measured, on every road."""

import pytest
from bare import until
from barriers import NO_SOCKETS, NO_WORKER
from playwright.sync_api import expect
from scripted import ScriptedSession

from realtime_nb.loop import call_soon
from realtime_nb.protocol.local_events import ClockAligned, SoundBegan
from realtime_nb.widgets.panel import VoicePanel

#: Sets the clock of a thread of the page: that of sound, which both worklets share, or the carrier's.
SET = "globalThis.trueNow ??= Date.now; Date.now = () => globalThis.trueNow() + {ahead_ms};\n"
#: Keeps the page's main thread from nine tenths of its time.
BUSY = "() => { window.busy = setInterval(() => { const t = Date.now(); while (Date.now() < t + 90); }, 100) }"
CLOCKS = ("carrier.worker.js", "capture.worklet.js", "player.worklet.js")


@pytest.fixture
def talk(bare, visit):
    """Open a panel in a page whose clock is ahead, with sound and microphone on."""

    def open_panel(ahead_ms=0.0, **options):
        session = ScriptedSession()
        panel = VoicePanel(session)
        panel._parts = {
            name: SET.replace("{ahead_ms}", str(ahead_ms)) + text if name in CLOCKS else text
            for name, text in panel._parts.items()
        }
        page = visit(**options)
        until(lambda: panel.road)
        page.get_by_role("button", name="Connect", exact=True).click()
        until(lambda: session.audio and session.conversation.clock)
        return session, panel, page

    return open_panel


@pytest.mark.parametrize("ahead_ms", [0, 5_000, -3_600_000])
def test_the_offset_is_found_within_its_error(talk, ahead_ms):
    # Browser and kernel of this test share one clock, so the true offset is what the page was set to.
    session, _, _ = talk(ahead_ms)
    clock = session.conversation.clock
    assert abs(clock.offset_ms - ahead_ms) <= clock.error_ms
    assert clock.error_ms < 1_000  # A few ms where nothing else runs; much less than it was set off by.


@pytest.mark.parametrize("ahead_ms", [0, 5_000])
def test_sound_comes_with_the_time_of_its_capture(talk, ahead_ms):
    session, _, _ = talk(ahead_ms)
    session.captured.clear()
    until(lambda: len(session.captured) > 50)
    ages = sorted(came_ms - captured_ms for captured_ms, came_ms in session.captured if captured_ms is not None)
    assert len(ages) > 45
    error_ms = session.conversation.clock.error_ms
    assert -error_ms - 1 <= ages[0] and ages[len(ages) // 2] < 1_000  # 20 to 40 ms where nothing else runs.


@pytest.mark.parametrize("ahead_ms", [0, 5_000])
def test_an_answer_begins_to_sound_after_it_came_and_after_its_own_silence(talk, ahead_ms):
    session, panel, _ = talk(ahead_ms)
    session.hear("item-1", "Good morning!")
    came_ms = session.elapsed_ms
    response = session.begin_answer("item-2", "Good morning.", seconds=0.4, silence=0.3, previous="item-1")
    session.end_answer(response, "item-2", "Good morning.")
    until(lambda: sum(isinstance(event, SoundBegan) for event in session.noted) == 2)
    first, sounded = [event for event in session.noted if isinstance(event, SoundBegan)]
    assert (first.audible, sounded.audible) == (False, True)
    assert first.item_id == sounded.item_id == "item-2"
    error_ms = session.conversation.clock.error_ms
    assert came_ms - error_ms - 1 < first.rendered_ms < session.elapsed_ms + error_ms
    # Rendered in batches of a few quanta, each stamped when its batch is made.
    assert sounded.rendered_ms - first.rendered_ms == pytest.approx(300, abs=60)
    assert 0 < first.latency_ms < 500
    timing = session.conversation.reply(response).timing
    # The one that was in force: the page goes on telling the time.
    assert timing.is_played and timing.clock in [event for event in session.noted if isinstance(event, ClockAligned)]
    assert timing.first_audible_ms == pytest.approx(
        sounded.rendered_ms + sounded.latency_ms - timing.origin_ms, abs=0.01
    )
    until(lambda: not panel.playback.busy)


def test_each_item_says_once_that_it_began(talk):
    session, panel, _ = talk()
    for number in (1, 2):
        response = session.begin_answer(f"item-{number}", "Hello.", seconds=0.3)
        session.end_answer(response, f"item-{number}", "Hello.")
    until(lambda: sum(isinstance(event, SoundBegan) for event in session.noted) == 4)
    until(lambda: not panel.playback.busy)
    told = [(event.item_id, event.audible) for event in session.noted if isinstance(event, SoundBegan)]
    assert told == [("item-1", False), ("item-1", True), ("item-2", False), ("item-2", True)]


def test_a_busy_page_does_not_blur_the_clock(talk):
    session, panel, page = talk()
    rounds = len(session.noted)
    page.evaluate(BUSY)
    call_soon(panel.line._clock.align)
    until(lambda: [event for event in session.noted[rounds:] if isinstance(event, ClockAligned)])
    page.evaluate("() => clearInterval(window.busy)")
    assert session.conversation.clock.error_ms < 40


@pytest.mark.parametrize("init", [NO_SOCKETS, NO_WORKER])
def test_every_road_has_a_clock(talk, init):
    session, panel, page = talk(5_000, init=init)
    clock = session.conversation.clock
    assert panel.road == ("comm" if init == NO_SOCKETS else "direct")
    assert abs(clock.offset_ms - 5_000) <= clock.error_ms
    came_ms = session.elapsed_ms
    response = session.begin_answer("item-1", "Hello.", seconds=0.3)
    session.end_answer(response, "item-1", "Hello.")
    until(lambda: session.conversation.reply(response).timing.first_audible_ms is not None)
    until(lambda: not panel.playback.busy)
    timing = session.conversation.reply(response).timing
    assert timing.is_played
    assert came_ms - clock.error_ms < timing.first_audible_ms < session.elapsed_ms + 100
    expect(page.locator(".rtnb-turn")).to_have_text(["AIHello."])
