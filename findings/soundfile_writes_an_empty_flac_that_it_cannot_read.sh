#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2): FLAC, MP3 and Opus with no samples are written without an error and cannot be
# opened again; WAV, W64, ALAC and Vorbis can.
#
# You would expect that a written file can be read, with 0 samples, as in the other formats; or that writing says that
# it cannot be.
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

found = {}
for container, subtype in (
    *(("WAV", "PCM_16"), ("W64", "PCM_16"), ("CAF", "ALAC_16"), ("OGG", "VORBIS")),
    *(("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("OGG", "OPUS")),
):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(0), 24_000, format=container, subtype=subtype)
    try:
        found[container, subtype] = len(soundfile.read(io.BytesIO(file.getvalue()))[0])
    except soundfile.LibsndfileError as error:
        found[container, subtype] = error.error_string
    print(f"soundfile {soundfile.__version__}, {container} {subtype}: {len(file.getvalue())} bytes, read: {found[container, subtype]}")
assert [isinstance(each, str) for each in found.values()] == [False] * 4 + [True] * 3
PYTHON
