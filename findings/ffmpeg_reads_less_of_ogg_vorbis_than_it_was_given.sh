#!/usr/bin/env bash
# FFmpeg (by PyAV 16.1.0) and libsndfile 1.2.2 (by soundfile 0.14.0): of 1 s in Ogg Vorbis at 48 kHz that FFmpeg has
# written, FFmpeg reads 47,872 samples, from time 128 on, and libsndfile all 48,000; of 1 s at 8 kHz that libsndfile has
# written, FFmpeg reads 8,192 samples and libsndfile 8,000.
#
# You would expect that both read what was written: Vorbis tells in the granule position of its last page where it ends,
# and the samples before the first page's are those that are to be left out.
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


theirs = written("ogg", "libvorbis", 48_000)
own = io.BytesIO()
soundfile.write(own, 0.5 * np.sin(np.arange(8_000) / 5), 8_000, format="OGG", subtype="VORBIS")
found = [(len(read(data)), len(soundfile.read(io.BytesIO(data))[0])) for data in (theirs, own.getvalue())]
print(f"PyAV {av.__version__}, soundfile {soundfile.__version__}; FFmpeg and libsndfile read (of 48000, of 8000): {found}")
assert found == [(47_872, 48_000), (8_192, 8_000)]
PYTHON
