"""How many pictures a second a scope draws while sound plays, in a real browser.

    python benchmarks/scope.py --seconds 20

A picture is a change of the canvas. A blocked kernel reads no comms, as in a long cell.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from bare import BarePage, until, use_page_comms
from conftest import chromium_with
from playwright.sync_api import Page, sync_playwright
from test_bare_scope import FRAMES

from realtime_nb.media.clip import AudioClip
from realtime_nb.widgets.scope import Scope
from realtime_nb.widgets.speaker import Speaker

CANVAS = ".rtnb-lane-player canvas"


def frames_a_second(tab: Page, seconds: float) -> float:
    """Count for a while, by the page's own clock."""
    times_ms = f"(window.frames_ms.get(document.querySelector('{CANVAS}')) ?? [])"
    had = tab.evaluate(f"{times_ms}.length")
    tab.wait_for_timeout(seconds * 1000)
    drawn = tab.evaluate(f"{times_ms}.slice({had})")
    return 1000 * (len(drawn) - 1) / (drawn[-1] - drawn[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each is counted (default: 20)")
    seconds = parser.parse_args().seconds
    page = BarePage()
    use_page_comms(pytest.MonkeyPatch(), page)  # Both for good: widgets speak once more when they are collected.
    speaker = Speaker()
    scope = Scope(speaker)
    t = np.arange(round(24_000 * (2 * seconds + 10))) / 24_000
    try:
        with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
            silence = AudioClip(np.zeros(48_000), 48_000).save(Path(folder) / "silence.wav")
            tab = chromium_with(playwright, silence).new_page()
            tab.add_init_script(FRAMES)
            tab.goto(page.url)
            page.started.wait(10)
            tab.click("#main")
            until(lambda: speaker.road == "direct", 20)
            speaker.play(AudioClip(0.3 * np.sin(2 * np.pi * 440 * t), 24_000))
            tab.wait_for_function(f"() => window.frames('{CANVAS}') > 10")
            free = frames_a_second(tab, seconds)
            page.block()
            blocked = frames_a_second(tab, seconds)
            page.unblock()
            speaker.stop()
    finally:
        scope.close()
        page.close()
    print("| | pictures a second |\n|---|---|")
    print(f"| kernel free | {free:.1f} |")
    print(f"| kernel blocked | {blocked:.1f} |")


if __name__ == "__main__":
    main()
