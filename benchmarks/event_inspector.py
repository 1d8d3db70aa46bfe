"""How smooth a page stays while its event inspector takes events, in a real browser.

    python benchmarks/event_inspector.py --seconds 20

Frames are those of the page's own clock, `requestAnimationFrame`. Without events the same page is measured first. The
inspector follows the end, or shows the matches of a search in the 20,000 events that the page keeps. Memory is the
page's heap after a collection, with 20,000 events and with 60,000.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from bare import BarePage, until, use_page_comms
from conftest import chromium_with
from playwright.sync_api import CDPSession, Page, sync_playwright

import realtime_nb as rt
from realtime_nb.loop import submit
from realtime_nb.protocol import events as ev
from realtime_nb.widgets.event_inspector import KEPT, EventInspector

FRAMES = """
window.frames_ms = [];
const note = (ms) => { window.frames_ms.push(ms); requestAnimationFrame(note); };
requestAnimationFrame(note);
"""


def event(number: int) -> Any:
    """Return an event; of ten, nine are deltas of an answer."""
    kind = "response.done" if number % 10 == 9 else "response.output_audio_transcript.delta"
    ids = f'"response_id": "resp_{number // 100}", "item_id": "item_{number // 10}"'
    body = '"response": {"id": "resp_1"}' if kind == "response.done" else f'"delta": "word {number} ", {ids}'
    indices = '"output_index": 0, "content_index": 0'
    return ev.decode_server(f'{{"type": "{kind}", "event_id": "event_{number}", {indices}, {body}}}')


class Flood:
    """Puts events into a session's log at a rate."""

    def __init__(self, session: rt.RealtimeSession):
        self._session = session
        self._count = 0

    def add(self, count: int) -> None:
        """Add events at once."""
        submit(self._add(count)).result(120)

    async def _add(self, count: int) -> None:
        for _ in range(count):
            self._session._session_events.log.add("received", event(self._count), float(self._count))
            self._count += 1

    async def run(self, a_second: int, seconds: float) -> None:
        """Add events for a while."""
        for _ in range(round(seconds * 50)):
            await self._add(a_second // 50)
            await asyncio.sleep(1 / 50)


def frames(tab: Page, seconds: float) -> tuple[float, float, float]:
    """Return frames a second, and the 95th percentile and the longest of the times between them, in ms."""
    tab.evaluate("() => { window.frames_ms.length = 0; }")
    tab.wait_for_timeout(seconds * 1000)
    times_ms = tab.evaluate("() => window.frames_ms")
    between = sorted(after - before for before, after in pairwise(times_ms))
    return 1000 * len(between) / sum(between), between[int(0.95 * len(between))], between[-1]


def heap_mb(devtools: CDPSession) -> float:
    """Return the size of the page's heap."""
    devtools.send("HeapProfiler.collectGarbage")
    return devtools.send("Runtime.getHeapUsage")["usedSize"] / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each is measured (default: 20)")
    parser.add_argument("--events", type=int, default=200, help="events a second (default: 200)")
    options = parser.parse_args()
    page = BarePage()
    use_page_comms(pytest.MonkeyPatch(), page)  # For good: widgets speak once more when they are collected.
    session = rt.RealtimeSession(backend="local")
    inspector = EventInspector(session)
    flood = Flood(session)
    rows, sizes = [], []
    try:
        with sync_playwright() as playwright:
            tab = chromium_with(playwright, None).new_page()
            tab.add_init_script(FRAMES)
            tab.goto(page.url)
            devtools = tab.context.new_cdp_session(tab)
            until(lambda: inspector.road == "direct", 20)

            def shown() -> None:
                said = f"{len(session.log):,} events"
                tab.wait_for_function(
                    "said => document.querySelector('[role=status]').textContent.startsWith(said)", arg=said
                )

            rows.append(("no events", *frames(tab, options.seconds)))
            for name, searched in (("following the end", ""), ("searching", "resp")):
                flood.add(KEPT)
                shown()
                sizes.append(heap_mb(devtools))
                tab.get_by_label("Search events").fill(searched)
                running = submit(flood.run(options.events, options.seconds + 1))
                rows.append((f"{options.events} events a second, {name}", *frames(tab, options.seconds)))
                running.result(120)
            flood.add(KEPT)
            tab.get_by_label("Search events").fill("")
            shown()
            sizes.append(heap_mb(devtools))
    finally:
        inspector.close()
        page.close()
    print("| | frames a second | of no events | 95 % of frames within | longest |\n|---|---|---|---|---|")
    for name, a_second, within_ms, longest_ms in rows:
        print(f"| {name} | {a_second:.1f} | {a_second / rows[0][1]:.3f} | {within_ms:.1f} ms | {longest_ms:.0f} ms |")
    print(f"\nheap: {sizes[0]:.1f} MB with {KEPT:,} events kept, {sizes[-1]:.1f} MB after {len(session.log):,}")


if __name__ == "__main__":
    main()
