#!/usr/bin/env bash
# librosa 0.11.0: pyin of a pure tone of 500 Hz with fmax=450 says 250 Hz, voiced, in nearly every frame; with fmax=600
# it says 500 Hz.
#
# You would expect that a pitch outside fmin to fmax is unvoiced (nan), or at least improbable. A tone that repeats
# every 2 ms repeats every 4 ms as well, and that is within the range.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check librosa==0.11.0 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import librosa
import numpy as np

rate = 24_000
tone = 0.5 * np.sin(2 * np.pi * 500 * np.arange(rate) / rate)
for fmax, expected in ((600, 500), (450, 250)):
    pitch, voiced, probability = librosa.pyin(tone, fmin=65, fmax=fmax, sr=rate)
    print(
        f"librosa {librosa.__version__}, 500 Hz, fmax={fmax}: {np.nanmedian(pitch):.0f} Hz, "
        f"voiced in {voiced.mean():.0%} of the frames, probability {np.median(probability):.2f}"
    )
    assert abs(np.nanmedian(pitch) - expected) < 3 and voiced.mean() > 0.9
PYTHON
