#!/usr/bin/env bash
# FFmpeg (by PyAV 18.1.0): of ALAC in CAF that it has written itself it reads 23,424 of 24,000 samples, and 704 of 2,400; the same sound
# in MP4 has all. The container's length is right in both.
#
# One would guess that a lossless format has each sample that was given. The last packet of 4,096 is short, and says so itself; what
# is missing in it, which CAF's packet table has as remainder, is taken off a second time, where the packet is long enough.
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


def written(container, count, rate=24_000):
    """Return a tone that FFmpeg has written in ALAC."""
    tone = np.round(10_000 * np.sin(2 * np.pi * 440 * np.arange(count) / rate)).astype("i2")
    frame = av.AudioFrame.from_ndarray(tone[None, :], "s16p", "mono")
    frame.sample_rate, frame.pts = rate, 0
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream("alac", rate=rate, layout="mono", options={"sample_fmt": "s16p"})
        stream.codec_context.format = "s16p"
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue(), tone


def read(data):
    """Return the samples that FFmpeg reads and the length in samples that the container tells."""
    with av.open(io.BytesIO(data)) as file:
        stream = file.streams.audio[0]
        told = round(float(stream.duration * stream.time_base) * stream.rate)
        return np.concatenate([frame.to_ndarray().reshape(-1) for frame in file.decode(audio=0)]), told


for container in ("ipod", "caf"):
    for count, left in ((2_400, 704), (24_000, 23_424), (4_096, 4_096)):
        data, tone = written(container, count)
        sound, told = read(data)
        print(f"PyAV {av.__version__}, {container}: {len(sound)} of {count} samples, {told} told")
        assert told == count and (sound == tone[: len(sound)]).all()
        assert len(sound) == (left if container == "caf" else count)
PYTHON
