"""Other turn detection on a minute of speech, against asking the local server live, as fast as it takes it.

Run: ``python benchmarks/turn_detection.py``. Live, each setting is a session to which the sound is sent four times as
fast as it sounds (`RealtimeSession.listen_to`); offline, `compare_turn_detection` has all of them in one call. The
recogniser of semantic_vad is told apart, since it is most of the work.
"""

import statistics
import time

import numpy as np

from realtime_nb import AudioClip, RealtimeSession, compare_turn_detection, speak

SECONDS = 60
RATE = 24_000
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


def main() -> None:
    """Print the table."""
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
    main()
