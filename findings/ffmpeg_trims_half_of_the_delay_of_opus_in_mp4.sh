#!/usr/bin/env bash
# FFmpeg (by PyAV 18.1.0): Opus that was made of 24 kHz sound begins 3.25 ms late when it is in MP4, and 5.4 ms late from 8 kHz; from
# 48 kHz it is in time, and in Ogg and WebM it is so from each rate.
#
# One would guess that the container does not move a sound, and that Opus, which is decoded at 48 kHz always, has the same delay
# trimmed (312 samples) whatever it was made of. FFmpeg counts it at the rate of the source and trims as many at 48 kHz.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import io

import av
import numpy as np


def late(container, rate):
    """Return by how many samples at 48 kHz a click-free onset is late."""
    time = np.arange(rate) / rate
    tone = (0.5 * np.sin(2 * np.pi * 440 * time) * (time >= 0.5)).astype("f4")
    frame = av.AudioFrame.from_ndarray(tone[None, :], "fltp", "mono")
    frame.sample_rate, frame.pts = rate, 0
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream("libopus", rate=rate, layout="mono")
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=rate)
        for each in (*resampler.resample(frame), *resampler.resample(None)):
            output.mux(stream.encode(each))
        output.mux(stream.encode(None))
    with av.open(io.BytesIO(file.getvalue())) as opened:
        sound = np.concatenate([frame.to_ndarray().reshape(-1) for frame in opened.decode(audio=0)])
    return int(np.argmax(np.abs(sound) > 0.1)) - 24_000


found = {(container, rate): late(container, rate) for container in ("ogg", "webm", "mp4") for rate in (8_000, 24_000, 48_000)}
print(f"PyAV {av.__version__}, samples late at 48 kHz:", found)
for (container, rate), samples in found.items():
    delay = 312 - 312 * rate // 48_000 if container == "mp4" else 0
    assert abs(samples - delay) < 20, (container, rate, samples)
PYTHON
