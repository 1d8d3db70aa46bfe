import base64
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_nb.media.clip import AudioClip
from realtime_nb.views import html
from realtime_nb.views.budget import AudioBudget


def test_text_is_escaped_once_and_html_is_not():
    inner = html.note("a < b & c")
    for around in (
        html.section(inner),
        html.folded("Words", inner),
        html.table(["x"], [[inner]]),
        html.saying("You", "Hi", more=inner),
        html.page("Report", [("Words", inner)]),
        html.wide(inner),
        html.joined([inner, "text"]),
    ):
        assert around.count("a &lt; b &amp; c") == 1 and str(inner) in around


@given(st.text())
def test_no_text_gets_out_of_its_place(text):
    for markup in (
        html.facts([(text, text)]),
        html.table([text], [[text]]),
        html.saying(text, text, remark=text),
        html.section(text, title=text),
        html.folded(text, text),
        html.page(text, [(text, text)], lead=text),
        html.link(Path(text.replace("\0", "") or "."), text),
        html.bullets([text]),
        html.joined([text]),
        html.picture(b"png", text),
        html.unbroken(text),
    ):
        assert set(re.findall(r"<(\w+)", markup)) <= {
            "div",
            "span",
            "strong",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "br",
            "img",
            *("details", "summary", "ul", "li", "a"),
            *("html", "head", "meta", "title", "style", "body", "h1", "section", "h2"),
        }
        assert set(re.findall(r'\s(\w+)="', re.sub(r'"[^"]*"', '""', markup))) <= {
            "class",
            "style",
            "alt",
            "src",
            "role",
            "tabindex",
            *("label", "href", "target", "lang", "charset", "name", "content", "equiv"),
        }


def test_a_player_holds_the_clip_compressed():
    markup = html.player(AudioClip(0.1 * np.sin(np.arange(24_000)), 24_000), AudioBudget())
    kind, data = re.search(r'src="data:(audio/\w+);base64,([^"]+)"', markup).groups()
    assert kind == "audio/mpeg"
    assert AudioClip.from_bytes(base64.b64decode(data)).duration_s == pytest.approx(1, abs=0.03)
    assert "controls" in markup and "autoplay" not in markup


@pytest.mark.parametrize("rate", [1_000, 8_000, 96_000])
def test_a_clip_of_any_rate_can_be_played(rate):
    assert "<audio" in html.player(AudioClip(np.zeros(rate), rate), AudioBudget())


@pytest.mark.parametrize("clip", [None, AudioClip(np.zeros(0))])
def test_a_player_without_audio_says_so(clip):
    assert "no audio" in html.player(clip, AudioBudget())
    assert "<audio" not in html.player(clip, AudioBudget())


def test_what_is_left_out_is_said_with_the_ways_to_it():
    budget = AudioBudget(0.1)
    noise = AudioClip(np.random.default_rng(0).uniform(-0.5, 0.5, 24_000 * 70))
    first, second = html.player(noise, budget), html.player(noise, budget)
    assert re.search(r"the first \d+ of 70 s", first)
    assert second.endswith("70.0 s of audio, left out</span>") and "<audio" not in second
    note = html.left_out(budget, 'clip.save("a<b")')
    assert re.search(r">2 min \d+ s of audio in 2 places left out to keep this output within 0\.1 MB\.", note)
    assert "All of it: clip.save(&#34;a&lt;b&#34;)." in note and "display_options.audio_mb" in note


def test_nothing_is_said_where_all_is_there():
    budget = AudioBudget()
    html.player(AudioClip(np.zeros(2_400)), budget)
    assert html.left_out(budget, "anywhere") == ""


@pytest.mark.parametrize(
    ("text", "label"),
    [("$x^2$", r"\$x^2\$"), ("costs 5$", r"costs 5\$"), ("two\nlines", "two lines"), ("<b>", "<b>")],
)
def test_a_label_of_a_picture_is_text(text, label):
    assert html.escape_label(text) == label


def test_the_pieces_fit_together():
    block = html.section(html.saying("You", "Hi"), html.table(("a", "b"), [("1", "2")]), title="Title")
    for tag in ("div", "table", "thead", "tbody", "tr", "td", "th", "strong"):
        assert block.count(f"<{tag}") - (block.count("<thead") if tag == "th" else 0) == block.count(f"</{tag}>")
    assert "Title" in block and "(no words)" in html.saying("You", "")
