"""Take the README's pictures: a real JupyterLab in Chromium, with a synthetic speaker; light and dark.

    make screenshots          (or  python docs/screenshots.py --out FOLDER)

The microphone is Chromium's fake device, which plays a file that `realtime_nb.speak` made; all else is what a person
sees. The cells are the README's own.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

import realtime_nb as rt

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from lab import JupyterServer, OpenNotebook

ROOT = Path(__file__).parents[1]
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
#: A code host shows large pictures slowly, and every clone contains them for ever.
LARGEST_BYTES = 250_000
#: Enough to show everything, to the last line.
HEIGHTS = {"panel": 830, "reply": 900}
WIDTH = 940
QUESTIONS = ("What can you do?", "Tell me a story.")
#: Time for a slow machine to connect, and for an answer.
SILENCE_BEFORE_S, SILENCE_AFTER_S = 6.0, 10.0


def blocks() -> list[str]:
    """Return the README's Python blocks."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)


def speech(path: Path) -> Path:
    """Write the sound for the microphone."""
    pieces = [np.zeros(round(SILENCE_BEFORE_S * 48_000), np.float32)]
    for question in QUESTIONS:
        pieces += [rt.speak(question).resample(48_000).samples, np.zeros(round(SILENCE_AFTER_S * 48_000), np.float32)]
    return rt.AudioClip(np.concatenate(pieces), 48_000).save(path)


@contextmanager
def lab_page(folder: Path, theme: str) -> Iterator[tuple[JupyterServer, Page]]:
    """Run JupyterLab and a browser whose microphone speaks."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    # A new JupyterLab asks whether it may fetch news, in front of everything.
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    server = JupyterServer(folder)
    flags = [
        *("--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
        f"--use-file-for-fake-audio-capture={speech(folder / 'microphone.wav')}%noloop",
    ]
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=flags)
            context = browser.new_context(device_scale_factor=1.75, color_scheme=theme)
            yield server, context.new_page()
            browser.close()
    finally:
        server.stop_kernels()
        server.close()


def opened(server: JupyterServer, page: Page, name: str, *cells: str, theme: str) -> OpenNotebook:
    """Open a notebook in the theme, without the file list beside it."""
    page.set_viewport_size({"width": WIDTH, "height": HEIGHTS[name]})
    notebook = OpenNotebook(page, server, server.write(f"{name}.ipynb", *cells))
    page.evaluate(
        """async (theme) => {
          const { commands, shell } = window.jupyterapp;
          shell.collapseLeft();
          await commands.execute("apputils:change-theme", { theme });
        }""",
        THEMES[theme],
    )
    page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=THEMES[theme])
    return notebook


def take_panel(server: JupyterServer, page: Page, theme: str) -> bytes:
    """Photograph the panel while the voice answers the second question."""
    notebook = opened(server, page, "panel", blocks()[0].strip(), theme=theme)
    notebook.run_all()
    notebook.panel.get_by_role("button", name="Connect", exact=True).click()
    expect(notebook.panel.locator(".rtnb-user")).to_have_count(2, timeout=60_000)
    expect(notebook.panel.locator("[data-role=status]")).to_have_text("The AI is speaking", timeout=30_000)
    # The record below holds the first answer, and the voice has spoken for some time.
    page.locator("[data-rtnb=talk]").wait_for()
    expect(notebook.panel.locator(".rtnb-assistant")).to_have_count(2)  # Not so on a machine that is too busy.
    page.wait_for_timeout(2500)
    expect(notebook.panel.locator("[data-role=status]")).to_have_text("The AI is speaking", timeout=1000)
    picture = page.screenshot()
    notebook.panel.get_by_role("button", name="Disconnect").click()
    return picture


def take_reply(server: JupyterServer, page: Page, theme: str) -> bytes:
    """Photograph the output of a cell that ends in a reply."""
    cell = 'session = rt.RealtimeSession()\nreply = await session.ask(rt.speak("What can you do?"))\nreply'
    notebook = opened(server, page, "reply", f"import realtime_nb as rt\n\n{cell}", theme=theme)
    for count in (1, 2):  # The first spoken question waits until the recogniser is loaded.
        notebook.run_all()
        expect(page.locator(".jp-OutputArea-output audio")).to_be_visible(timeout=90_000)
        expect(page.locator(".jp-OutputPrompt").last).to_have_text(f"[{count}]:", timeout=90_000)
    page.wait_for_function("() => document.querySelector('.jp-OutputArea audio').readyState >= 1")
    return page.screenshot()


def compressed(png: bytes) -> bytes:
    """Return a PNG of 256 colours."""
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def main() -> None:
    """Take the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder (default: docs/)")
    parser.add_argument("--themes", nargs="*", choices=THEMES, default=list(THEMES))
    options = parser.parse_args()
    for theme in options.themes:
        with tempfile.TemporaryDirectory() as folder, lab_page(Path(folder), theme) as (server, page):
            for name, take in {"panel": take_panel, "reply": take_reply}.items():
                png = compressed(take(server, page, theme))
                assert len(png) < LARGEST_BYTES, f"{name}: {len(png):,} bytes are too many"
                path = options.out / f"{name}-{theme}.png"
                path.write_bytes(png)
                print(f"{path}: {len(png) // 1000} kB")


if __name__ == "__main__":
    main()
