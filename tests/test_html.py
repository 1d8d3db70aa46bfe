import base64
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_nb.audio import AudioClip
from realtime_nb.views import html


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("\" onerror='x'", "&quot; onerror=&#x27;x&#x27;"),
        ("a & b", "a &amp; b"),
        (42, "42"),
        (None, "None"),
    ],
)
def test_text_is_made_safe(text, safe):
    assert html.escape(text) == safe


@given(st.text())
def test_no_text_gets_out_of_its_place(text):
    for markup in (
        html.facts([(text, text)]),
        html.table([text], [[html.escape(text)]]),
        html.saying(text, text, remark=text),
        html.section(title=text),
        html.picture(b"png", text),
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
        }
        assert set(re.findall(r'\s(\w+)="', re.sub(r'"[^"]*"', '""', markup))) <= {"style", "alt", "src"}


def test_a_player_holds_the_clip_compressed():
    markup = html.player(AudioClip(0.1 * np.sin(np.arange(24_000)), 24_000))
    kind, data = re.search(r'src="data:(audio/\w+);base64,([^"]+)"', markup).groups()
    assert kind == "audio/mpeg"
    assert AudioClip.from_bytes(base64.b64decode(data)).duration_s == pytest.approx(1, abs=0.03)
    assert "controls" in markup and "autoplay" not in markup


@pytest.mark.parametrize("rate", [1_000, 8_000, 96_000])
def test_a_clip_of_any_rate_can_be_played(rate):
    assert "<audio" in html.player(AudioClip(np.zeros(rate), rate))


@pytest.mark.parametrize("clip", [None, AudioClip(np.zeros(0))])
def test_a_player_without_audio_says_so(clip):
    assert "no audio" in html.player(clip)
    assert "<audio" not in html.player(clip)


def test_the_pieces_fit_together():
    block = html.section(html.saying("You", "Hi"), html.table(("a", "b"), [("1", "2")]), title="Title")
    for tag in ("div", "table", "thead", "tbody", "tr", "td", "th", "strong"):
        assert block.count(f"<{tag}") - (block.count("<thead") if tag == "th" else 0) == block.count(f"</{tag}>")
    assert "Title" in block and "(no words)" in html.saying("You", "")
