"""How fast sound travels between a real JupyterLab in Chromium or Firefox and the kernel, on each road.

Opens a notebook with a microphone and a speaker, lets the one feed the other in the kernel, and measures:

* up: from when the audio thread has a frame full to when the I/O thread has it, after 10 seconds and at the end;
* loop, in the first minute and in the last: from a sample in the capture worklet to the same sample in the playback
  worklet, through the kernel; the echo is a live item, so what waits in the page for 3 s, unneeded, is left out;
* underruns of that loop in its last minute, and how much of it was left out there to catch up, ms;
* late: when frames came more than 40 ms late; pauses: when Python's garbage collector took 20 ms or more;
* flush: from `Speaker.stop()` in the kernel to silence in the playback worklet (its fade and render quantum included).

    python benchmarks/audio_road.py --roads direct comm --minutes 10
    python benchmarks/audio_road.py --browsers chromium firefox --roads direct --minutes 1

Chromium is driven over bare CDP: Playwright keeps CDP's network domain on, which mirrors every socket frame. Firefox is
driven over WebDriver BiDi, with a PulseAudio for a sound card. Browser and kernel share one clock; the worklet's counts
in steps of 1 ms, so "up" is half a millisecond too high.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from websockets.sync.client import connect

from realtime_nb.media.clip import AudioClip

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from barriers import NO_LOOPBACK_PORT, NO_SOCKETS
from lab import JupyterServer
from webdriver import Firefox, SoundCard

SETUP = """
import asyncio, gc, itertools, time
import numpy as np
import realtime_nb as rt
from realtime_nb.loop import submit

microphone, speaker = rt.Microphone(), rt.Speaker()
# Flat, as a tuple for each frame would have Python's collector go through the whole kernel within ten minutes.
up_ms, loop_ms, gaps, captured_ms = [], [], [], {}
pauses = []
on_frame, on_played, on_flushed = microphone._on_frame, speaker._handlers["played"], speaker._handlers["flushed"]
flushed = asyncio.Event()
samples_in = 0
began = stop_echo = None
numbers = itertools.count()

def note_frame(frame):
    global samples_in, began
    now_ms = time.time() * 1000
    began = began or now_ms
    up_ms.extend(((now_ms - began) / 1000, now_ms - frame.time_ms))
    samples_in += len(frame.pcm) // 2
    captured_ms[samples_in] = frame.time_ms
    on_frame(frame)

def note_played(message):
    playing = message["playing"]
    if playing and stop_echo:
        samples = playing["samples"]
        key = -(-samples // 480) * 480
        if key in captured_ms:
            # The frame's time is that of its last sample; this one came earlier.
            elapsed_s = (message["timeMs"] - began) / 1000
            loop_ms.extend((elapsed_s, message["timeMs"] - (captured_ms[key] - (key - samples) / 24)))
            gaps.extend((elapsed_s, message["underruns"], message["leftOut"] / 24))
    on_played(message)

def note_flushed(message):
    global flushed_ms
    flushed_ms = message["time_ms"]
    on_flushed(message)
    flushed.set()

def note_pause(phase, about):
    global paused_s
    now_s = time.time()
    if phase == "start":
        paused_s = now_s
    elif began and now_s - paused_s > 0.02:
        pauses.extend((now_s - began / 1000, 1000 * (now_s - paused_s)))

gc.callbacks.append(note_pause)
microphone._on_frame = note_frame
speaker._handlers["played"], speaker._handlers["flushed"] = note_played, note_flushed
async def echo():
    global stop_echo, began, samples_in
    began, samples_in = None, 0
    up_ms.clear()
    captured_ms.clear()
    stop_echo = microphone.on_audio(lambda pcm: speaker.feed("echo", pcm, live=True))

async def flush_delays(count):
    tone = (8000 * np.sin(np.arange(24_000) / 10)).astype("<i2").tobytes()
    delays = []
    for n in itertools.islice(numbers, count):
        before = speaker.playback.audible_samples
        speaker.feed(f"tone-{n}", tone)
        while speaker.playback.audible_samples < before + 4800 + 97 * n % 480:
            await asyncio.sleep(0.011)
        flushed.clear()
        began_ms = time.time() * 1000
        speaker.stop()
        await asyncio.wait_for(flushed.wait(), 5)
        # A fade of 3 ms, which may have to wait for the next render quantum of 128 samples.
        delays.append(flushed_ms - began_ms + 3 + 128 / 24)
    return delays

from IPython.display import display
display(microphone, speaker)
"""

UP = "zip(up_ms[::2], up_ms[1::2])"
#: A frame that comes later than this is told, and when.
LATE_MS = 40

BARRIERS = {"direct": "", "proxy": NO_LOOPBACK_PORT, "comm": NO_SOCKETS}

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--remote-debugging-port=0",
]


class Tab:
    """A page with a notebook, whose microphone hears a file over and over."""

    def run(self, script: str) -> Any:
        """Evaluate JavaScript."""
        raise NotImplementedError

    def until(self, script: str, timeout_s: float = 60.0) -> None:
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + timeout_s
        while not self.run(script):
            if time.monotonic() > deadline:
                raise RuntimeError(f"not within {timeout_s} s: {script}")
            time.sleep(0.1)

    def python(self, expression: str) -> Any:
        """Evaluate a Python expression in the notebook's kernel."""
        value = self.run(
            f"""(async () => {{
              const {{ kernel }} = jupyterapp.shell.currentWidget.context.sessionContext.session;
              const user_expressions = {{ value: {json.dumps(f"__import__('json').dumps({expression})")} }};
              const reply = await kernel.requestExecute({{ code: "", silent: true, user_expressions }}).done;
              const {{ value }} = reply.content.user_expressions;
              return value.status === "ok" ? value.data["text/plain"] : JSON.stringify(value.evalue);
            }})()"""
        )
        return json.loads(value[1:-1]) if value.startswith("'") else value


class FirefoxTab(Tab):
    """Debian's Firefox, over WebDriver BiDi."""

    def __init__(self, folder: Path, microphone: Path):
        self._open = contextlib.ExitStack()
        card = self._open.enter_context(contextlib.closing(SoundCard()))
        self._page = self._open.enter_context(contextlib.closing(Firefox(card)))
        self._page.scripts_click = True
        self._over = threading.Event()
        self._open.callback(self._over.set)
        threading.Thread(target=self._sound, args=(card, microphone), daemon=True).start()

    def _sound(self, card: SoundCard, file: Path) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            while not self._over.is_set():
                card.say(file)

    def goto(self, url: str, init: str) -> None:
        """Load a page after a script of one's own."""
        if init:
            self._page.add_init_script(init)
        self._page.goto(url)

    def run(self, script: str) -> Any:
        """Evaluate JavaScript."""
        return self._page.evaluate(script)

    def close(self) -> None:
        """End the browser."""
        self._open.close()


class ChromiumTab(Tab):
    """One page of a Chromium of its own, over the DevTools protocol and nothing else."""

    def __init__(self, folder: Path, microphone: Path):
        self._process = subprocess.Popen(
            [
                shutil.which("chromium") or "chromium-browser",
                *FLAGS,
                f"--user-data-dir={folder}",
                f"--use-file-for-fake-audio-capture={microphone}",
                "about:blank",
            ],
            stderr=subprocess.DEVNULL,
        )
        port_file = folder / "DevToolsActivePort"
        deadline = time.monotonic() + 30
        while not (port_file.is_file() and port_file.read_text().count("\n")):
            if time.monotonic() > deadline:
                raise RuntimeError("Chromium did not start")
            time.sleep(0.05)
        port, path = port_file.read_text().splitlines()
        self._open = contextlib.ExitStack()
        self._socket = self._open.enter_context(connect(f"ws://127.0.0.1:{port}{path}", max_size=None))
        self._ids = itertools.count(1)
        self._session: str | None = None
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)  # Lab's current widget is the one in focus.

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a DevTools method and return its result."""
        message = {"id": next(self._ids), "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(timeout=120))
            if answer.get("id") == message["id"]:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def goto(self, url: str, init: str) -> None:
        """Load a page after a script of one's own."""
        if init:
            self.call("Page.addScriptToEvaluateOnNewDocument", source=init)
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Evaluate JavaScript, as if the person had clicked."""
        result = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def close(self) -> None:
        """End the browser."""
        self._open.close()
        self._process.terminate()
        self._process.wait(20)


TABS = {"chromium": ChromiumTab, "firefox": FirefoxTab}


def measure(
    server: JupyterServer, folder: Path, microphone: Path, browser: str, road: str, minutes: float
) -> dict[str, Any]:
    path = server.write(f"{browser}-{road}.ipynb", SETUP)
    tab = TABS[browser](folder / f"{browser}-{road}", microphone)
    try:
        tab.goto(f"{server.url}lab/tree/{path.name}?reset&token=secret", BARRIERS[road])
        kernel = "window.jupyterapp?.shell.currentWidget?.context?.sessionContext?.session?.kernel"
        tab.until(f"{kernel}?.status === 'idle'")
        tab.run("jupyterapp.commands.execute('notebook:run-all-cells')")
        tab.until("document.querySelectorAll('.rtnb').length === 2")
        deadline = time.monotonic() + 30
        while tab.python("[microphone.road, speaker.road]") != [road, road]:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the road {road} was not taken: {tab.python('[microphone.road, speaker.road]')}")
            time.sleep(0.2)
        # Both audio threads run before the loop is closed: what waits for a context to open would stay in the queue.
        tab.python("speaker.play(rt.AudioClip(np.zeros(2400))).result(10)")
        tab.run("document.querySelector('.rtnb-microphone [data-role=record]').click()")
        tab.until("parseFloat(document.querySelector('.rtnb-microphone .rtnb-meter > span').style.width) > 5")
        tab.python("submit(echo()).result(5)")
        seconds = minutes * 60
        time.sleep(seconds + 12)
        up = tab.python(f"[x for x in {UP} if 10 <= x[0] < 20 or {seconds} <= x[0] < {seconds + 10}]")
        late = tab.python(f"[x for x in {UP} if x[1] > {LATE_MS}]")
        pauses = tab.python("[*zip(pauses[::2], pauses[1::2])]")
        loop = tab.python("[*zip(loop_ms[::2], loop_ms[1::2])]")
        gaps = tab.python(f"[x for x in zip(gaps[::3], gaps[1::3], gaps[2::3]) if x[0] >= {seconds - 60}]")
        tab.run("document.querySelector('.rtnb-microphone [data-role=record]').click()")
        tab.python("[stop_echo(), speaker.stop()]")
        time.sleep(1)
        flush = []
        for _ in range(3):
            tab.run(
                """(async () => {
                  const { kernel } = jupyterapp.shell.currentWidget.context.sessionContext.session;
                  await kernel.requestExecute({ code: "flush_ms = await submit(flush_delays(20))" }).done;
                })()"""
            )
            flush += tab.python("flush_ms")
    finally:
        tab.close()
        server.stop_kernels()
    first = [ms for at, ms in up if at < 20]
    last = [ms for at, ms in up if at >= seconds]
    return {
        "up": first,
        "up at the end": last,
        "loop": [ms for at, ms in loop if at < 60],
        "loop at the end": [ms for at, ms in loop if at >= seconds - 60],
        "underruns": gaps[-1][1] - gaps[0][1],
        "left out": gaps[-1][2] - gaps[0][2],
        "flush": flush,
        "late": late,
        "pauses": pauses,
    }


def row(road: str, figures: dict[str, Any]) -> str:
    def percentiles(name: str) -> str:
        p50, p95, p99 = np.percentile(figures[name], [50, 95, 99])
        return f"{p50:.1f} / {p95:.1f} / {p99:.1f}"

    names = ("up", "up at the end", "loop", "loop at the end", "flush")
    counted = f"{figures['underruns']} | {figures['left out']:.0f}"
    return f"| {road} | {' | '.join(map(percentiles, names))} | {counted} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--roads", nargs="+", choices=sorted(BARRIERS), default=["direct", "proxy", "comm"])
    parser.add_argument("--browsers", nargs="+", choices=sorted(TABS), default=["chromium"])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the loop runs (at least 1; default: 10)")
    options = parser.parse_args()
    minutes = max(1.0, options.minutes)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        t = np.arange(48_000) / 48_000
        tone = AudioClip(0.2 * np.sin(2 * np.pi * 440 * t), 48_000).save(folder / "tone.wav")
        server = JupyterServer(folder / "jupyter")
        print(f"ms, p50 / p95 / p99, {minutes:g} minutes")
        heads = "up, after 10 s | at the end | loop, first minute | last | flush → silence | underruns | left out"
        print(f"| browser, road | {heads} |")
        print("|---|---|---|---|---|---|---|---|")
        try:
            for browser, road in itertools.product(options.browsers, options.roads):
                figures = measure(server, folder, tone, browser, road, minutes)
                print(row(f"{browser}, {road}", figures), flush=True)
                for name in ("late", "pauses"):
                    told = ", ".join(f"{at:.1f} s: {ms:.0f}" for at, ms in figures[name][:20])
                    print(f"{name}: {told or 'none'}", file=sys.stderr)
        finally:
            server.close()


if __name__ == "__main__":
    main()
