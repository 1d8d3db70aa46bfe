#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2): VOC with µ-law or A-law that was written with 8,000 samples has 8,001 when it is
# read; the last one, loud in µ-law (-0.98), is the file's closing zero byte. With PCM it has 8,000.
#
# You would expect that the block's length, which is told in its head, ends it in all encodings.
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

tone = 0.1 * np.sin(np.arange(8_000) / 5)
for subtype, more, last in (("PCM_U8", 0, None), ("PCM_16", 0, None), ("ULAW", 1, -0.98), ("ALAW", 1, -0.168)):
    file = io.BytesIO()
    soundfile.write(file, tone, 8_000, format="VOC", subtype=subtype)
    samples, _ = soundfile.read(io.BytesIO(file.getvalue()))
    print(f"soundfile {soundfile.__version__}, VOC {subtype}: {len(samples)} samples of 8000, the last {samples[-1]:.3f}")
    assert len(samples) == 8_000 + more and (last is None or abs(samples[-1] - last) < 0.01)
PYTHON
