"""Who has the floor: the file that the audio thread runs, with real voices."""

import functools

import numpy as np
import pytest

import realtime_nb as rt

FRAME = 480  # samples, 20 ms

#: Plays frames of an answer while a microphone hears others; says when it was held, and when it went on.
FLOOR = """async ({ heard, played, rules }) => {
  const { Floor } = await import("/floor.worklet.js");
  const floor = new Floor(24000);
  const queue = { held: false, playing: true, hold() { this.held = true; }, resume() { this.held = false; } };
  Object.assign(floor, rules, { queue });
  const turns = [], muted = [];
  let at = 0;
  heard.forEach((level, n) => {
    const was = queue.held;
    queue.playing = at < played.length;
    const sounds = queue.playing && !was;
    const out = new Float32Array(480).fill(sounds ? played[at++] : 0);
    for (let start = 0; start < 480; start += 120) floor.rendered(out.subarray(start, start + 120), sounds ? 120 : 0);
    floor.hear(typeof level === "number" ? level : level[sounds ? "echo" : "alone"]);
    if (floor.mutes) muted.push(n);
    if (queue.held !== was) turns.push([n, queue.held]);
  });
  return { turns, muted, at };
}"""


@pytest.fixture(scope="module")
def floor(browser):
    from bare import BarePage

    server = BarePage()
    page = browser.new_page()
    page.goto(server.url)

    def run(heard, played, **rules):
        script = {"heard": heard, "played": list(map(float, played)), "rules": {"yields": True, **rules}}
        return page.evaluate(FLOOR, script)

    yield run
    page.close()
    server.close()


@functools.cache
def voice(text, name="marin"):
    """Levels of a spoken sentence, a frame each, its loudest at -17 dB of full scale or so."""
    samples = rt.speak(text, voice=name).resample(24_000).samples
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    levels = np.sqrt(np.mean(frames**2, axis=1))
    return 0.15 * levels / levels.max()


@functools.cache
def answer():
    # espeak-ng's: the neural voice's rises are steeper than what the first 400 ms teach of the echo (3 holds for 1).
    words = "I can tell you the time, add numbers, and answer questions about orders."
    return np.concatenate([voice(words, "coral")] * 3)


def room(n, noise=0.001):
    return noise * np.random.default_rng(1).uniform(0.5, 1.5, n)


def with_voice(at, levels, n=400, noise=0.001):
    heard = room(n, noise)
    heard[at : at + len(levels)] += levels
    return heard


def test_a_person_who_speaks_is_noticed_within_200_ms(floor):
    said = voice("What time is it?", "echo")
    begins = 100 + int(np.argmax(said > 0.02))
    turns = floor(list(with_voice(100, said)), answer())["turns"]
    held_at, held = turns[0]
    assert held and begins <= held_at <= begins + 10


def test_a_cough_loses_nothing_and_costs_half_a_second(floor):
    cough = np.full(10, 0.1)
    result = floor(list(with_voice(100, cough)), answer())
    (held_at, _), (resumed_at, held) = result["turns"]
    assert held_at == 103 and not held
    assert resumed_at - (100 + len(cough)) == pytest.approx(20, abs=1)
    # Nothing of the answer is left out.
    assert result["at"] == 400 - (resumed_at - held_at)


def test_a_key_or_a_click_is_no_onset(floor):
    heard = room(400)
    heard[100:102] = heard[200:203] = 0.3
    assert floor(list(heard), answer())["turns"] == []


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.01, 0.03])
def test_a_room_however_loud_is_no_onset_but_a_voice_above_it_is(floor, noise):
    quiet = [*np.zeros(50), *room(350, noise)]
    assert floor(list(quiet), answer())["turns"] == []
    said = 2.5 * voice("What time is it?", "echo")
    assert floor(list(with_voice(200, said, noise=noise)), answer())["turns"][0][1]


def test_a_sound_that_goes_on_and_is_no_speech_holds_the_answer_once(floor):
    heard = room(800)
    heard[100:] = 0.2
    (_, held), (resumed_at, _) = floor(list(heard), answer())["turns"]
    assert held and resumed_at - 103 <= 201


@pytest.mark.parametrize("gain", [0.001, 0.1, 0.5, 2.0])
@pytest.mark.parametrize("delay", [2, 6, 15])
def test_the_answers_own_echo_holds_it_once_at_most(floor, gain, delay):
    """Without echo cancellation the microphone hears what was played; its first 400 ms teach how loud it comes back."""
    played = answer()
    echo = gain * np.concatenate([np.zeros(delay), played])[: len(played)]
    smeared = np.maximum(echo, 0.5 * np.concatenate([np.zeros(3), echo[:-3]]))
    # While it is held nothing comes back; after it, what comes next, for the length that this test looks at.
    heard = [{"echo": float(level), "alone": 0.001} for level in smeared]
    assert len([1 for _, held in floor(heard, played)["turns"] if held]) <= 1


def test_a_person_is_noticed_over_a_faint_echo(floor):
    played = answer()
    heard = 0.1 * np.concatenate([np.zeros(4), played])[: len(played)]
    said = voice("What time is it?", "echo")
    heard[150 : 150 + len(said)] += said
    held_at, held = floor(list(map(float, heard)), played)["turns"][0]
    assert held and 150 <= held_at < 150 + len(said)


def test_an_answer_that_does_not_yield_or_play_is_not_held(floor):
    heard = list(with_voice(100, voice("What time is it?", "echo")))
    assert floor(heard, answer(), yields=False)["turns"] == []
    assert floor(heard, [])["turns"] == []


def test_half_duplex_is_silent_while_the_answer_sounds_and_a_little_longer(floor):
    result = floor(list(with_voice(60, np.full(30, 0.2), n=200)), answer()[:100], halfDuplex=True)
    assert result["turns"] == []
    assert result["muted"] == list(range(112))
