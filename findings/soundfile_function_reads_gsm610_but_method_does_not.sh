#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2): soundfile.read(file) reads WAV with GSM 6.10; SoundFile(file).read() raises for the
# same bytes.
#
# You would expect that the function is the method in short, as for all usual files. libsndfile calls GSM 6.10 (and NMS
# ADPCM, G.721, XI) not seekable; the function asks for the length that the header states, the method asks for "all" and
# is refused. Reading in blocks until one is short gives all of the sound.
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

tone = 0.5 * np.sin(np.arange(8_000) / 5)
for container, subtype in (("WAV", "GSM610"), ("AU", "G721_32"), ("WAV", "NMS_ADPCM_16"), ("XI", "DPCM_16")):
    file = io.BytesIO()
    soundfile.write(file, tone, 8_000, format=container, subtype=subtype)
    by_function = len(soundfile.read(io.BytesIO(file.getvalue()))[0])
    with soundfile.SoundFile(io.BytesIO(file.getvalue())) as opened:
        try:
            opened.read()
        except ValueError as error:
            by_method = str(error)
        else:
            raise SystemExit(f"SoundFile.read() reads {subtype} now")
    print(f"soundfile {soundfile.__version__}, {container} {subtype}: read(): {by_function} samples; SoundFile.read(): {by_method}")
    assert by_function >= 8_000
PYTHON
