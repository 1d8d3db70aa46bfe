#!/usr/bin/env bash
# libsndfile 1.2.2 (by soundfile 0.14.0): of a chained Ogg file, which RFC 3533 (§4) allows and internet radio sends, it
# reads the first link and reports its length as that of the file.
#
# You would expect that both links are read, as FFmpeg does with the same bytes, or that an error says there is more. The
# same holds for FLAC streams that stand one behind the other.
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

tone = 0.5 * np.sin(np.arange(24_000) / 5)
for subtype in ("VORBIS", "OPUS"):
    link = io.BytesIO()
    soundfile.write(link, tone, 24_000, format="OGG", subtype=subtype)
    chain = link.getvalue() * 2
    samples, rate = soundfile.read(io.BytesIO(chain))
    with av.open(io.BytesIO(chain), format="ogg") as container:
        frames = [(frame.samples, frame.sample_rate) for frame in container.decode(audio=0)]
    ffmpeg_s = sum(count / each for count, each in frames)
    print(f"soundfile {soundfile.__version__}, {subtype}: {len(samples) / rate:.2f} s of 2 s, no error; FFmpeg: {ffmpeg_s:.2f} s")
    assert abs(len(samples) / rate - 1) < 0.1 and abs(ffmpeg_s - 2) < 0.1
PYTHON
