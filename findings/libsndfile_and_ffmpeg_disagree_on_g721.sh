#!/usr/bin/env bash
# libsndfile 1.2.2 (by soundfile 0.14.0) and FFmpeg (by PyAV 16.1.0): G.721 and G.723 in WAV and AU, as libsndfile
# writes them, are decoded by both without an error; libsndfile gives back the tone, FFmpeg one with a third to a half
# of its strength in noise.
#
# You would expect that two decoders of a standard, of which each says that it knows the file, agree.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check soundfile==0.14.0 numpy==2.2.6 av==16.1.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import io

import av
import numpy as np
import soundfile

tone = 0.5 * np.sin(np.arange(8_000) / 5)
for container, subtype in (("AU", "G721_32"), ("AU", "G723_24"), ("AU", "G723_40"), ("WAV", "G721_32")):
    file = io.BytesIO()
    soundfile.write(file, tone, 8_000, format=container, subtype=subtype)
    by_libsndfile, _ = soundfile.read(io.BytesIO(file.getvalue()))
    with av.open(io.BytesIO(file.getvalue())) as opened:
        by_ffmpeg = np.concatenate([frame.to_ndarray().reshape(-1) for frame in opened.decode(audio=0)]) / 32768
    noise = [np.std(each[:8_000] - tone) / np.std(tone) for each in (by_libsndfile, by_ffmpeg)]
    print(f"{container} {subtype}: noise by libsndfile {noise[0]:.2f}, by FFmpeg {noise[1]:.2f} of the tone")
    assert noise[0] < 0.1 and noise[1] > 0.2
PYTHON
