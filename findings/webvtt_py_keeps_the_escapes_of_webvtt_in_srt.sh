#!/usr/bin/env bash
# webvtt-py 0.6.0: Caption.text removes WebVTT's tags, but leaves its escapes: "<v Ann>R&amp;D &lt; 5 %" is "R&amp;D &lt; 5 %", and
# save_as_srt writes just that into the SRT file, whose format has no such escapes.
#
# One would guess "R&D < 5 %" in both: the words are free of markup there, so who counts words or aligns them with a recogniser's meets
# "amp" and "lt", and a player shows them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check webvtt-py==0.6.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version
from pathlib import Path

import webvtt

Path("talk.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>R&amp;D &lt; 5 %</v>\n")
captions = webvtt.read("talk.vtt")
print(f"webvtt-py {version('webvtt-py')}:", captions[0].text)
assert captions[0].text == "R&amp;D &lt; 5 %"
captions.save_as_srt("talk.srt")
srt = Path("talk.srt").read_text()
print(srt)
assert "R&amp;D &lt; 5 %" in srt and "R&D" not in srt
PYTHON
