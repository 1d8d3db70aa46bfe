#!/usr/bin/env bash
# pysubs2 1.8.1: SRT, WebVTT and Whisper's segments that say "Dear {name}, see C:\new" are written as "Dear , see C:"
# and a line "ew".
#
# You would expect that braces and backslashes are text where the format has no meaning for them, or are escaped. They
# are taken for the tags of ASS, the form that it keeps a line in; keep_ssa_tags=True keeps the braces, and documents
# itself as for such tags.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pysubs2==1.8.1
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import pysubs2

said = r"Dear {name}, see C:\new"
read = {
    "srt": pysubs2.SSAFile.from_string(f"1\n00:00:00,000 --> 00:00:02,000\n{said}\n"),
    "vtt": pysubs2.SSAFile.from_string(f"WEBVTT\n\n00:00.000 --> 00:02.000\n{said}\n"),
    "whisper": pysubs2.load_from_whisper([{"start": 0.0, "end": 2.0, "text": said}]),
}
found = {
    source: subtitles.to_string("vtt" if source == "vtt" else "srt").split("2.000\n" if source == "vtt" else "2,000\n")[1]
    for source, subtitles in read.items()
}
print(f"pysubs2 {version('pysubs2')}: {found}")
assert all(each.strip() == "Dear , see C:\new" for each in found.values())
PYTHON
