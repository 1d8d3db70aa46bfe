#!/usr/bin/env bash
# pedalboard 0.9.26: GSMFullRateCompressor, which makes a voice sound like a mobile phone, gives no sound at all of a stream in chunks of up
# to 20 ms with reset=False: each sample is below 0.001. In chunks of 40 ms a quarter of a tone is so, and of 100 ms a tenth. As a whole
# the same tone is there throughout.
#
# You would expect the same sound as in one piece, after a delay: reset=False is, by the documentation, for many calls that process the same
# sound, and Resample and MP3Compressor, which keep sound back too, give it so. 20 ms is a frame of GSM and a packet of a call. The length
# is right and nothing is raised.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pedalboard==0.9.26 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from pedalboard import GSMFullRateCompressor, MP3Compressor, Resample

rate = 8_000
tone = (0.3 * np.sin(2 * np.pi * 300 * np.arange(4 * rate) / rate)).astype(np.float32)


def streamed(plugin, chunk_ms):
    size = rate * chunk_ms // 1_000
    return np.concatenate([plugin(tone[k : k + size], rate, reset=False) for k in range(0, len(tone), size)])


def silent_share(y):
    """Return how much of the second before the last is below 0.001, in pieces of 1 ms."""
    pieces = y[2 * rate : 3 * rate].reshape(-1, rate // 1_000)
    return float((np.abs(pieces).max(axis=1) < 0.001).mean())


found = {"GSM, whole": silent_share(GSMFullRateCompressor()(tone, rate))}
for name, plugin in (("GSM", GSMFullRateCompressor), ("MP3", MP3Compressor), ("Resample", lambda: Resample(rate / 2))):
    for chunk_ms in (10, 20, 40, 100):
        y = streamed(plugin(), chunk_ms)
        assert len(y) > len(tone) - 0.6 * rate
        found[f"{name}, {chunk_ms} ms"] = silent_share(y)
for name, share in found.items():
    print(f"pedalboard {version('pedalboard')}, {name}: {share:.0%} of a tone is silent")
assert found["GSM, 10 ms"] == found["GSM, 20 ms"] == 1
assert 0.2 < found["GSM, 40 ms"] < 0.6 and 0.05 < found["GSM, 100 ms"] < 0.3
assert all(share == 0 for name, share in found.items() if name not in {f"GSM, {ms} ms" for ms in (10, 20, 40, 100)})
PYTHON
