#!/usr/bin/env bash
# libsndfile 1.2.2 (by soundfile 0.14.0) and FFmpeg (by PyAV 16.1.0): ALAC in CAF as FFmpeg writes it is an "unsupported
# encoding" for libsndfile, which writes and reads ALAC in CAF itself; FFmpeg reads the files of both.
#
# You would expect that two programs that know the same codec in the same container read each other's files. FFmpeg
# leaves mFormatFlags of the 'desc' chunk at 0, where libsndfile looks for the depth (1 to 4), which the 'kuki' chunk
# tells as well.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check soundfile==0.14.0 numpy==2.2.6 av==16.1.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import io
import struct

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


own = io.BytesIO()
soundfile.write(own, 0.5 * np.sin(np.arange(48_000) / 5), 48_000, format="CAF", subtype="ALAC_16")
theirs = written("caf", "alac", 48_000)
flags = [struct.unpack(">I", data[32:36])[0] for data in (own.getvalue(), theirs)]
assert len(read(own.getvalue())) == len(read(theirs)) == len(soundfile.read(io.BytesIO(own.getvalue()))[0]) == 48_000
try:
    soundfile.read(io.BytesIO(theirs))
except soundfile.LibsndfileError as error:
    print(f"soundfile {soundfile.__version__}: {error.error_string} Flags: its own {flags[0]}, FFmpeg's {flags[1]}")
    assert "unsupported encoding" in error.error_string and flags == [1, 0]
else:
    raise SystemExit("it is read now")
PYTHON
