"""The page of a run in a browser: offline, on a narrow screen, in the dark, on paper."""

import numpy as np
import pytest
import result_folders
from playwright.sync_api import expect

from realtime_nb.media.clip import AudioClip


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    rows = result_folders.graded_rows(4)
    clip = AudioClip((0.1 * np.sin(np.arange(24_000) / 9)).astype(np.float32), 24_000)
    for number, row in enumerate(rows):
        row |= {"cell_id": f"c{number}", "input_audio_path": "audio/one.wav", "output_audio_path": "audio/one.wav"}
        row |= {"assistant_text": "word " * 60, "user_text": "What can you do?"}
    found = result_folders.write_results(
        tmp_path_factory.mktemp("report") / "out",
        rows,
        systems=("quick", "slow"),
        conditions=("clean", "telephone"),
        files={"c0": {"audio/one.wav": clip.encode("wav")}},
    )
    return found.report(examples=2)


def opened(browser, report, **options):
    page = browser.new_context(offline=True, **options).new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(report.as_uri())
    return page, asked, said


def test_nothing_is_fetched_and_every_player_is_ready(browser, report):
    page, asked, said = opened(browser, report)
    page.wait_for_function("() => [...document.querySelectorAll('audio')].every((each) => each.readyState >= 1)")
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()] and said == []
    lengths = page.evaluate("() => [...document.querySelectorAll('audio')].map((each) => each.duration)")
    assert len(lengths) == 2 * 2 * 3 and all(abs(length - 1) < 0.1 for length in lengths)
    expect(page.get_by_role("img", name="quick · clean").first).to_be_visible()
    page.context.close()


def test_a_narrow_screen_scrolls_tables_and_not_the_page(browser, report):
    page, _, _ = opened(browser, report, viewport={"width": 390, "height": 800})
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    page.context.close()


def test_pictures_have_the_pages_ink_in_the_dark_and_black_on_paper(browser, report):
    page, _, _ = opened(browser, report, color_scheme="dark")
    ink = "() => getComputedStyle(document.querySelector('figure svg [style*=currentColor]')).fill"
    assert page.evaluate(ink) == "rgb(255, 255, 255)"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(ink) == "rgb(0, 0, 0)"
    assert page.evaluate("() => getComputedStyle(document.querySelector('audio')).display") == "none"
    page.context.close()
