"""Fixtures for tests that need a browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bare import BarePage, use_page_comms
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from realtime_nb.audio import AudioClip

QUIET_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("browser")


def chromium_with(playwright: Playwright, microphone: Path | None) -> Browser:
    """Start Chromium; its microphone plays a file over and over, or there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail("Chromium is missing: run  make test  (it installs it), or  apt-get install chromium")
    flags = [*QUIET_FLAGS]
    if microphone is not None:
        flags += [
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}",
        ]
    return playwright.chromium.launch(executable_path=path, args=flags)


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
def visit(browser: Browser, bare: BarePage) -> Iterator[Callable[..., Page]]:
    """Open the bare page; `init` is run in it first."""
    contexts = []

    def open_page(init: str = "", **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []  # type: ignore[attr-defined]
        page.on("pageerror", lambda error: page.complaints.append(str(error)))  # type: ignore[attr-defined]
        if init:
            page.add_init_script(init)
        bare.started.clear()
        page.goto(bare.url)
        assert bare.started.wait(10)
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:
            assert page.complaints == []  # type: ignore[attr-defined]
        context.close()
