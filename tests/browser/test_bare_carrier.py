"""The carrier in a real browser: sound passes a page that is busy, with a worker or, where none is allowed, without."""

import time

import numpy as np
import pytest
from bare import until
from barriers import NO_WORKER

from realtime_nb.media.clip import AudioClip
from realtime_nb.widgets.microphone import Microphone
from realtime_nb.widgets.speaker import Speaker

#: Keeps the page's main thread from everything else; returns when it began and ended.
BLOCK = """() => {
  const began = Date.now();
  while (Date.now() < began + 1500);
  return [began, Date.now()];
}"""

#: A carrier with the test at the page's end of its port, and what it says to the page.
CARRIER = """async (script) => {
  const { carry, packFrame } = await import("/carrier.worker.js");
  const { port1: page, port2: carrier } = new MessageChannel();
  const heard = [];
  page.onmessage = ({ data }) => heard.push(data.comm ? { comm: JSON.parse(data.comm) } : data);
  carry(carrier);
  const sound = (key) => packFrame({ kind: 2, seq: 0, sampleRate: 24000, key, timeMs: 0, samples: Int16Array.of(key) });
  const said = async (count) => {
    while (heard.length < count) await new Promise((go) => setTimeout(go));
    return heard;
  };
  return new (async () => {}).constructor("page", "sound", "said", script)(page, sound, said);
}"""


def workers(page):
    page.evaluate("0")  # Playwright learns of workers only while it waits for something.
    return page.workers


@pytest.fixture
def carrier(bare, visit):
    page = visit()
    return lambda script: page.evaluate(CARRIER, script)


def tone(seconds):
    return AudioClip(0.3 * np.sin(2 * np.pi * 440 * np.arange(round(24_000 * seconds)) / 24_000), 24_000)


def test_frames_pass_a_page_that_is_busy(bare, visit):
    microphone, speaker = Microphone(), Speaker()
    frames, heard = [], []
    take, account = microphone._on_frame, speaker._handlers["played"]
    microphone._on_frame = lambda frame: (frames.append(time.time() * 1000), take(frame))
    speaker._handlers["played"] = lambda message: (heard.append(time.time() * 1000), account(message))
    page = visit()
    page.click("#main")
    until(lambda: microphone.road == speaker.road == "direct")
    assert len(workers(page)) == 2
    microphone.start()
    playing = speaker.play(tone(10))
    until(lambda: len(frames) > 10 and len(heard) > 2)
    began, ended = page.evaluate(BLOCK)
    # A quarter of what is due, frames of 20 ms and reports every 100 ms: none would come if the page had to pass them.
    assert sum(began < at < ended for at in frames) > 18
    assert sum(began < at < ended for at in heard) > 3
    speaker.stop()
    assert 1500 < playing.result(30) < 10_000
    assert speaker.underruns == 0


@pytest.mark.parametrize("page_options", [{"init": NO_WORKER}, {"policy": "worker-src 'none'"}])
def test_without_a_worker_the_page_carries_the_sound(bare, visit, page_options):
    microphone, speaker = Microphone(), Speaker()
    page = visit(**page_options)
    page.click("#main")
    until(lambda: microphone.road == speaker.road == "direct")
    assert workers(page) == []
    assert microphone.record(1.0).result(30).peak > 0.3
    assert speaker.play(tone(0.5)).result(30) == pytest.approx(500, abs=0.1)


def test_a_closed_widget_ends_its_worker(bare, visit):
    microphone = Microphone()
    page = visit()
    until(lambda: microphone.road == "direct")
    (worker,) = workers(page)
    with worker.expect_event("close"):
        microphone.close()


def test_sound_that_comes_first_asks_for_a_player_and_waits_for_it(carrier):
    script = """
      page.postMessage({ take: sound(1) }); page.postMessage({ take: sound(2) });
      await said(1);
      const { port1: player, port2: line } = new MessageChannel();
      const got = [];
      const both = new Promise((done) => (player.onmessage = ({ data }) => got.push(data.key) === 2 && done()));
      page.postMessage({ player: line }, [line]);
      await both;
      return { heard: await said(1), got };
    """
    assert carrier(script) == {"heard": [{"wanted": True}], "got": [1, 2]}


def test_a_flush_without_a_player_drops_what_waits_and_says_that_nothing_was_heard(carrier):
    script = """
      page.postMessage({ take: sound(1) }); page.postMessage({ take: sound(1) }); page.postMessage({ take: sound(3) });
      page.postMessage({ take: JSON.stringify({ kind: "flush" }) });
      return (await said(2))[1].comm;
    """
    message = carrier(script)
    assert message.pop("time_ms") > 0
    assert message == {"kind": "flushed", "positions": [{"key": 1, "samples": 0}, {"key": 3, "samples": 0}]}


def test_the_carrier_itself_says_what_time_it_is(carrier):
    script = """
      const before = Date.now();
      page.postMessage({ take: JSON.stringify({ kind: "clock", sent_ms: 12.5 }) });
      const [{ comm, urgent }] = (await said(1)).map((each) => ({ urgent: true, ...each }));
      return { comm, between: before <= comm.time_ms && comm.time_ms <= Date.now() };
    """
    answer = carrier(script)
    assert answer["between"]
    assert answer["comm"]["kind"] == "clock" and answer["comm"]["sent_ms"] == 12.5


def test_a_shut_gate_drops_frames_but_not_what_else_the_microphone_says(carrier):
    script = """
      const { port1: microphone, port2: line } = new MessageChannel();
      page.postMessage({ gate: false });
      page.postMessage({ capture: line }, [line]);
      microphone.postMessage({ samples: Int16Array.of(1), sampleRate: 24000, timeMs: 0 });
      microphone.postMessage({ kind: "stopped" });
      return said(1);
    """
    assert carrier(script) == [{"comm": {"kind": "stopped"}}]
