import asyncio
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_nb.local.recognition.turn_detection import (
    LONGEST_TURN_S,
    Pausing,
    Quiet,
    SpeechStarted,
    SpeechStopped,
    TurnDetector,
    TurnEvent,
)
from realtime_nb.local.recognition.voice_activity import VoiceActivity
from realtime_nb.local.synthesis.synthesizer import Synthesizer

FRAME_MS = 32
FRAME = bytes(48 * FRAME_MS)
SENTENCES = ["Hello, how are you today?", "Set a timer for ten minutes.", "Stop.", "What is the weather in Paris?"]


class Script:
    """Probabilities as written: a letter for each frame, s is speech."""

    engine = "script"

    def __init__(self, frames: str):
        self._frames = iter(frames)

    def probability(self, frame: bytes) -> float:
        return {"s": 0.9, ".": 0.0, "?": 0.4}[next(self._frames, ".")]


def follow(frames: str, settings: dict | None = None, **options) -> tuple[TurnDetector, list[TurnEvent]]:
    detector = TurnDetector(settings or {}, activity=Script(frames), **options)
    events = detector.feed(bytes(48))  # a frame is out 1 ms after its last sample
    for _ in frames:
        events += detector.feed(FRAME)
    return detector, events


def kinds(events: list[TurnEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


# Timing, with activity as written.


def test_a_turn_begins_with_its_padding_and_ends_with_its_silence():
    _, events = follow("." * 20 + "s" * 20 + "." * 20)
    started, quiet, stopped = events
    assert started == SpeechStarted(20 * FRAME_MS - 300)
    assert isinstance(quiet, Quiet)
    # The detector takes the end of speech to be a frame before it shows.
    end_ms = 40 * FRAME_MS - 32
    assert (stopped.audio_start_ms, stopped.audio_end_ms) == (started.audio_start_ms, end_ms + 500)
    assert len(stopped.pcm) == 48 * (stopped.audio_end_ms - stopped.audio_start_ms)


def test_the_padding_does_not_reach_before_the_beginning_or_into_the_turn_before():
    _, events = follow("...sss" + "." * 16 + "ssss" + "." * 30)
    starts = [event.audio_start_ms for event in events if isinstance(event, SpeechStarted)]
    stops = [event.audio_end_ms for event in events if isinstance(event, SpeechStopped)]
    assert starts[0] == 0
    assert starts[1] == stops[0]


def test_times_go_on_from_audio_that_came_before():
    _, events = follow("." * 20 + "sss" + "." * 20, elapsed_ms=10_000)
    assert events[0] == SpeechStarted(10_000 + 20 * FRAME_MS - 300)


def test_a_click_is_no_turn():
    assert follow("..s.......s.s...")[1] == []


@pytest.mark.parametrize("silence_ms", [0, 32, 100, 200, 300, 500, 1000])
def test_the_silence_is_as_long_as_asked(silence_ms):
    _, events = follow("." * 10 + "s" * 10 + "." * 60, {"silence_duration_ms": silence_ms})
    stopped = events[-1]
    assert isinstance(stopped, SpeechStopped)
    assert stopped.audio_end_ms == 20 * FRAME_MS - 32 + silence_ms


@pytest.mark.parametrize(("frames", "turns"), [("ssss" + "." * 10 + "ssss", 1), ("ssss" + "." * 16 + "ssss", 2)])
def test_shorter_silence_than_asked_does_not_end_a_turn(frames, turns):
    _, events = follow(frames + "." * 30)
    assert kinds(events).count("SpeechStopped") == turns


def test_the_threshold_counts():
    frames = "." * 5 + "?" * 20 + "." * 30
    assert follow(frames, {"threshold": 0.5})[1] == []
    assert kinds(follow(frames, {"threshold": 0.3})[1]) == ["SpeechStarted", "Quiet", "SpeechStopped"]


def test_a_guess_may_begin_in_the_silence_and_is_void_when_speech_resumes():
    _, events = follow("." * 5 + "s" * 10 + "." * 10 + "s" * 5 + "." * 30)
    assert kinds(events) == ["SpeechStarted", "Quiet", "Speaking", "Quiet", "SpeechStopped"]
    first, second, stopped = events[1], events[3], events[4]
    assert second.pcm16k == stopped.pcm16k
    assert len(first.pcm16k) < len(second.pcm16k)
    assert stopped.pcm.startswith(second.pcm[: 48 * 500])


def test_the_guess_begins_early_enough_in_short_silences():
    _, events = follow("." * 5 + "s" * 10 + "." * 20, {"silence_duration_ms": 200})
    quiet, stopped = events[1:]
    assert isinstance(quiet, Quiet)
    assert len(quiet.pcm) < len(stopped.pcm) - 48 * 60


def test_the_recogniser_does_not_get_the_silence():
    _, events = follow("." * 10 + "s" * 10 + "." * 60, {"silence_duration_ms": 1500})
    stopped = events[-1]
    assert len(stopped.pcm16k) / 32 < len(stopped.pcm) / 48 - 1200


def test_a_turn_without_end_is_cut_and_memory_is_bounded():
    frames = "." * 5 + "s" * (2 * LONGEST_TURN_S * 1000 // FRAME_MS)
    detector, events = follow(frames)
    assert kinds(events) == ["SpeechStarted", "SpeechStopped", "SpeechStarted", "SpeechStopped", "SpeechStarted"]
    assert [event.audio_start_ms for event in events[2::2]] == [event.audio_end_ms for event in events[1::2]]
    assert len(detector.utterance) < 48 * 1000 * LONGEST_TURN_S
    silent, _ = follow("." * 4000)
    assert len(silent._sound._pcm) < 48 * 3000
    assert len(silent._sound16k._pcm) < 32 * 3000


def test_the_utterance_so_far_can_be_had_and_forgotten():
    detector, _ = follow("." * 10 + "s" * 10)
    assert detector.is_speaking
    assert len(detector.utterance) == 48 * (1 + 20 * FRAME_MS - (10 * FRAME_MS - 300))
    detector.clear()
    assert not detector.is_speaking
    assert detector.utterance == b""
    detector._activity = Script("ss" + "." * 20)
    events = [event for _ in range(22) for event in detector.feed(FRAME)]
    assert events[0] == SpeechStarted(20 * FRAME_MS + 1)  # nothing of what was forgotten comes back
    assert kinds(events)[-1] == "SpeechStopped"


def test_settings_may_change_within_a_turn():
    detector, events = follow("." * 5 + "s" * 10 + "." * 4)
    assert kinds(events) == ["SpeechStarted", "Quiet"]
    detector.configure({"silence_duration_ms": 128})
    assert kinds(detector.feed(FRAME)) == ["SpeechStopped"]


# Semantic turns.

SEMANTIC = {"type": "semantic_vad"}
SPOKEN = "." * 5 + "s" * 30  # almost a second
END_MS = 35 * FRAME_MS - 32


def semantic(
    eagerness: str, words: str | None, probability: float | None = None, *, frames: str = SPOKEN
) -> tuple[int, int]:
    """Return the silence in ms that ended a turn, and how often the network was asked.

    The words are there at once, the network's answer a frame after it was asked.
    """
    detector = TurnDetector({**SEMANTIC, "eagerness": eagerness}, activity=Script(frames))
    end_ms, asked, waits = len(frames) * FRAME_MS - 32, 0, False
    events = detector.feed(bytes(48))
    for _ in range(len(frames) + 300):
        if waits:
            events += detector.judge(probability)
            waits = False
        events += detector.feed(FRAME)
        while events:
            event = events.pop(0)
            if isinstance(event, Quiet) and words is not None:
                events += detector.hint(words, is_written=words != words.lower())
            elif isinstance(event, Pausing):
                asked, waits = asked + 1, True
            elif isinstance(event, SpeechStopped):
                return event.audio_end_ms - end_ms, asked
    raise AssertionError("the turn did not end")


@pytest.mark.parametrize(
    ("words", "probability", "silence_ms", "asked"),
    [
        ("What time is it?", 0.9, 320, 1),
        ("What time is it?", 0.1, 1632, 1),
        ("What time is it?", None, 320, 1),  # there is no network
        ("What time is", 0.9, 1632, 0),  # its answer would make no difference
        ("", 0.9, 1632, 0),
        ("turn on the", 0.9, 3335, 0),
        (None, 0.9, 1632, 1),
    ],
)
def test_a_turn_ends_soon_where_words_and_sound_agree(words, probability, silence_ms, asked):
    assert semantic("auto", words, probability) == (silence_ms, asked)


def test_a_short_turn_waits_unless_its_words_stand_alone():
    short = "." * 5 + "s" * 10
    assert semantic("high", "Banana.", 0.9, frames=short) == (736, 0)
    assert semantic("high", "Yes.", 0.9, frames=short) == (320, 1)


def test_the_speech_of_a_turn_is_what_is_said_and_not_its_pauses():
    assert semantic("high", "Ten. Ten.", 0.9, frames="." * 5 + "s" * 10 + "." * 20 + "s" * 10) == (736, 0)
    assert semantic("high", "Ten. Ten.", 0.9, frames="." * 5 + "s" * 10 + "." * 20 + "s" * 15) == (320, 1)


def test_eagerness_orders_the_waits():
    for words, probability in [
        ("What time is it?", 0.9),
        ("What time is it?", 0.1),
        ("turn on the", None),
        (None, None),
    ]:
        waits = [semantic(eagerness, words, probability)[0] for eagerness in ("high", "medium", "low")]
        assert waits == sorted(waits) and waits[0] < waits[2]


def test_recognition_begins_earlier_than_with_server_vad():
    for vad, quiet_ms in ((SEMANTIC, 96), ({}, 128)):
        _, events = follow(SPOKEN + "." * 5, vad)
        quiet = events[1]
        assert isinstance(quiet, Quiet)
        assert (5 * FRAME_MS + len(quiet.pcm) / 48 - 160) == END_MS + quiet_ms


def test_the_network_gets_the_quiet_and_the_recogniser_does_not():
    detector, events = follow(SPOKEN + "..", SEMANTIC)
    quiet = events[-1]
    detector.hint("What time is it?", is_written=True)
    events = [event for _ in range(5) for event in detector.feed(FRAME)]
    assert kinds(events) == ["Pausing"]
    assert len(events[0].pcm16k) == len(quiet.pcm16k) + 32 * (256 - 96)
    assert detector.judge(0.9) == []  # it is asked two frames before the turn may end, so that nobody waits for it
    assert detector.feed(FRAME) == []
    (stopped,) = detector.feed(FRAME)
    assert stopped.pcm16k == quiet.pcm16k
    assert stopped.audio_end_ms == END_MS + 320


@pytest.mark.parametrize("late", ["words", "sound"])
def test_an_answer_that_comes_late_ends_the_turn_at_once(late):
    detector, events = follow(SPOKEN + "." * 12, SEMANTIC)
    assert kinds(events) == ["SpeechStarted", "Quiet", "Pausing"]
    answers = [lambda: detector.hint("What time is it?", is_written=True), lambda: detector.judge(0.9)]
    first, last = answers if late == "sound" else answers[::-1]
    assert first() == []
    assert kinds(last()) == ["SpeechStopped"]
    assert not detector.is_speaking
    assert last() == []


def test_an_answer_is_void_when_speech_resumes():
    detector, _ = follow(SPOKEN + "." * 8, SEMANTIC)
    detector.hint("Stop.", is_written=True)
    detector._activity = Script("s" + "." * 100)
    assert kinds(detector.feed(FRAME)) == ["Speaking"]
    assert detector.judge(0.9) == detector.hint("Stop.", is_written=True) == []
    events = [event for _ in range(30) for event in detector.feed(FRAME)]
    assert kinds(events) == ["Quiet", "Pausing"]  # nothing is known of the words now


@pytest.mark.parametrize("stir", ["loud", "likely"])
def test_a_turn_does_not_end_while_somebody_may_begin_to_speak_again(stir):
    """Loudness, or a hint of speech, shows a frame or two before the detector of speech is sure."""
    detector, _ = follow(SPOKEN + "." * 8 + ("?" if stir == "likely" else "."), SEMANTIC)
    detector.hint("What time is it?", is_written=True)
    detector.feed(np.full(24 * FRAME_MS, 500, "<i2").tobytes() if stir == "loud" else b"")
    assert detector.judge(0.9) == []
    assert detector.is_speaking


def test_server_vad_asks_nobody():
    detector, events = follow(SPOKEN + "." * 40, {"silence_duration_ms": 1000})
    assert kinds(events) == ["SpeechStarted", "Quiet", "SpeechStopped"]
    detector, _ = follow(SPOKEN + "." * 12, {"silence_duration_ms": 1000})
    assert detector.hint("What time is it?", is_written=True) == detector.judge(0.9) == []


# Real sound.


def dialogue(
    voices: tuple[str, ...] = ("echo", "alloy", "verse", "sage"),
) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Return samples at 24 kHz, and the turns in ms: pauses of 1.2 to 2.2 s between all sentences of all voices."""
    rng, sound, turns, position = np.random.default_rng(1), [], [], 0

    async def main() -> None:
        nonlocal position
        async with Synthesizer() as synthesizer:
            for voice in voices:
                for sentence in SENTENCES:
                    pause = np.zeros(int(24_000 * rng.uniform(1.2, 2.2)))
                    spoken = np.frombuffer(await synthesizer.synthesize(sentence, voice), "<i2").astype(float)
                    audible = np.flatnonzero(abs(spoken) > 200)
                    position += len(pause)
                    turns.append(((position + audible[0]) / 24, (position + audible[-1]) / 24))
                    position += len(spoken)
                    sound.extend((pause, spoken))

    asyncio.run(main())
    return np.concatenate([*sound, np.zeros(48_000)]), turns


@pytest.fixture(scope="module")
def talk():
    return dialogue()


def pcm16(samples: np.ndarray) -> bytes:
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()


def detect(pcm: bytes, settings: dict | None = None, *, chunk: int = 4800, **options) -> list[TurnEvent]:
    detector = TurnDetector(settings or {}, **options)
    return [event for start in range(0, len(pcm), chunk) for event in detector.feed(pcm[start : start + chunk])]


def pink(size: int, rng: np.random.Generator) -> np.ndarray:
    frequencies = np.maximum(np.fft.rfftfreq(size, 1 / 24_000), 1)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) / np.sqrt(frequencies), size)
    return noise / noise.std()


def hum(size: int) -> np.ndarray:
    wave = sum(np.sin(2 * np.pi * 50 * k * np.arange(size) / 24_000) / k for k in range(1, 8))
    return wave / wave.std()


@pytest.mark.parametrize("noise", ["clean", "faint", "white 20 dB", "white 5 dB", "pink 5 dB", "hum 5 dB"])
def test_all_turns_are_found_and_nothing_else(talk, noise):
    samples, turns = talk
    rng = np.random.default_rng(2)
    level = np.sqrt(np.mean(np.concatenate([samples[int(24 * a) : int(24 * b)] for a, b in turns]) ** 2))
    kind, _, decibels = noise.partition(" ")
    made = {"white": rng.standard_normal, "pink": lambda size: pink(size, rng), "hum": hum}.get(kind)
    if made:
        samples = samples + made(len(samples)) * level * 10 ** (-float(decibels.split()[0]) / 20)
    events = detect(pcm16(samples * (0.1 if noise == "faint" else 1)))
    stopped = [event for event in events if isinstance(event, SpeechStopped)]
    assert kinds(events).count("SpeechStarted") == len(stopped) == len(turns)
    for event, (begun, ended) in zip(stopped, turns, strict=True):
        assert begun - 450 < event.audio_start_ms < begun - 50
        # The p of "Stop." is a burst after 100 ms of closed lips; where noise hides it, the word ends before them.
        assert ended + 300 < event.audio_end_ms < ended + 750


def test_the_pause_after_a_turn_is_noticed_in_time(talk):
    samples, turns = talk
    pcm, detector, late_ms, ended = pcm16(samples), TurnDetector({}), [], iter(turns)
    for start in range(0, len(pcm), 960):
        for event in detector.feed(pcm[start : start + 960]):
            if isinstance(event, SpeechStopped):
                late_ms.append((start + 960) / 48 - next(ended)[1])
    assert np.median(late_ms) < 600
    assert max(late_ms) < 720


@pytest.mark.parametrize("kind", [{}, SEMANTIC], ids=["server", "semantic"])
@pytest.mark.parametrize("sound", ["silence", "noise", "hum", "clicks", "full scale"])
def test_sound_without_speech_is_no_turn(sound, kind):
    rng, size = np.random.default_rng(3), 10 * 24_000
    clicks = np.zeros(size)
    clicks[::12_000] = 25_000
    samples = {
        "silence": np.zeros(size),
        "noise": rng.normal(scale=1000, size=size),
        "hum": 3000 * hum(size),
        "clicks": clicks,
        "full scale": np.full(size, 32767.0),
    }[sound]
    assert detect(pcm16(samples), kind) == []


def test_without_silero_the_gate_alone_finds_turns(talk):
    samples, turns = talk
    noise = np.random.default_rng(4).normal(scale=20, size=len(samples))
    activity = VoiceActivity(silero=False)
    assert activity.engine == "webrtc"
    events = detect(pcm16(samples + noise), activity=activity)
    assert abs(kinds(events).count("SpeechStopped") - len(turns)) <= 2


def test_the_engine_is_reported():
    assert TurnDetector({}).engine == "silero"


@given(st.lists(st.integers(0, 9000), min_size=1, max_size=12), st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_events_do_not_depend_on_the_size_of_the_chunks(talk, sizes, offset):
    samples, _ = talk
    pcm = pcm16(samples[offset : 24_000 * 12] + np.random.default_rng(5).normal(scale=300, size=24_000 * 12 - offset))
    detector, events, start, turn = TurnDetector({}), [], 0, 0
    while start < len(pcm):
        size = 2 * max(sizes[turn % len(sizes)], 1 if sum(sizes) else 4800)
        events += detector.feed(pcm[start : start + size])
        start, turn = start + size, turn + 1
        if turn > 2000:  # many tiny chunks: the rest at once
            events += detector.feed(pcm[start:])
            break
    assert events == detect(pcm)
    assert detector.elapsed_ms == len(pcm) / 48


def test_an_empty_chunk_changes_nothing():
    detector = TurnDetector({})
    assert detector.feed(b"") == []
    assert detector.elapsed_ms == 0


def test_listening_costs_little(talk):
    samples, _ = talk
    pcm = pcm16(samples)
    detect(pcm[:96_000])
    begun = time.process_time()
    detect(pcm)
    share = (time.process_time() - begun) / (len(samples) / 24_000)
    assert share < 0.04  # 0.004 when nothing else runs
