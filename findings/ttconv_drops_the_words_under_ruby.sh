#!/usr/bin/env bash
# ttconv 1.2.3 (subtitle formats, by the model of TTML): from WebVTT or IMSC into SRT and WebVTT, a word that has a reading above it
# (ruby, furigana) is dropped, and not only its reading: "hello Frau Müller" becomes "hello  Müller". TTML keeps it, so it was read.
#
# One would guess that a format without ruby gets the word alone, or the word and its reading in brackets. Its readme says nothing of
# ruby; its tracker knows that ruby is not written as WebVTT, not that words are lost. No warning comes, and each cue is there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ttconv==1.2.3
cd "$folder"
venv/bin/python - <<'PYTHON'
import contextlib
import io
import logging
import xml.etree.ElementTree as et
from importlib.metadata import version

import ttconv.imsc.reader as imsc_reader
import ttconv.imsc.writer as imsc_writer
import ttconv.srt.writer as srt_writer
import ttconv.vtt.reader as vtt_reader
import ttconv.vtt.writer as vtt_writer

logged = io.StringIO()
logging.basicConfig(stream=logged, level=logging.WARNING)
CUES = """WEBVTT

00:01.000 --> 00:02.000
hello <ruby>Frau<rt>Mrs</rt></ruby> Müller

00:03.000 --> 00:04.000
<ruby>漢字<rt>かんじ</rt></ruby>を読む
"""
IMSC = """<tt xmlns="http://www.w3.org/ns/ttml" xmlns:tts="http://www.w3.org/ns/ttml#styling" xml:lang="ja">
<head><layout><region xml:id="r" tts:extent="100% 20%" tts:origin="0% 80%"/></layout></head>
<body region="r"><div><p begin="3s" end="4s"><span tts:ruby="container"><span tts:ruby="base">漢字</span><span
tts:ruby="text">かんじ</span></span>を読む</p></div></body></tt>"""

with contextlib.redirect_stdout(io.StringIO()):
    cues = vtt_reader.to_model(io.StringIO(CUES))
    imsc = imsc_reader.to_model(et.ElementTree(et.fromstring(IMSC)))
    as_srt, as_vtt, imsc_as_srt = srt_writer.from_model(cues), vtt_writer.from_model(cues), srt_writer.from_model(imsc)
    as_ttml = "".join(imsc_writer.from_model(cues).getroot().itertext())
print(f"ttconv {version('ttconv')}, as SRT:", as_srt, "from IMSC:", imsc_as_srt, f"as TTML: {as_ttml}", sep="\n")
assert as_srt.count("-->") == 2 and "hello  Müller" in as_srt and "\nを読む" in as_srt
assert "\nを読む" in imsc_as_srt
for text in (as_srt, as_vtt, imsc_as_srt):
    assert "Frau" not in text and "Mrs" not in text and "漢字" not in text
assert "Frau" in as_ttml and "漢字" in as_ttml
assert logged.getvalue() == ""
PYTHON
