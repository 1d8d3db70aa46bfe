"""Turn detection: how soon it notices the end of a turn, and how often it takes a pause for the end.

Run: ``python benchmarks/turn_detection.py FOLDER``. The folder holds clips of one turn each and ``references.tsv``: a
line for each clip with its file's name, a tab, and the words, after a line of titles. The words say where pauses can
be: pocketsphinx aligns them with the sound, and between two words, where the voice sinks, the clip's own quiet is made
0.3 to 1.5 s long. Such a pause is cut if the turn is over before the detector hears the voice again. The delay counts
from the end of the last word to ``speech_stopped``; the recogniser and the network of turns answer at once here. Each
clip is used as it is, with pink noise at 15 dB, and by telephone. Intervals are 95 %, by resampling of
clips.

Run without a folder, it measures how long `compare_turn_detection` takes for a minute of speech, against asking the
local server live, as fast as it can take it.
"""

import argparse
import asyncio
import csv
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from realtime_nb import AudioClip, RealtimeSession, compare_turn_detection, speak
from realtime_nb.experiments.conditions import Noise, Telephone
from realtime_nb.local.recognition.heard import Recognition
from realtime_nb.local.recognition.turn_model import TurnModel
from realtime_nb.local.recognition.turn_replay import HeardSound, speech_of
from realtime_nb.local.recognition.whisper import WhisperModel
from realtime_nb.local.weights import WHISPER_TINY_EN
from realtime_nb.media.activity import speech_spans

RATE = 24_000
PAUSES_MS = (300, 600, 1000, 1500)
CONDITIONS = {"clean": None, "pink noise 15 dB": Noise(15, "pink"), "telephone": Telephone()}
MOST_PAUSES = 4
RESAMPLES = 2_000

# --- Clips, and places in them where somebody might pause -------------------------------------------------------------


@dataclass(frozen=True)
class Turn:
    """A clip with its facts."""

    name: str
    clip: AudioClip
    end_ms: float
    """Where the last word ends."""
    places: tuple[tuple[float, float], ...]
    """From when to when the voice is quiet between two words, in ms."""


def read_turns(folder: Path) -> list[Turn]:
    """Return the clips of a folder."""
    with (folder / "references.tsv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t"))[1:]
    turns = []
    for name, words, *_ in rows:
        clip = AudioClip.from_file(folder / name).resample(RATE)
        turns.append(Turn(name, clip, speech_end_ms(clip), quiet_places(clip, words)))
    return turns


def speech_end_ms(clip: AudioClip) -> float:
    """Return where the last stretch of speech ends."""
    loud = [(start_s * 1000, end_s * 1000) for start_s, end_s in speech_spans(clip)]
    return speech_of(HeardSound(clip.to_pcm16(RATE)).probabilities, loud)[-1][1]


def word_ends_ms(clip: AudioClip, words: str) -> list[float]:
    """Return where the words end, the last one left out."""
    import pocketsphinx

    decoder = pocketsphinx.Decoder(loglevel="FATAL", samprate=16_000)
    known = [word for word in words.lower().split() if decoder.lookup_word(word)]
    decoder.set_align_text(" ".join(known))
    decoder.start_utt()
    decoder.process_raw(clip.to_pcm16(16_000), full_utt=True)
    decoder.end_utt()
    found = [each for each in decoder.seg() or () if each.word[0] not in "<["]
    return [(each.end_frame + 1) * 10.0 for each in found][:-1]


def levels_of(clip: AudioClip) -> np.ndarray:
    """Return the loudness of every 10 ms."""
    hop = RATE // 100
    samples = clip.samples[: len(clip.samples) // hop * hop].reshape(-1, hop)
    return np.sqrt(np.mean(np.square(samples, dtype=float), axis=1)) + 1e-9


def quiet_places(clip: AudioClip, words: str) -> tuple[tuple[float, float], ...]:
    """Return where the voice sinks to a tenth of its loudness between words: the longest of them, in order."""
    levels = levels_of(clip)
    quiet = levels < 0.1 * np.sqrt(np.mean(np.square(levels[levels > 0.1 * levels.max()])))
    found = set()
    for end_ms in word_ends_ms(clip, words):
        near = [at for at in range(int(end_ms / 10) - 8, int(end_ms / 10) + 9) if 0 <= at < len(quiet) and quiet[at]]
        if near:
            start = stop = min(near, key=lambda at: levels[at])
            while start > 0 and quiet[start - 1]:
                start -= 1
            while stop < len(quiet) and quiet[stop]:
                stop += 1
            if 0 < start and stop < len(quiet):
                found.add((start * 10.0, stop * 10.0))
    longest = sorted(found, key=lambda place: place[0] - place[1])[:MOST_PAUSES]
    return tuple(sorted(longest))


def with_pause(clip: AudioClip, place: tuple[float, float], pause_ms: float) -> AudioClip:
    """Return a clip in which the quiet at a place lasts that long: more of the clip's own, or less."""
    start, stop = (round(ms * RATE / 1000) for ms in place)
    length = round(pause_ms * RATE / 1000)
    calm = int(np.argmin(np.lib.stride_tricks.sliding_window_view(levels_of(clip), 10).max(axis=1))) * RATE // 100
    tone = clip.samples[calm : calm + RATE // 10]
    before = (start + min(stop, start + length)) // 2
    after = max(before, stop - (length - (before - start)))
    filling = np.resize(np.concatenate([tone, tone[::-1]]), length - (before - start) - (stop - after))
    return AudioClip(np.concatenate([clip.samples[:before], filling, clip.samples[after:]]), RATE)


# --- Who recognises and who judges: each sound once -------------------------------------------------------------------


@cache
def whisper() -> WhisperModel:
    """Load the recogniser that writes sentences."""
    return WhisperModel(WHISPER_TINY_EN.check())


@cache
def sentences(pcm16k: bytes) -> Recognition:
    """Return Whisper's sentences for a sound."""
    return whisper().listen(pcm16k[-2 * 16_000 * 20 :])


class Bare:
    """Words without capitals and full stops: pocketsphinx."""

    def __init__(self) -> None:
        from realtime_nb.local.brains.rule_brain import RuleBrain
        from realtime_nb.local.recognition.recognizer import SharedRecognizer

        self._runner = asyncio.Runner()
        self._recognizer = SharedRecognizer()
        self._runner.run(self._recognizer.warm_up(RuleBrain.vocabulary))
        self._expected = self._runner.run(self._recognizer.expect(sentences=RuleBrain.vocabulary))
        self._heard: dict[bytes, Recognition] = {}

    def __call__(self, pcm16k: bytes) -> Recognition:
        """Return the words."""
        if pcm16k not in self._heard:
            self._heard[pcm16k] = self._runner.run(self._recognizer.listen(pcm16k, self._expected))
        return self._heard[pcm16k]


class Judge:
    """The network of turns."""

    def __init__(self) -> None:
        self._runner, self._model = asyncio.Runner(), TurnModel()
        self._answers: dict[bytes, float | None] = {}

    def __call__(self, pcm16k: bytes) -> float | None:
        """Return the probability that a sound is finished."""
        if pcm16k not in self._answers:
            self._answers[pcm16k] = self._runner.run(self._model.probability(pcm16k))
        return self._answers[pcm16k]


@dataclass(frozen=True)
class Policy:
    """Settings of turn detection, and its sources: words, or a network."""

    settings: dict
    hear: object = None
    judge: object = None


def policies() -> dict[str, Policy]:
    """Return the policies that are compared."""
    bare, judge = Bare(), Judge()
    found = {"server_vad, 500 ms": Policy({"type": "server_vad"})}
    for eagerness in ("auto", "high"):
        settings = {"type": "semantic_vad", "eagerness": eagerness}
        found[f"semantic_vad {eagerness}, bare words"] = Policy(settings, bare)
        found[f"semantic_vad {eagerness}, words"] = Policy(settings, sentences)
        found[f"semantic_vad {eagerness}, smart-turn 3.2 + words"] = Policy(settings, sentences, judge)
    return found


# --- The table --------------------------------------------------------------------------------------------------------


def ended_ms(heard: HeardSound, policy: Policy, after_ms: float, until_ms: float = np.inf) -> float:
    """Return when a turn ends between two times, counted from the first; infinite if none does."""
    found = heard.turns(policy.settings, hear=policy.hear, judge=policy.judge, until_ms=until_ms)
    return min((turn.ended_at_ms - after_ms for turn in found if turn.ended_at_ms > after_ms), default=np.inf)


def voice_ms(heard: HeardSound, after_ms: float) -> float:
    """Return when the detector hears a voice again."""
    frames = [(number + 1) * 32 for number, speech in enumerate(heard.probabilities) if speech >= 0.5]
    return min((at for at in frames if at > after_ms), default=np.inf)


def measure(turns: list[Turn]) -> tuple[dict, dict]:
    """Return delays by policy and clip, and which pauses were cut, by policy, length and clip."""
    delays = defaultdict(lambda: defaultdict(list))
    cuts = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    asked = policies()
    for turn in turns:
        for condition in CONDITIONS.values():
            clip = condition.apply(turn.clip, np.random.default_rng(0)) if condition else turn.clip
            heard = HeardSound(clip.to_pcm16(RATE))
            for name, policy in asked.items():
                delay_ms = ended_ms(heard, policy, turn.end_ms)
                if np.isfinite(delay_ms):
                    delays[name][turn.name].append(delay_ms)
            for place in turn.places:
                for pause_ms in PAUSES_MS:
                    paused = with_pause(clip, place, pause_ms).cut(0, (place[0] + pause_ms) / 1000 + 0.6)
                    heard = HeardSound(paused.to_pcm16(RATE))
                    until_ms = voice_ms(heard, place[0] + pause_ms)
                    for name, policy in asked.items():
                        is_cut = np.isfinite(ended_ms(heard, policy, place[0], until_ms - 16))
                        cuts[name][pause_ms][turn.name].append(is_cut)
        print(turn.name, file=sys.stderr)
    return delays, cuts


def interval(by_clip: dict[str, list[float]], statistic) -> tuple[float, float, float]:
    """Return a statistic of all values, and its interval."""
    clips = [values for values in by_clip.values() if values]
    random = np.random.default_rng(0)
    drawn = [
        statistic(np.concatenate([clips[at] for at in random.integers(len(clips), size=len(clips))]))
        for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(statistic(np.concatenate(clips))), float(low), float(high)


def ends(folder: Path) -> None:
    """Print delays against cut turns."""
    turns = read_turns(folder)
    delays, cuts = measure(turns)
    pauses = sum(len(turn.places) for turn in turns)
    print(f"{len(turns)} clips, {pauses} places for a pause, each under {len(CONDITIONS)} conditions.\n")
    print("| policy | delay p50, ms | p95 |" + "".join(f" cut at {ms / 1000} s |" for ms in PAUSES_MS))
    print("|---|---|---|" + "---|" * len(PAUSES_MS))
    for name, by_clip in delays.items():
        row = [
            "{:.0f} ({:.0f}–{:.0f})".format(*interval(by_clip, lambda v, p=p: np.percentile(v, p))) for p in (50, 95)
        ]
        for pause_ms in PAUSES_MS:
            shares = [100 * share for share in interval(cuts[name][pause_ms], np.mean)]
            row.append("{:.0f} % ({:.0f}–{:.0f})".format(*shares))
        print(f"| {name} | {' | '.join(row)} |")


# --- How long a comparison takes --------------------------------------------------------------------------------------

SECONDS = 60
LIVE_SPEED = 4
SETTINGS = [{"type": "server_vad", "silence_duration_ms": ms} for ms in (200, 300, 500, 700, 1000)]
ROUNDS = 5


def minute() -> AudioClip:
    """Return a minute of speech with pauses, over a floor of noise."""
    spoken = speak("What can you do? I can tell you the time. What is two plus three?").resample(RATE).samples
    samples = np.resize(np.concatenate([spoken, np.zeros(RATE)]), SECONDS * RATE)
    return AudioClip(samples + 1e-3 * np.random.default_rng(0).normal(size=len(samples)), RATE)


def offline(clip: AudioClip, settings: list) -> float:
    """Wall time of a comparison."""
    start = time.perf_counter()
    assert len(compare_turn_detection(clip, settings).frame)
    return time.perf_counter() - start


def live(clip: AudioClip, setting: dict) -> float:
    """Wall time of one setting in a session."""
    start = time.perf_counter()
    with RealtimeSession(backend="local", turn_detection=setting) as session:
        assert len(session.listen_to(clip, speed=LIVE_SPEED).result(600).turns)
    return time.perf_counter() - start


def speed() -> None:
    """Print how long comparisons take."""
    clip = minute()
    semantic = [{"eagerness": "high"}]
    offline(clip, SETTINGS), offline(clip, semantic), live(speak("Ready."), SETTINGS[0])  # What is loaded once.
    ours = statistics.median(offline(clip, SETTINGS) for _ in range(ROUNDS))
    one = statistics.median(offline(clip, SETTINGS[:1]) for _ in range(ROUNDS))
    words = offline(clip, semantic)
    rival_s = live(clip, SETTINGS[2])
    all_s = len(SETTINGS) * rival_s
    print(f"| {SECONDS} s of speech | offline | live, {LIVE_SPEED} × as fast | ratio |\n|---|---|---|---|")
    print(f"| {len(SETTINGS)} settings | {ours:.2f} s | {all_s:.0f} s | {all_s / ours:.0f} × |")
    print(f"| one setting | {one:.2f} s | {rival_s:.1f} s | {rival_s / one:.0f} × |")
    print(f"| semantic_vad, words included | {words:.1f} s | | {rival_s / words:.1f} × |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    folder = parser.parse_args().folder
    ends(folder) if folder else speed()
