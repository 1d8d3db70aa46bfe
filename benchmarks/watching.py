"""How much CPU `session.watch` takes at one frame a second, in the kernel and in the page.

Run: ``python benchmarks/watching.py``. Chromium's fake camera, with its preview open, on a page without Jupyter; the
local voice takes the frames. Ten seconds with the preview alone and ten with every frame sent, in turn; the difference
is what watching takes, in percent of one core.
"""

import statistics
import sys
import time
from pathlib import Path

import comm
import psutil
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))

from bare import BarePage, PageComm, until
from conftest import chromium_with

import realtime_nb as rt

SECONDS = 10
ROUNDS = 4


def cpu_s():
    """Return the processor time so far of this process, of the local voice, and of the browser, in s."""
    found = {"kernel": 0.0, "local voice": 0.0, "page": 0.0}
    own = psutil.Process()
    times = own.cpu_times()
    found["kernel"] = times.user + times.system
    for process in own.children(recursive=True):
        try:
            times, words = process.cpu_times(), process.cmdline()
        except psutil.Error:
            continue
        name = "page" if "chromium" in words[0] else "local voice" if "realtime_nb.local" in " ".join(words) else ""
        if name:
            found[name] += times.user + times.system
    return found


def percent(before, seconds):
    """Return how much of one core each has taken since."""
    return {name: 100 * (now - before[name]) / seconds for name, now in cpu_s().items()}


def measured(session=None, camera=None):
    """Return each one's share while nothing is watched, or while the session watches the camera."""
    watch = session and session.watch(camera, every_s=1.0, min_change=0)
    before, began_s = cpu_s(), time.monotonic()
    time.sleep(SECONDS)
    shares = percent(before, time.monotonic() - began_s)
    if watch:
        watch.stop()
        assert len(watch.frames) >= SECONDS - 1, watch
    return shares


def main():
    """Measure in turn, and print the table."""
    page = PageComm.page = BarePage()
    comm.create_comm = PageComm
    camera = rt.Camera()
    with sync_playwright() as playwright, rt.RealtimeSession(backend="local") as session:
        browser = chromium_with(playwright, Path("/dev/null"))
        try:
            browser.new_page().goto(page.url)
            until(lambda: camera.road)
            camera.start()
            camera.snapshot().result(20)
            alone, watching = [], []
            for _ in range(ROUNDS):
                alone.append(measured())
                watching.append(measured(session, camera))
        finally:
            browser.close()
    print("| | preview alone | watching | difference |\n|---|---|---|---|")
    medians = [
        {name: statistics.median(each[name] for each in shares) for name in alone[0]} for shares in (alone, watching)
    ]
    for each in medians:
        each["all"] = sum(each.values())
    before, after = medians
    for name in before:
        print(f"| {name} | {before[name]:.1f} % | {after[name]:.1f} % | {after[name] - before[name]:.1f} % |")
    camera.close()


if __name__ == "__main__":
    main()
