"""How fast the voice falls silent when a person speaks over it, in a real browser with the panel.

Chromium plays a scripted answer; then ``speech_started`` reaches the kernel, as from the server. Measured, in ms:

* silence: from there until the audio thread has dropped the answer, its 3 ms fade and one render quantum included;
* kernel: from there until the kernel knows what was heard, which it then tells the server.

    python benchmarks/interruptions.py --rounds 100

Browser and kernel share one clock; the audio thread's counts in steps of 1 ms. What the loudspeaker's own buffer still
holds (the browser's `outputLatency`) comes on top.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from bare import BarePage, until, use_page_comms
from barriers import NO_SOCKETS
from conftest import chromium_with
from playwright.sync_api import sync_playwright
from scripted import ScriptedSession

from realtime_nb.media.clip import AudioClip
from realtime_nb.protocol import events as ev
from realtime_nb.widgets.panel import VoicePanel

FADE_MS = 3 + 128 / 24


def measure(road: str, rounds: int, microphone: Path) -> tuple[list[float], list[float]]:
    """Interrupt that many answers on a road; return the times until silence and until the kernel knows."""
    page = BarePage()
    use_page_comms(pytest.MonkeyPatch(), page)  # Both for good: widgets speak once more when they are collected.
    session = ScriptedSession()
    panel = VoicePanel(session)
    silence_ms: list[float] = []
    kernel_ms: list[float] = []
    flushed = threading.Event()
    began_ms = 0.0
    take = panel._handlers["flushed"]

    def on_flushed(message: dict[str, Any]) -> None:
        if message["positions"]:
            silence_ms.append(message["time_ms"] - began_ms + FADE_MS)
            kernel_ms.append(time.time() * 1000 - began_ms)
        take(message)
        flushed.set()

    panel._handlers["flushed"] = on_flushed
    try:
        with sync_playwright() as playwright:
            browser = chromium_with(playwright, microphone)
            tab = browser.new_page()
            if road == "comm":
                tab.add_init_script(NO_SOCKETS)
            tab.goto(page.url)
            page.started.wait(10)
            until(lambda: panel.road == road, 20)
            tab.get_by_role("button", name="Connect", exact=True).click()
            until(lambda: session.audio)
            for n in range(rounds):
                session.begin_answer(f"answer-{n}", "One two three.", seconds=20)
                until(lambda: panel.playback.playing)
                time.sleep(0.2 + random.random() / 10)  # Not in step with the page's reports.
                flushed.clear()
                began_ms = time.time() * 1000
                session.say(ev.InputAudioBufferSpeechStarted(audio_start_ms=0, item_id=f"question-{n}"))
                assert flushed.wait(5)
            browser.close()
    finally:
        panel.close()
    return silence_ms, kernel_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()
    print("| road | rounds | speech_started → silence | → the kernel knows what was heard |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        quiet = AudioClip(1e-4 * np.random.default_rng(1).standard_normal(48_000), 48_000)
        microphone = quiet.save(Path(folder) / "quiet.wav")
        for road in ("direct", "comm"):
            figures = measure(road, options.rounds, microphone)
            cells = [" / ".join(f"{p:.1f}" for p in (*np.percentile(each, [50, 95]), max(each))) for each in figures]
            print(f"| {road} | {options.rounds} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
