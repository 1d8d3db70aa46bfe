"""Fixtures for tests that need a browser."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bare import WAIT_S, BarePage, use_page_comms
from lab import JupyterServer, OpenNotebook
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright
from scripted import ScriptedSession

import realtime_nb as rt
from realtime_nb.media.clip import AudioClip
from realtime_nb.widgets.panel import VoicePanel

QUIET_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


expect.set_options(timeout=WAIT_S * 1000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("browser")


def chromium_with(playwright: Playwright, microphone: Path | None, *more: str) -> Browser:
    """Start Chromium; its microphone plays a file over and over, or there is none. `more` are flags."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail("Chromium is missing: run  make test  (it installs it), or  apt-get install chromium")
    flags = [*QUIET_FLAGS, *more]
    if microphone is not None:
        flags += [
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}",
        ]
    return playwright.chromium.launch(executable_path=path, args=flags)


#: Notes the tracks that a page opens, as `window.tracks`.
TRACKS = """
window.tracks = [];
const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (constraints) => {
  const stream = await get(constraints);
  window.tracks.push(...stream.getTracks());
  return stream;
};
"""


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def tone_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second of 440 Hz, half a second of silence."""
    t = np.arange(24_000) / 48_000
    samples = np.concatenate([0.5 * np.sin(2 * np.pi * 440 * t), np.zeros(24_000)])
    return AudioClip(samples, 48_000).save(tmp_path_factory.mktemp("audio") / "tone.wav")


@pytest.fixture(scope="session")
def browser(playwright: Playwright, tone_file: Path) -> Iterator[Browser]:
    """Chromium whose microphone hears `tone_file`."""
    running = chromium_with(playwright, tone_file)
    yield running
    running.close()


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[BarePage]:
    """A page without Jupyter; widgets made in the test appear on it when it is opened."""
    page = BarePage()
    use_page_comms(monkeypatch, page)
    yield page
    for comm_id in list(page.comms):
        from ipywidgets.widgets.widget import _instances

        if widget := _instances.get(comm_id):
            widget.close()
    page.close()


@pytest.fixture
def session() -> Any:
    """Return a session that a test plays the server of; tests of a real one have their own."""
    return ScriptedSession()


@pytest.fixture
def panel(session: Any, bare: BarePage) -> VoicePanel:
    """Return the session's panel."""
    return VoicePanel(session)


@pytest.fixture
def visit(browser: Browser, bare: BarePage) -> Iterator[Callable[..., Page]]:
    """Open the bare page; `init` is run in it first, `policy` is its content security policy."""
    contexts = []

    def open_page(init: str = "", policy: str = "", **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []  # type: ignore[attr-defined]
        page.on("pageerror", lambda error: page.complaints.append(str(error)))  # type: ignore[attr-defined]
        if init:
            page.add_init_script(init)
        bare.policy = policy
        bare.started.clear()
        page.goto(bare.url)
        assert bare.started.wait(30)
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:
            assert page.complaints == []  # type: ignore[attr-defined]
        context.close()


@pytest.fixture(scope="session")
def spoken_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Silence until a slow machine has connected, a spoken sentence, silence: once, by Chromium's fake microphone."""
    sentence = rt.speak("What time is it?").resample(48_000)
    silence = np.zeros(3 * 48_000, np.float32)
    samples = np.concatenate([silence, silence, sentence.samples, silence, silence])
    return AudioClip(samples, 48_000).save(tmp_path_factory.mktemp("audio") / "spoken.wav")


@pytest.fixture(scope="session")
def speaking_browser(playwright: Playwright, spoken_file: Path) -> Iterator[Browser]:
    """Chromium whose microphone hears `spoken_file`, from when it is opened."""
    running = chromium_with(playwright, Path(f"{spoken_file}%noloop"))
    yield running
    running.close()


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    server = JupyterServer(tmp_path_factory.mktemp("jupyter"))
    yield server
    server.close()


@pytest.fixture
def open_notebook(
    playwright: Playwright, speaking_browser: Browser, jupyter: JupyterServer
) -> Iterator[Callable[..., OpenNotebook]]:
    """Write a notebook and open it in JupyterLab, or another app of the server's, on a desk or on a phone."""
    contexts = []

    def open_it(
        *cells: str, app: str = "lab", kernel: str = "python3", init: str = "", phone: str = ""
    ) -> OpenNotebook:
        path = jupyter.write(f"test-{uuid.uuid4().hex[:8]}.ipynb", *cells, kernel=kernel)
        screen = playwright.devices[phone] if phone else {"viewport": {"width": 1200, "height": 900}}
        context = speaking_browser.new_context(**screen)
        contexts.append(context)
        if init:
            context.add_init_script(init)
        return OpenNotebook(context.new_page(), jupyter, path, app)

    yield open_it
    for context in contexts:
        context.close()
    jupyter.stop_kernels()
