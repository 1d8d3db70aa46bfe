import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from itertools import combinations, pairwise
from typing import TypeVar

import numpy as np
import pytest

from realtime_nb.errors import SettingsError
from realtime_nb.local.synthesis.espeak import EspeakProcess, SynthesisError
from realtime_nb.local.synthesis.synthesizer import (
    NEURAL_VOICES,
    VOICES,
    Speech,
    Synthesizer,
)

T = TypeVar("T")
SENTENCE = "Hello there, my name is Anna. We were away all morning, and now I am learning a new language."


def run(use: Callable[[Synthesizer], Awaitable[T]]) -> T:
    async def main() -> T:
        async with Synthesizer() as synthesizer:
            return await asyncio.wait_for(use(synthesizer), 300)

    return asyncio.run(main())


async def pieces_of(synthesizer: Synthesizer, text: str, **options: object) -> list[Speech]:
    return [piece async for piece in synthesizer.speak(text, **{"voice": "coral", **options})]


def samples(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i2").astype(float)


def pitch_hz(pcm: bytes, sample_rate: int = 24_000) -> float:
    """Median over voiced frames of the first strong peak of the autocorrelation."""
    y, size, found = samples(pcm), 1024, []
    low, high = sample_rate // 400, sample_rate // 65
    for start in range(0, len(y) - size, 480):
        x = y[start : start + size]
        if np.sqrt(np.mean(x**2)) < 500:
            continue
        r = np.fft.irfft(abs(np.fft.rfft(x - x.mean(), 4 * size)) ** 2)[:size]
        r = r / r[0] / (1 - np.arange(size) / size)
        best = r[low:high].max()
        peaks = [k for k in range(low, high) if r[k] > 0.9 * best and r[k - 1] <= r[k] >= r[k + 1]]
        if peaks and best > 0.5:
            found.append(sample_rate / peaks[0])
    return float(np.median(found))


def spectrum_db(pcm: bytes) -> np.ndarray:
    """Mean power in bands from 90 Hz to 8 kHz, without the overall level."""
    frames = np.lib.stride_tricks.sliding_window_view(samples(pcm), 1024)[::512] * np.hanning(1024)
    power = (abs(np.fft.rfft(frames)) ** 2).mean(0)
    edges = np.unique(np.geomspace(4, 340, 25).astype(int))
    bands = 10 * np.log10([power[low:high].mean() for low, high in pairwise(edges)])
    return bands - bands.mean()


def test_there_are_the_voices_of_the_api():
    assert {"alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"} <= set(VOICES)


def test_every_voice_differs_from_every_other_and_all_are_equally_loud():
    async def speak(synthesizer):
        return {voice: await synthesizer.synthesize(SENTENCE, voice) for voice in VOICES}

    clips = run(speak)
    pitches = {voice: pitch_hz(pcm) for voice, pcm in clips.items()}
    spectra = {voice: spectrum_db(pcm) for voice, pcm in clips.items()}
    for one, other in combinations(clips, 2):
        semitones = abs(12 * np.log2(pitches[one] / pitches[other]))
        decibels = np.sqrt(np.mean((spectra[one] - spectra[other]) ** 2))
        assert semitones > 0.7, (one, other)
        assert semitones + decibels > 4.5, (one, other)
    loudness = [20 * np.log10(np.sqrt(np.mean(y[abs(y) > 100] ** 2))) for y in map(samples, clips.values())]
    assert max(loudness) - min(loudness) < 4
    assert max(abs(samples(pcm)).max() for pcm in clips.values()) < 32_000


def test_the_first_piece_is_short_and_later_ones_are_not():
    within = [len(piece.pcm) / 48 for piece in run(lambda synthesizer: pieces_of(synthesizer, SENTENCE))]
    assert within[0] < 70
    assert all(ms < 400 for ms in within)
    assert sum(ms >= 200 for ms in within) > len(within) / 2


def test_words_are_placed_in_the_text_and_in_the_sound():
    text = "Dr. Smith paid 3.14 dollars. It’s fine 😀, really."
    pieces = run(lambda synthesizer: pieces_of(synthesizer, text))
    words = [word for piece in pieces for word in piece.words]
    begins = [text[index:].split()[0] for index, _ in words]
    assert begins[:5] == ["Dr.", "Smith", "paid", "3.14", "dollars."]
    assert "It’s" in begins and begins[-1] == "really."
    offsets = [ms for _, ms in words]
    assert offsets == sorted(offsets)
    duration_ms = sum(len(piece.pcm) for piece in pieces) / 48
    assert 0 <= offsets[0] and offsets[-1] < duration_ms
    end_ms = 0.0
    for piece in pieces:  # a word comes with its sound, not later
        end_ms += len(piece.pcm) / 48
        assert all(ms <= end_ms + 60 for _, ms in piece.words)


def test_numbers_sound_as_their_words_do_and_are_placed_where_they_are_written():
    text = "In 1984 it cost $5 at 10:05 sharp."

    async def speak(synthesizer):
        words = "In nineteen eighty four it cost five dollars at ten oh five sharp."
        return await pieces_of(synthesizer, text), await synthesizer.synthesize(words, "coral")

    pieces, in_words = run(speak)
    begins = [text[index:].split()[0] for piece in pieces for index, _ in piece.words]
    assert begins == ["In", "1984", "it", "cost", "$5", "at", "10:05", "sharp."]
    assert sum(len(piece.pcm) for piece in pieces) == pytest.approx(len(in_words), rel=0.03)


def test_speed_changes_the_length_and_extremes_are_clipped():
    async def speak(synthesizer):
        text = "This sentence is spoken at several speeds."
        return [len(await synthesizer.synthesize(text, "echo", speed=speed)) for speed in (0.01, 0.25, 1.0, 1.5, 9.0)]

    slowest, slow, normal, fast, fastest = run(speak)
    assert slow > 1.5 * normal > 1.5 * fast > 1.5 * 1.1 * fastest
    assert abs(slowest - slow) < 0.05 * slow  # both are the slowest that espeak-ng speaks


def test_sound_comes_at_the_rate_that_was_asked_for():
    async def speak(synthesizer):
        return [len(await synthesizer.synthesize(SENTENCE, "echo", sample_rate=rate)) for rate in (8_000, 24_000)]

    low, high = run(speak)
    assert abs(3 * low - high) < 0.01 * high


def test_the_sound_is_continuous_across_pieces():
    y = samples(run(lambda synthesizer: synthesizer.synthesize(SENTENCE, "sage")))
    assert abs(np.diff(y)).max() < 12_000


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "\0"])
def test_text_without_words_gives_no_sound_or_next_to_none(text):
    pieces = run(lambda synthesizer: pieces_of(synthesizer, text))
    assert sum(len(piece.pcm) for piece in pieces) < 48 * 100


@pytest.mark.parametrize(
    "text", ["Great 😀🎉!", "naïve café, Ünïcödé", "שלום world", "a\ud800b", "<b>bold</b> & 5 < 6"]
)
def test_strange_text_is_spoken(text):
    assert len(run(lambda synthesizer: synthesizer.synthesize(text, "coral"))) > 10_000


@pytest.mark.parametrize(
    "text", ["word " * 800, "x" * 4000, "Well, this is it. " * 222], ids=["words", "x", "sentences"]
)
def test_long_text_begins_at_once_and_ends(text, monkeypatch):
    asked, request = [], EspeakProcess.request
    monkeypatch.setattr(
        EspeakProcess, "request", lambda process, given: asked.append(given["text"]) or request(process, given)
    )

    async def speak(synthesizer):
        size, asked_first = 0, []
        async for piece in synthesizer.speak(text, voice="verse"):
            asked_first = asked_first or list(asked)
            size += len(piece.pcm)
        return size / 48_000, asked_first

    duration_s, asked_first = run(speak)
    assert duration_s > 60
    assert len(asked_first) == 1 and len(asked_first[0]) < 200  # No more than this is made before the first sound.


def test_a_repeated_sentence_comes_from_the_cache_and_at_the_right_place():
    async def speak(synthesizer):
        once = await pieces_of(synthesizer, "Good morning.")
        twice = await pieces_of(synthesizer, "  Good morning. Good morning.")
        return once, twice

    once, twice = run(speak)
    assert b"".join(piece.pcm for piece in twice) == 2 * b"".join(piece.pcm for piece in once)
    assert [index for piece in twice for index, _ in piece.words] == [2, 7, 16, 21]


def test_the_cache_is_bounded(monkeypatch):
    monkeypatch.setattr("realtime_nb.local.synthesis.synthesizer.CACHE_BYTES", 200_000)

    async def speak(synthesizer):
        for number in range(12):
            await synthesizer.synthesize(f"This is number {number}.", "echo")
        return sum(len(piece.pcm) for pieces in synthesizer._cache.values() for piece in pieces), len(
            synthesizer._cache
        )

    size, count = run(speak)
    assert size <= 200_000
    assert count >= 1


def test_sessions_take_turns_by_sentence():
    async def speak(synthesizer):
        order, begun = [], asyncio.Event()

        async def talk(name, text):
            async for _ in synthesizer.speak(text, voice="ash"):
                order.append(name)
                begun.set()

        long = " ".join(f"This is the long sentence with the number {number} in it." for number in range(30))
        talking = asyncio.create_task(talk("long", long))
        await begun.wait()
        await talk("short", "Only this, please.")
        at_short_end = order.count("long")
        await talking
        return at_short_end / order.count("long")

    assert run(speak) < 0.5


def test_closing_the_iterator_aborts_the_request():
    async def speak(synthesizer):
        async with aclosing(
            synthesizer.speak("one two three four five six seven eight nine ten. " * 50, voice="echo")
        ) as it:
            await anext(it)
        await synthesizer.synthesize("And now this.", "echo")
        return dict(synthesizer._process._waiting)

    assert run(speak) == {}


def test_an_interrupted_sentence_is_not_cached():
    async def speak(synthesizer):
        text = "one two three four five six seven eight nine ten eleven twelve"
        async with aclosing(synthesizer.speak(text, voice="echo")) as speech:
            await anext(speech)
        return len(await synthesizer.synthesize(text, "echo"))

    assert run(speak) > 48 * 2500


DIES_ONCE = """
import json, os, pathlib, struct, sys
died = pathlib.Path(__file__).with_name("died")
def send(kind, id, payload=b""):
    sys.stdout.buffer.write(struct.pack("<cII", kind, id, len(payload)) + payload)
    sys.stdout.buffer.flush()
send(b"R", 0, struct.pack("<I", 24000))
for line in sys.stdin:
    id = json.loads(line).get("id")
    for block in range(10 if id else 0):
        if block == 4 and not died.exists():
            died.touch()
            os.kill(os.getpid(), 9)
        send(b"W", id, struct.pack("<II", block, 100 * block))
        send(b"S", id, bytes([block, 0]) * 2400)
    if id:
        send(b"D", id)
"""


def test_when_the_process_dies_the_sentence_goes_on_in_another(monkeypatch, tmp_path):
    program = tmp_path / "dies_once.py"
    program.write_text(DIES_ONCE)
    monkeypatch.setattr("realtime_nb.local.synthesis.espeak.PROGRAM", program)
    pieces = run(lambda synthesizer: pieces_of(synthesizer, "a b c d e f g h i j"))
    assert b"".join(piece.pcm for piece in pieces) == b"".join(bytes([block, 0]) * 2400 for block in range(10))
    assert [ms for piece in pieces for _, ms in piece.words] == [100 * block for block in range(0, 10, 2)]


def test_a_sentence_that_kills_the_process_twice_is_an_error(monkeypatch, tmp_path):
    program = tmp_path / "dies.py"
    program.write_text(DIES_ONCE.replace("died.touch()", "pass"))
    monkeypatch.setattr("realtime_nb.local.synthesis.espeak.PROGRAM", program)
    with pytest.raises(SynthesisError, match=r"ended twice \(exit code -9\) at 'Poison.'"):
        run(lambda synthesizer: synthesizer.synthesize("Poison.", "echo"))


def test_a_process_killed_between_requests_is_not_noticed():
    async def speak(synthesizer):
        await synthesizer.synthesize("Are you there?", "echo")
        killed = synthesizer.pid
        os.kill(killed, signal.SIGKILL)
        size = len(await synthesizer.synthesize("Still here.", "echo"))
        return size, killed, synthesizer.pid

    size, killed, pid = run(speak)
    assert size > 10_000
    assert pid not in (None, killed)


def test_closing_while_somebody_speaks_fails_that_speech_and_starts_nothing():
    async def main():
        async with Synthesizer() as synthesizer:
            talking = asyncio.create_task(synthesizer.synthesize(" ".join(map(str, range(3000))), "echo"))
            await synthesizer.synthesize("Hello.", "echo")
            await synthesizer.close()
            with pytest.raises(SynthesisError, match="was closed while it spoke"):
                await asyncio.wait_for(talking, 10)
            assert synthesizer.pid is None

    asyncio.run(main())


def test_close_ends_the_process():
    async def main():
        synthesizer = Synthesizer()
        await synthesizer.start()
        pid = synthesizer.pid
        await synthesizer.close()
        await synthesizer.close()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"voice": "bob"}, "voice='bob' is not known: choose one of alloy, ash"),
        ({"voice": "echo", "speed": 0}, "speed=0 must be positive"),
        ({"voice": "echo", "speed": float("nan")}, "speed=nan must be positive"),
    ],
)
def test_settings_are_checked_before_anything_is_said(options, message):
    with pytest.raises(SettingsError, match=message):
        run(lambda synthesizer: pieces_of(synthesizer, "Hello.", **options))


@pytest.mark.parametrize("text", [SENTENCE, "What can you do?", "Yes.", "No, thank you; maybe later."])
def test_a_faster_speed_is_never_slower(text):
    async def speak(synthesizer):
        speeds = sorted([*np.geomspace(0.25, 4, 60), *np.linspace(0.25, 1.5, 26)])
        durations_ms = {}
        for voice in VOICES:
            # The network takes ten times as long, and has no borders between speeds.
            tried = speeds[:: 4 if voice in NEURAL_VOICES else 1]
            durations_ms[voice] = [len(await synthesizer.synthesize(text, voice, speed=each)) / 48 for each in tried]
        return durations_ms

    for voice, durations_ms in run(speak).items():
        slower = [later - earlier for earlier, later in pairwise(durations_ms)]
        # From one time to the next a sound of espeak-ng's is a few samples longer, of the network's 10 ms (measured).
        assert max(slower) < (15 if voice in NEURAL_VOICES else 3), voice
        assert durations_ms[0] > 3 * durations_ms[-1], voice


def test_fast_speech_has_its_end():
    async def speak(synthesizer):
        return [await synthesizer.synthesize("What can you do?", "alloy", speed=speed) for speed in (1, 2, 3.9)]

    lengths_ms = [np.flatnonzero(abs(samples(pcm)) > 50)[-1] / 24 for pcm in run(speak)]
    assert lengths_ms[0] > lengths_ms[1] > lengths_ms[2] > 440  # 360 without the last vowel
