#!/usr/bin/env bash
# pydub 0.25.1: set_frame_rate drops samples without a filter before: from 48 kHz to 8 kHz a tone of 5 kHz becomes one
# of 3 kHz and one of 7 kHz becomes one of 1 kHz, each as strong as before.
#
# You would expect that frequencies above half of the new rate are filtered out, as FFmpeg, SoX, librosa and soxr do.
# Its documentation tells of a loss of quality and that a higher rate can hold higher frequencies, not that they come
# back as lower ones; ratecv of audioop, which it calls, interpolates between neighbours. An s or f, mostly above 4 kHz,
# becomes a noise in the midst of a voice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydub==0.25.1 numpy==2.2.6 'audioop-lts==0.2.2; python_version >= "3.13"'
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from pydub import AudioSegment

found = {}
for hertz in (1_000, 3_000, 5_000, 7_000):
    tone = (8_000 * np.sin(2 * np.pi * hertz * np.arange(48_000) / 48_000)).astype("<i2")
    segment = AudioSegment(tone.tobytes(), frame_rate=48_000, sample_width=2, channels=1).set_frame_rate(8_000)
    samples = np.array(segment.get_array_of_samples(), "f8")
    heard = int(np.argmax(np.abs(np.fft.rfft(samples))) * 8_000 / len(samples))
    found[hertz] = (heard, round(float(20 * np.log10(samples.std() / (8_000 / np.sqrt(2)))), 1))
print(f"pydub {version('pydub')}, tone at 48 kHz, then at 8 kHz, and by how many dB it changed:", found)
assert {hertz: heard for hertz, (heard, _) in found.items()} == {1_000: 1_000, 3_000: 3_000, 5_000: 3_000, 7_000: 1_000}
assert all(abs(change) < 0.1 for _, change in found.values())
PYTHON
