#!/usr/bin/env bash
# FFmpeg (by PyAV 16.1.0): the same second of AAC-LC begins 1,024 samples later in Matroska, FLV, MPEG-TS and ADTS than
# in MP4, when FFmpeg decodes it. In Matroska the first frame's time is negative (-21 ms), but its samples are there.
#
# You would expect that a container that states the encoder's delay (Matroska's CodecDelay, which is used for Opus) gets
# it trimmed, so that a file sounds at the same time in every container.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.2.6 av==16.1.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import io

import av
import numpy as np


def written(container, codec, count, rate=48_000):
    """Return a tone of 440 Hz that FFmpeg has written."""
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(count) / rate)).astype("f4")
    frame = av.AudioFrame.from_ndarray(tone[None, :], "fltp", "mono")
    frame.sample_rate, frame.pts = rate, 0
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=rate)
        for each in (*resampler.resample(frame), *resampler.resample(None)):
            output.mux(stream.encode(each))
        output.mux(stream.encode(None))
    return file.getvalue()


def read(data):
    """Return the samples that FFmpeg reads."""
    with av.open(io.BytesIO(data)) as file:
        return np.concatenate([frame.to_ndarray().reshape(-1) for frame in file.decode(audio=0)])


begins = {}
for container in ("ipod", "matroska", "flv", "mpegts", "adts"):
    samples = read(written(container, "aac", 48_000))
    begins[container] = int(np.argmax(np.abs(samples) > 0.1))
    print(f"PyAV {av.__version__}, AAC in {container}: {len(samples)} samples, heard from {begins[container]} on")
assert begins.pop("ipod") < 50 and all(1_000 < each < 1_100 for each in begins.values())
PYTHON
