#!/usr/bin/env bash
# wyoming 1.10.2 (the protocol of Home Assistant's voices): AudioChunkConverter mixes two channels into one by adding
# them up, so that a voice on both is twice as loud and clips from half of full scale on; back to two channels it stays
# so.
#
# You would expect the mean, as librosa and SoX make it, or at least that a chunk comes back from two channels as it
# was: the converter's documentation says nothing else.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check wyoming==1.10.2 numpy==2.2.6
cd "$folder"
venv/bin/python -W ignore::DeprecationWarning - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from wyoming.audio import AudioChunk, AudioChunkConverter

to_stereo, to_mono = AudioChunkConverter(channels=2), AudioChunkConverter(channels=1)
found = {}
for peak in (5_000, 10_000, 20_000):
    voice = np.round(peak * np.sin(np.arange(1_600) / 5)).astype("<i2")
    chunk = AudioChunk(rate=16_000, width=2, channels=1, audio=voice.tobytes())
    there_and_back = to_mono.convert(to_stereo.convert(chunk))
    found[peak] = int(np.frombuffer(there_and_back.audio, "<i2").max())
print(f"wyoming {version('wyoming')}, peak before and after two channels:", found)
assert found[10_000] > 19_900 and found[20_000] == 32_767
PYTHON
