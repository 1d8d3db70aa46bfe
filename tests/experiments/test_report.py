"""The page of a run: what is on it, that it stands alone, and that nothing on it is more than text."""

import re
from functools import partial
from html.parser import HTMLParser

import numpy as np
import pytest
from result_folders import graded_rows, write_results

import realtime_nb as rt
from realtime_nb.errors import SettingsError
from realtime_nb.experiments import Dataset, Keywords, Telephone, run

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Page(HTMLParser):
    """What a page holds."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.words = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "data", "action", "xlink:href")]
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data):
        self.words += data


def page_of(results, **options):
    return Page(results.report(**options).read_text("utf-8"))


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    systems = {
        "realtime": partial(rt.RealtimeSession, backend="local", instructions=HOSTILE),
        "chat": partial(rt.ChatSession, backend="local", voice="cedar"),
    }
    return run(
        Dataset.from_texts(["What can you do?", "How much is two plus three?"]),
        systems,
        conditions={"clean": (), "telephone": Telephone()},
        graders=[Keywords("5")],
        concurrency=1,  # Where many wait, the local voice listens in a hurry and mishears more.
        out=tmp_path_factory.mktemp("spoken") / "out",
        progress=False,
    )


@pytest.fixture(scope="module")
def page(spoken):
    return page_of(spoken)


def test_it_says_what_was_run_and_with_what(page):
    for told in (
        *("RealtimeSession", "ChatSession", "local-voice", "runs on this machine; nothing is billed", "2026-"),
        *("audio.output.voice: cedar", "audio.input.turn_detection.type: server_vad", f"instructions: {HOSTILE}"),
        *("seed of the conditions", "telephone", "numpy 2", "websockets", "AI-generated voices"),
    ):
        assert told in page.words, told
    assert "expires_at" not in page.words


def test_it_has_sums_differences_pictures_and_players(page):
    assert re.search(r"first audible sample, ms after the question, median", page.words)
    assert (
        "difference to realtime" in page.words and "difference to clean" in page.words and "effect size" in page.words
    )
    assert page.tags.count("figure") == 3 == page.tags.count("svg")
    assert page.tags.count("audio") == 2 * 2 * 3  # Two examples under two conditions: asked, and answered twice.
    assert page.words.count("2 plus 3 is 5.") == 8  # Once to be listened to, once among all.
    assert "keywords 0 (missing: 5)" in page.words
    assert "answered by the local voice" in page.words and "2 examples are few" in page.words


def test_it_stands_alone(page):
    assert {"script", "link", "iframe", "object", "form"}.isdisjoint(page.tags)
    assert all(link.startswith(("data:", "#")) for link in page.links)


def test_the_sound_is_bounded_and_what_is_left_out_is_said(spoken, tmp_path):
    path = spoken.report(tmp_path / "small.html", audio_mb=0.05, title="Small")
    text = path.read_text("utf-8")
    assert "<title>Small</title>" in text
    assert sum(map(len, re.findall(r"data:audio/mpeg;base64,([^\"]+)", text))) <= 50_000
    assert re.search(r"\d+ clips \(\d+ s\) are left out or cut to keep the sound of this page within 0.05 MB", text)
    assert "audio" not in page_of(spoken, path=tmp_path / "silent.html", examples=0).tags


def test_whatever_the_rows_hold_is_text(tmp_path):
    names = {"system": HOSTILE, "condition": HOSTILE, "user_text": HOSTILE, "assistant_text": HOSTILE, "heard": HOSTILE}
    rows = [row | names for row in graded_rows(3, systems=("one",), conditions=("clean",))]
    rows[0] |= {"grade_polite": 0.0, "reason_polite": HOSTILE}
    rows[1] |= {"status": "failed", "failure_stage": HOSTILE, "error_type": HOSTILE, "error_message": HOSTILE}
    rows = [row | {"cell_id": f"c{n}"} for n, row in enumerate(rows)]
    found = write_results(tmp_path, rows, conditions=(HOSTILE,), dataset=HOSTILE, stopped=HOSTILE, missing=["x"])
    page = page_of(found)
    assert {"script", "img"}.isdisjoint(page.tags) and page.words.count(HOSTILE) > 15


def test_only_sound_of_the_folder_is_on_the_page(tmp_path):
    rt.AudioClip(np.zeros(2_400, np.float32)).save(tmp_path / "private.wav")
    row = {"system": "one", "example_id": "e", "input_audio_path": str(tmp_path / "private.wav")}
    found = write_results(tmp_path / "out", [row | {"output_audio_path": "../private.wav"}])
    page = page_of(found)
    assert "audio" not in page.tags and page.words.count("its file is not in the folder") == 2


def test_failed_and_missing_answers_are_listed(tmp_path):
    rows = [
        {"system": system, "example_id": f"e{n}", "status": "failed", "failure_stage": "connect", "error_type": "Lost"}
        | {"error_message": f"no road {n}"}
        for system in ("one", "two")
        for n in range(60)
    ]
    found = write_results(tmp_path, rows, missing=["later"], stopped="max_usd=1: $0.9 are spent")
    page = page_of(found)
    assert "Not complete: 1 answers are still to be asked (max_usd=1: $0.9 are spent)" in page.words
    assert "no road 49" in page.words.split("All answers")[0] and "70 more are in results.csv" in page.words
    assert "120 answers failed" in page.words
    assert page.tags.count("svg") == 1  # The share that was answered, which is none.


def test_a_run_without_rows_has_a_page(tmp_path):
    found = write_results(tmp_path, [], systems=("one",), missing=["x"])
    assert "There are no answers yet." in page_of(found).words


def test_differences_are_paired_and_signed(tmp_path):
    found = write_results(tmp_path, graded_rows(), systems=("quick", "slow"), conditions=("clean", "telephone"))
    words = page_of(found).words
    assert "+400" in words and "+$0.0020" in words and "difference to quick" in words
    assert "intervals exclude 0; if nothing differed" in words


@pytest.mark.parametrize(
    ("options", "match"), [({"examples": -1}, "examples=-1"), ({"audio_mb": -1.0}, "audio_mb=-1.0")]
)
def test_impossible_options_are_refused(spoken, options, match):
    with pytest.raises(SettingsError, match=match):
        spoken.report(**options)


def test_a_place_that_cannot_be_written_is_named(spoken, tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere/report.html' cannot be written: there is no folder"):
        spoken.report(tmp_path / "nowhere" / "report.html")
