#!/usr/bin/env bash
# google-genai 3.6.1: types.Blob, in which the Live API's sound comes, writes its data to JSON in the URL-safe alphabet.
# Python's base64.b64decode skips unknown characters: the sound comes back shorter or shifted, or the padding is wrong.
#
# You would expect the alphabet in which the API itself sends it, and which b64decode reads; the field is described as
# bytes. pydantic, which writes it, says so in the documentation of ser_json_bytes. base64.urlsafe_b64decode reads it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check google-genai==3.6.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import base64
import json
import math
import struct
from importlib.metadata import version

from google.genai import types

wrong = {"shorter": 0, "refused": 0, "right": 0}
for start in range(200):
    samples = [round(8_000 * math.sin(k / 9)) for k in range(start, start + 480)]  # 20 ms at 24 kHz.
    pcm = struct.pack("<480h", *samples)
    text = json.loads(types.Blob(data=pcm, mime_type="audio/pcm;rate=24000").model_dump_json())["data"]
    assert base64.urlsafe_b64decode(text) == pcm
    try:
        read = base64.b64decode(text)
    except ValueError:
        wrong["refused"] += 1
    else:
        wrong["right" if read == pcm else "shorter"] += 1
print(f"google-genai {version('google-genai')}, 200 frames of 20 ms read by base64.b64decode: {wrong}")
assert wrong["shorter"] > 20 and wrong["right"] < 5
PYTHON
