#!/usr/bin/env bash
# FFmpeg (by PyAV 16.1.0): Opus in WebM that is shorter than one packet less its delay (312 samples), e.g. of 100
# samples, is decoded to 412 samples, of which the first 312 are the encoder's delay. The same sound in Ogg has 100, and
# longer sound in WebM is exact.
#
# You would expect that CodecDelay is trimmed off however short a file is. Here DiscardPadding, at the end of the only
# packet, and the delay, at its beginning, meet in one packet, and the latter is left in.
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


found = {
    (container, count): len(read(written(container, "libopus", count)))
    for container in ("webm", "ogg")
    for count in (100, 312, 960, 48_000)
}
print(f"PyAV {av.__version__}:", {f"{count} in {container}": samples for (container, count), samples in found.items()})
assert all(samples == count for (container, count), samples in found.items() if container == "ogg" or count > 800)
assert found["webm", 100] == 412 and found["webm", 312] == 624
PYTHON
