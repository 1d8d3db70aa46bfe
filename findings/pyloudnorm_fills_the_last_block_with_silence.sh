#!/usr/bin/env bash
# pyloudnorm 0.2.0: a steady tone of 0.46 or 0.55 s is measured 0.2 LU quieter than the same tone of 0.45, 0.52 or 10 s.
#
# You would expect that the length of a steady tone does not matter: ITU-R BS.1770-4 (annex 1) does not
# use a gating block that is not whole at the end; here it counts, as if silence filled it up to 400 ms.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyloudnorm==0.2.0 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import pyloudnorm

rate = 48_000


def loudness(length_s):
    tone = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(round(length_s * rate)) / rate)
    return pyloudnorm.Meter(rate).integrated_loudness(tone)


off = {length_s: float(loudness(length_s) - loudness(10)) for length_s in (0.4, 0.45, 0.46, 0.52, 0.55, 0.65)}
print(f"pyloudnorm {version('pyloudnorm')}:", {length_s: f"{each:+.2f} LU" for length_s, each in off.items()})
assert off[0.46] < -0.2 and off[0.55] < -0.15 and all(abs(off[each]) < 0.01 for each in (0.4, 0.45, 0.52, 0.65))
PYTHON
