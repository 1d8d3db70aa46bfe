#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2): samples of Ogg Opus or Ogg Vorbis above full scale come out of
# read(dtype="int16") and "int32" with the opposite sign, as a crackle at each peak; those of MP3 are clipped.
#
# You would expect clipping in all three: soundfile sets SFC_SET_CLIPPING on every file, and libsndfile's
# documentation of it knows no exception. Lossy codecs overshoot, so that a loud voice is enough. As floating point
# nothing is lost.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check soundfile==0.14.0 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import io

import numpy as np
import soundfile

loud = np.clip(2 * np.sin(np.arange(48_000) / 40), -0.99, 0.99)  # As a compressor leaves a voice.
turned = {}
for container, subtype in (("OGG", "OPUS"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")):
    file = io.BytesIO()
    soundfile.write(file, loud, 24_000, format=container, subtype=subtype)
    floating, _ = soundfile.read(io.BytesIO(file.getvalue()))
    for kind, scale in (("int16", 2**15), ("int32", 2**31)):
        whole, _ = soundfile.read(io.BytesIO(file.getvalue()), dtype=kind)
        turned[subtype, kind] = int(np.sum(np.abs(whole / scale - np.clip(floating, -1, 1)) > 1))
print(f"soundfile {soundfile.__version__} ({soundfile.__libsndfile_version__}), samples with their sign turned:", turned)
assert all((count > 1_000) is ("MPEG" not in subtype) for (subtype, _), count in turned.items())
assert turned["MPEG_LAYER_III", "int16"] == turned["MPEG_LAYER_III", "int32"] == 0
PYTHON
