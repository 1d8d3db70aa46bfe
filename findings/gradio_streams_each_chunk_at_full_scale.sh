#!/usr/bin/env bash
# gradio 6.31.0: Audio(streaming=True) brings each chunk of floats that a function yields to full scale by itself: the
# breath between two words, 46 dB below them, is as loud as they are. Chunks of int16 are sent as they are.
#
# You would expect that the chunks of one stream keep their levels, as int16 does. The documentation says that a numpy
# array is normalised by its peak, against clipping: of all dtypes, and not that a chunk of a stream, or what is far
# from clipping, counts as one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gradio==6.31.0 numpy==2.2.6 'audioop-lts==0.2.2; python_version >= "3.13"'
cd "$folder"
GRADIO_TEMP_DIR="$folder/cache" GRADIO_ANALYTICS_ENABLED=False venv/bin/python -W ignore - <<'PYTHON'
import wave

import gradio
import numpy as np

wave_of = np.sin(np.arange(4_800) / 5)
output = gradio.Audio(streaming=True)


def sent_peak(chunk):
    """Return the peak of a chunk as the stream has it, before it is encoded."""
    with wave.open(output.postprocess((24_000, chunk)).path) as file:
        return int(np.abs(np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(int)).max())


found = {}
for name, peak in {"word": 0.2, "breath": 0.001, "next word": 0.1}.items():
    samples = peak * wave_of
    found[name] = (sent_peak(samples.astype("f4")), sent_peak((samples * 32_767).astype("i2")))
print(f"gradio {gradio.__version__}, peak that is sent of a chunk of floats and of the same in int16:", found)
assert all(of_floats >= 32_766 for of_floats, _ in found.values())
assert [of_integers for _, of_integers in found.values()] == [6_553, 32, 3_276]
PYTHON
