#!/usr/bin/env bash
# opensmile 2.6.0: samples of exactly 1.0 become -32768, so that a voice limited by np.clip(voice, -1, 1) gets a spike
# at each peak: its loudness doubles, its harmonics-to-noise ratio falls. Louder samples are turned as well; nothing
# warns.
#
# You would expect that 1.0 is the loudest value of floating point, as for soundfile and librosa, and that louder ones are
# clipped: the same voice limited at 0.9999 has the features of one limited at 0.99.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check opensmile==2.6.0 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import opensmile

time_s = np.arange(32_000) / 16_000
voice = sum(np.cos(2 * np.pi * 125 * k * time_s) / k for k in range(1, 20)) * np.hanning(len(time_s))
smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
names = {"loudness_sma3_amean": "loudness", "HNRdBACF_sma3nz_amean": "HNR in dB", "shimmerLocaldB_sma3nz_amean": "shimmer in dB"}
found = {}
for limit in (0.99, 0.9999, 1.0):
    limited = np.clip(voice, -limit, limit).astype("f4")
    features = smile.process_signal(limited, 16_000).iloc[0]
    found[limit] = {word: round(float(features[name]), 2) for name, word in names.items()}
print(f"opensmile {version('opensmile')}, by the limit of the same voice: {found}")
for word in names.values():
    low, high, full = (found[limit][word] for limit in (0.99, 0.9999, 1.0))
    assert abs(high / low - 1) < 0.02 and abs(full / high - 1) > 0.04, word
assert found[1.0]["loudness"] > 2 * found[0.9999]["loudness"]
PYTHON
