"""The pure parts of the worklets: the files that the audio thread runs, imported by a page."""

import pytest

QUEUE = """async (script) => {
  const { PlayQueue } = await import("/player.worklet.js");
  const queue = new PlayQueue({ prerollSamples: 4, fadeSamples: 4, watchSamples: 8 });
  const pull = (n) => { const out = new Float32Array(n).fill(9); queue.pull(out); return [...out]; };
  const push = (key, samples, last = false, live = false) => queue.push(key, Float32Array.from(samples), last, live);
  return new Function("queue", "pull", "push", script)(queue, pull, push);
}"""


@pytest.fixture(scope="module")
def queue(browser):
    from bare import BarePage

    server = BarePage()
    page = browser.new_page()
    page.goto(server.url)
    yield lambda script: page.evaluate(QUEUE, script)
    page.close()
    server.close()


def test_nothing_sounds_before_the_preroll_is_there(queue):
    assert queue("push(1, [1, 1, 1]); const a = pull(2); push(1, [1]); return [a, pull(2)]") == [[0, 0], [1, 1]]


def test_a_short_item_starts_without_a_preroll_once_it_is_complete(queue):
    assert queue("push(1, [1, 1], true); return pull(4)") == [1, 1, 0, 0]


def test_samples_come_out_as_they_went_in_across_chunks(queue):
    script = "push(1, [1, 2, 3]); push(1, [4, 5, 6, 7, 8], true); return [...pull(3), ...pull(3), ...pull(3)]"
    assert queue(script) == [1, 2, 3, 4, 5, 6, 7, 8, 0]


def test_items_follow_each_other_without_a_gap(queue):
    assert queue("push(1, [1, 1, 1, 1], true); push(2, [2, 2], true); return pull(7)") == [1, 1, 1, 1, 2, 2, 0]


def test_an_item_without_an_end_does_not_block_the_next(queue):
    assert queue("push(1, [1, 1, 1, 1]); push(2, [2, 2], true); return pull(6)") == [1, 1, 1, 1, 2, 2]


def test_running_dry_fades_counts_and_waits_for_a_preroll(queue):
    script = """push(1, [8, 8, 8, 8]);
      const dry = pull(10); push(1, [8, 8]); const waiting = pull(2); push(1, [8, 8]);
      return { dry, waiting, on: pull(2), underruns: queue.underruns };"""
    assert queue(script) == {
        "dry": [8, 8, 8, 8, 6, 4, 2, 0, 0, 0],
        "waiting": [0, 0],
        "on": [8, 8],
        "underruns": 1,
    }


def test_the_end_of_an_item_is_no_underrun(queue):
    assert queue("push(1, [1, 1, 1, 1], true); pull(9); return [queue.underruns, queue.finished]") == [
        0,
        [{"key": 1, "samples": 4}],
    ]


def test_a_flush_fades_and_reports_what_was_rendered(queue):
    script = """push(1, [8, 8, 8, 8, 8, 8, 8, 8, 8, 8]); push(2, [5, 5]); const before = pull(2);
      const positions = queue.flush(); return { before, positions, after: pull(6), playing: queue.playing };"""
    assert queue(script) == {
        "before": [8, 8],
        "positions": [{"key": 1, "samples": 6}, {"key": 2, "samples": 0}],
        "after": [6, 4, 2, 0, 0, 0],
        "playing": False,
    }


def test_a_flush_before_the_first_sample_reports_zero(queue):
    assert queue("push(1, [8]); return [queue.flush(), pull(2)]") == [[{"key": 1, "samples": 0}], [0, 0]]


def test_what_was_on_its_way_when_flushed_stays_unheard(queue):
    script = (
        "push(2, [8, 8, 8, 8]); queue.flush(); pull(4); push(2, [7, 7], true); push(3, [5, 5], true); return pull(3)"
    )
    assert queue(script) == [5, 5, 0]


def test_frames_are_cut_to_one_length_and_the_rest_is_kept(queue):
    script = """return import("/capture.worklet.js").then(({ FrameCutter }) => {
      const cutter = new FrameCutter(3);
      const cut = (...y) => cutter.push(Float32Array.from(y)).map((f) => [...f]);
      return [cut(1, 2), cut(3, 4, 5, 6, 7), [...cutter.take()], cut(8)];
    });"""
    assert queue(script) == [[], [[1, 2, 3], [4, 5, 6]], [7], []]


def test_loud_samples_are_clipped_not_wrapped(queue):
    script = """return import("/capture.worklet.js").then(({ toPcm16 }) =>
      [...toPcm16(Float32Array.of(0, 1, -1, 2, -2, 0.5, 1 / 32768))]);"""
    assert queue(script) == [0, 32767, -32768, 32767, -32768, 16384, 1]


def test_pcm16_goes_through_both_worklets_unchanged(queue):
    script = """return Promise.all([import("/capture.worklet.js"), import("/player.worklet.js")]).then(([c, p]) => {
      const all = Int16Array.from({ length: 65536 }, (_, i) => i - 32768);
      return c.toPcm16(p.fromPcm16(all)).every((s, i) => s === all[i]);
    });"""
    assert queue(script) is True


def test_an_item_says_where_it_begins_and_where_it_begins_to_sound(queue):
    script = """push(1, [0, 0, 0.0009, 0, 0.0011, 1, 1, 1], true); push(2, [-1, 1], true);
      const seen = [];
      for (let i = 0; i < 4; i++) { pull(3); seen.push(queue.beginnings.splice(0)); }
      return seen;"""
    assert queue(script) == [
        [{"key": 1, "audible": False, "at": 0}],
        [{"key": 1, "audible": True, "at": 1}],
        [{"key": 2, "audible": False, "at": 2}, {"key": 2, "audible": True, "at": 2}],
        [],
    ]


def test_silence_begins_but_never_sounds(queue):
    script = "push(1, [0, 0, 0, 0], true); pull(9); return queue.beginnings"
    assert queue(script) == [{"key": 1, "audible": False, "at": 0}]


def test_what_waits_for_its_preroll_has_not_begun(queue):
    assert queue("push(1, [1, 1, 1]); pull(9); return queue.beginnings") == []


#: Sixteen samples are there before the first is pulled, then as many come as go: half of that is never needed.
LATE = """
  const all = [];
  let next = 0;
  const more = (n) => push(1, Array.from({ length: n }, () => ++next), false, live);
  more(16);
  if (live) pull(1); // It is held back by a quarter of the pre-roll.
  for (let i = 0; i < 6; i++) { all.push(...pull(4)); more(4); }
  const [{ queued, played }] = queue.items;
  return { all, queued, played, behind: next - played, leftOut: queue.leftOut };
"""


def test_a_live_item_leaves_out_what_it_does_not_need_and_counts_it_as_played(queue):
    heard = queue("const live = true;" + LATE)
    # 12 were the least that was queued, 3 may stay: 9 are left out, and 4 are faded over.
    assert heard["all"][:8] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert heard["all"][8:12] == [9 + 9 * step / 4 + n for n, step in enumerate((1, 2, 3, 4))]
    assert heard["all"][12:] == list(range(22, 34))
    assert heard["played"] == 33
    assert heard["queued"] == heard["behind"] == 7
    assert heard["leftOut"] == 9


def test_an_item_that_is_not_live_is_heard_whole_however_late(queue):
    heard = queue("const live = false;" + LATE)
    assert heard["all"] == list(range(1, 25))
    assert heard["queued"] == heard["behind"] == 16
    assert heard["leftOut"] == 0


def test_a_live_item_that_is_on_time_is_heard_whole(queue):
    script = """let all = []; push(1, [1, 2, 3, 4], false, true);
      for (let i = 0; i < 20; i++) { all.push(...pull(2)); push(1, [5 + 2 * i, 6 + 2 * i]); }
      return all"""
    # The two zeros are the quarter of the pre-roll by which it is held back, rendered whole.
    assert queue(script) == [0, 0, *range(1, 39)]


#: A live item whose queue holds 4 samples when 8 more come, until a gap makes it run dry and leaves it with more. A
#: watch is 64 samples; once in each watch, `late` more samples than usual are played before others come.
GAP = """
  queue.prerollSamples = 16;
  queue.watchSamples = 64;
  let next = 0;
  const more = (n) => push(1, Array.from({ length: n }, () => ++next), false, true);
  const left = () => queue.items[0].queued;
  more(16);
  pull(4); // It is held back by a quarter of the pre-roll.
  pull(12);
  for (let i = 0; i < 16; i++) { more(8); pull(8); }
  const before = left();
  pull(40);
  more(40);
  for (let i = 0; i < 16; i++) { pull(8); more(8); }
  const after = left() - 8;
  for (let i = 0; i < 8 * 22; i++) { pull(i % 8 ? 8 : 8 + late); more(i % 8 ? 8 : 8 + late); }
  return { before, after, now: left() - 8, underruns: queue.underruns };
"""


def test_a_live_item_goes_back_to_the_queue_it_began_with_if_it_needs_no_more(queue):
    heard = queue("const late = 0;" + GAP)
    assert heard == {"before": 4, "after": 12, "now": 4, "underruns": 1}


def test_a_live_item_keeps_a_longer_queue_that_it_needs(queue):
    heard = queue("const late = 8;" + GAP)
    assert heard == {"before": 4, "after": 12, "now": 12, "underruns": 1}


def test_a_live_item_that_ran_dry_is_held_back_again(queue):
    script = """push(1, [8, 8, 8, 8], false, true); pull(1); pull(9); push(1, [8, 8, 8, 8]);
      return [pull(1), pull(2), queue.underruns]"""
    assert queue(script) == [[0], [8, 8], 1]


def test_a_pause_fades_keeps_all_and_goes_on_where_it_was(queue):
    script = """push(1, [8, 8, 8, 8, 8, 8, 8, 8, 8, 8], true);
      const before = pull(2); queue.hold(); queue.hold(); const paused = pull(7); const at = queue.items[0].played;
      queue.resume(); return { before, paused, at, after: pull(9), holds: queue.holds, finished: queue.finished };"""
    assert queue(script) == {
        "before": [8, 8],
        "paused": [6, 4, 2, 0, 0, 0, 0],
        "at": 2,
        "after": [2, 4, 6, 8, 8, 8, 8, 8, 0],
        "holds": 1,
        "finished": [{"key": 1, "samples": 10}],
    }


def test_what_is_dropped_in_a_pause_stays_silent_and_the_next_item_plays(queue):
    script = """push(1, [8, 8, 8, 8, 8, 8], true); pull(2); queue.hold(); pull(6);
      const positions = queue.flush(); const silence = pull(4); push(2, [5, 5], true);
      return { positions, silence, next: pull(2) };"""
    assert queue(script) == {"positions": [{"key": 1, "samples": 2}], "silence": [0, 0, 0, 0], "next": [5, 5]}
