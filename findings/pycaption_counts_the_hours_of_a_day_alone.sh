#!/usr/bin/env bash
# pycaption 2.3.14: SRTWriter and WebVTTWriter write hours modulo 24. A caption at 25:00:01.500, which SRTReader and WebVTTReader read as
# 90,001.5 s, comes back as 01:00:01,500, before the caption at 23:59:58 that precedes it. Nothing is raised.
#
# One would guess 25:00:01,500, as was read: WebVTT's hours are "two or more digits", and the record of a stream or of a room's microphone
# lasts longer than a day.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pycaption==2.3.14
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from pycaption import SRTReader, SRTWriter, WebVTTReader, WebVTTWriter

srt = "1\n23:59:58,000 --> 23:59:59,000\nGood night.\n\n2\n25:00:01,500 --> 25:00:02,000\nGood morning.\n"
print(f"pycaption {version('pycaption')}")
captions = SRTReader().read(srt)
starts_s = [caption.start / 1e6 for caption in captions.get_captions("en-US")]
print("read:", starts_s)
assert starts_s == [86_398.0, 90_001.5]
written = SRTWriter().write(captions)
print(written)
assert "23:59:58,000" in written and "01:00:01,500 --> 01:00:02,000" in written and "25:" not in written
written = WebVTTWriter().write(captions)
print(written)
assert "01:00:01.500 --> 01:00:02.000" in written and "25:" not in written
again_s = [caption.start / 1e6 for caption in WebVTTReader().read(written).get_captions("en-US")]
print("read again:", again_s)
assert again_s == [86_398.0, 3_601.5]
PYTHON
