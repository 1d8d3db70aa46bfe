#!/usr/bin/env bash
# noisereduce 3.0.3: reduce_noise makes NaN of each sample of a silent channel, such as that of a caller who is muted;
# the other channels are clean, and zeros in a pause stay zeros. With stationary=True silence stays silent.
#
# You would expect that silence has no noise to reduce and comes back as it is: the readme does not mention it, and the
# only sign is numpy's RuntimeWarning of a division. The loudness of the call, or the mean of both channels, is NaN
# then.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check noisereduce==3.0.3 numpy==2.2.6
cd "$folder"
venv/bin/python -W ignore::RuntimeWarning - <<'PYTHON'
from importlib.metadata import version

import noisereduce
import numpy as np

rate = 16_000
voice = 0.3 * np.sin(np.arange(2 * rate) / 5) + np.random.default_rng(0).normal(0, 0.01, 2 * rate)
pause = np.where(np.arange(2 * rate) < rate, voice, 0)
call = np.stack([voice, pause, np.zeros(2 * rate)])
found = {
    stationary: np.isnan(noisereduce.reduce_noise(y=call, sr=rate, stationary=stationary)).sum(axis=1).tolist()
    for stationary in (False, True)
}
print(f"noisereduce {version('noisereduce')}, NaN of {2 * rate:,} in a voice, one with a pause, silence:", found)
assert found == {False: [0, 0, 2 * rate], True: [0, 0, 0]}
PYTHON
