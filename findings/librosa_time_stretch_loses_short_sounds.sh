#!/usr/bin/env bash
# librosa 0.11.0: effects.time_stretch at twice the speed makes a burst of 0.1 s among silence 5 dB quieter, as energy
# over its (halved) length; a steady tone keeps its level.
#
# You would expect that a change of speed keeps the level, as for the steady tone. The phase vocoder takes every other
# frame of 2,048 samples, which are as long as the burst.
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
steady = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)
burst = steady * ((np.arange(2 * rate) >= rate // 2) & (np.arange(2 * rate) < rate // 2 + 2_400))
lost = {
    name: 10 * np.log10(np.sum(librosa.effects.time_stretch(samples, rate=2.0) ** 2) / (np.sum(samples**2) / 2))
    for name, samples in {"steady": steady, "burst": burst}.items()
}
print(f"librosa {librosa.__version__}:", {name: f"{each:+.1f} dB" for name, each in lost.items()})
assert abs(lost["steady"]) < 1 and lost["burst"] < -4
PYTHON
