"""A saved notebook without kernel and without scripts: what its reader still sees and hears."""

import axe
import nbformat
import numpy as np
import pytest
import record_samples as samples
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook, new_output
from playwright.sync_api import expect
from test_difference import talk
from test_recording_view import recorded
from test_results_look import results
from test_timeline import several
from test_watched import watch

import realtime_nb as rt
from realtime_nb.media.clip import AudioClip
from realtime_nb.speech.comparison import Comparison, ComparisonCell
from realtime_nb.views import mimebundle
from realtime_nb.views.conversation import conversation_outputs
from realtime_nb.views.spectrogram import spectrogram


@pytest.fixture
def read(browser, tmp_path):
    """Save a notebook, convert the file as `jupyter nbconvert --to html` does, and open it; no network."""
    contexts = []

    def open_page(bundles, theme="light", **options):
        cell = new_code_cell("conversation", outputs=[new_output("display_data", data=dict(b)) for b in bundles])
        nbformat.write(new_notebook(cells=[cell]), tmp_path / "saved.ipynb")
        markup, _ = HTMLExporter(theme=theme).from_filename(str(tmp_path / "saved.ipynb"))
        (tmp_path / "saved.html").write_text(markup, "utf-8")
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.route("http*://**", lambda route: route.abort())
        page.goto((tmp_path / "saved.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


def durations(page):
    """Return the length in s of every player, as the browser understood it."""
    ready = "() => [...document.querySelectorAll('audio')].every((audio) => audio.readyState >= 1)"
    page.wait_for_function(ready)
    return page.evaluate("() => [...document.querySelectorAll('audio')].map((audio) => audio.duration)")


def comparison():
    clips = {f"<b>{name}</b>": AudioClip(0.1 * np.sin(np.arange(24_000) / 9)) for name in ("one", "two")}
    cells = [
        ComparisonCell(
            system=system,
            clip=clip,
            repeat=0,
            reply=samples.HOSTILE,
            audio=clips[clip],
            first_audio_ms=200.0,
            done_ms=900.0,
        )
        for system in (samples.HOSTILE, "$x_2$")
        for clip in clips
    ]
    return Comparison(cells=cells, clips=clips, words_only=[])


def test_without_scripts_the_record_of_a_conversation_is_there(read):
    page = read(conversation_outputs(samples.conversation()), java_script_enabled=False)
    for text in ("What time is it?", "It is ten past nine.", "AI-generated voice", "$0.0103"):
        expect(page.get_by_text(text).first).to_be_visible()
    expect(page.locator("audio")).to_be_visible()
    expect(page.locator("img")).to_be_visible()
    assert page.locator("img").bounding_box()["width"] > 300
    expect(page.locator("table").first).to_be_visible()


def test_players_play_what_was_said(read):
    conversation = samples.conversation()
    reply = conversation.replies[0]
    clip = AudioClip(np.sin(np.arange(36_000) / 9))
    page = read(map(mimebundle, (clip, reply, conversation)))
    assert durations(page) == pytest.approx([1.5, 0.6, 0.6], abs=0.05)


@pytest.mark.parametrize("scripts", [True, False])
def test_nothing_that_was_said_is_markup(read, scripts):
    conversation = samples.hostile_conversation()
    records = [conversation, *conversation.turns, *conversation.replies, comparison()]
    records.append(spectrogram(conversation.replies[0]))
    page = read(map(mimebundle, records), java_script_enabled=scripts)
    assert page.get_by_text(samples.HOSTILE).count() > len(conversation.turns)
    outputs = page.locator(".jp-OutputArea")
    assert outputs.locator("script").count() == 0
    assert outputs.locator("img[onerror], img[src=x]").count() == 0


def test_no_dollar_sign_is_where_mathjax_reads(read, bundles):
    page = read([*bundles.values(), mimebundle(rt.estimate(5, 5)), mimebundle(rt.Cost(output_usd=0.3))])
    read_by_mathjax = """() => {
      const found = [];
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const ignored = node.parentElement.closest("script, style, pre, .tex2jax_ignore.mathjax_ignore");
        if (node.data.includes("$") && !ignored) found.push(node.data);
      }
      return found;
    }"""
    assert page.get_by_text("$").count() > 20 and page.evaluate(read_by_mathjax) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_record_fits_a_narrow_page(read, scheme):
    page = read([mimebundle(samples.conversation())], viewport={"width": 400, "height": 800}, color_scheme=scheme)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 400


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """One of each record, as a notebook saves it."""
    conversation = samples.conversation()
    hostile = samples.hostile_conversation()
    reply = conversation.replies[0]
    recording = recorded(tmp_path_factory.mktemp("recording"))
    spoken = rt.speak("How is the weather?")
    records = {
        "conversation": conversation,
        "what happened": hostile,
        "turn": hostile.turns[1],
        "reply": reply,
        "usage": reply.usage,
        "cost": reply.cost,
        "timing": reply.timing,
        "clip": AudioClip(np.sin(np.arange(36_000) / 9)),
        "picture": watch(1).frames[0],
        "watch": watch(8, problem="no picture"),
        "spectrogram": spectrogram(reply),
        "costs": conversation.costs(),
        "elsewhere": conversation.costs().on(),
        "estimate": rt.estimate(5, 5),
        "timeline": several(3),
        "comparison": comparison(),
        "difference": rt.diff(talk(("Hi", "Hello.")), talk(("Hey", "Hello there."))),
        "recording": recording,
        "replay": recording.replay(),
        "practice": rt.practice("How is the weather?", spoken, spoken, heard="how was the weather"),
        "results": results(tmp_path_factory.mktemp("results")),
    }
    return {name: record._repr_mimebundle_() for name, record in records.items()}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_any_record_however_narrow_the_page(read, bundles, theme):
    page = read(bundles.values(), theme)
    assert page.locator(".jp-OutputArea-output").count() == len(bundles)
    assert "\n".join(axe.faults(page, ".jp-OutputArea")) == ""
    page.set_viewport_size({"width": 320, "height": 800})
    assert "\n".join(axe.faults(page, ".jp-OutputArea")) == ""
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 320
    # The letters in pictures can still be read: each scrolls, with the turns above it.
    charts = page.locator(".jp-OutputArea [role=group] img[style*=min-width]")
    widths = charts.evaluate_all("(images) => images.map((image) => image.getBoundingClientRect().width)")
    assert len(widths) >= 8 and min(widths) >= 480, widths
