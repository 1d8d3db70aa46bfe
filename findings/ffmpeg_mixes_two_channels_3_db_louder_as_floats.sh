#!/usr/bin/env bash
# FFmpeg (by PyAV 16.1.0): two equal channels become one of the same strength if it is asked for as s16 or s32, and one
# 3 dB louder, above full scale, if it is asked for as flt or fltp. One channel becomes two that are 3 dB softer in all
# of them.
#
# You would expect that a sample format says how numbers are written, not how loud they are: the resampler's documentation
# names the mixing levels without it. The same call, with a voice that is on both channels, feeds a detector of speech or
# a loudness meter 3 dB more once its author moves from integers to floats.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.2.6 av==16.1.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import math

import av
import numpy as np

SCALE = {"s16": 2**15, "s32": 2**31, "flt": 1, "fltp": 1}
tone = (0.8 * 2**15 * np.sin(np.arange(24_000) / 5)).astype("i2")


def peak(samples, layout, wanted_layout, wanted_format):
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", layout)
    frame.sample_rate = 24_000
    resampler = av.AudioResampler(format=wanted_format, layout=wanted_layout, rate=24_000)
    made = [each.to_ndarray() for each in resampler.resample(frame) + resampler.resample(None)]
    return max(np.abs(each.astype("f8")).max() for each in made) / SCALE[wanted_format] / 0.8


downward = {each: round(float(peak(np.repeat(tone, 2), "stereo", "mono", each)), 3) for each in SCALE}
upward = {each: round(float(peak(tone, "mono", "stereo", each)), 3) for each in SCALE}
print(f"PyAV {av.__version__}, libswresample {'.'.join(map(str, av.library_versions['libswresample']))}")
print("two equal channels to one:", downward)
print("one channel to two:", upward)
assert all(math.isclose(downward[each], 1, abs_tol=0.002) for each in ("s16", "s32"))
assert all(math.isclose(downward[each], math.sqrt(2), abs_tol=0.002) for each in ("flt", "fltp"))
assert all(math.isclose(each, math.sqrt(0.5), abs_tol=0.002) for each in upward.values())
PYTHON
