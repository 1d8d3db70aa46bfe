#!/usr/bin/env bash
# libsndfile 1.2.2 (by soundfile 0.14.0) and FFmpeg (by PyAV 16.1.0): FLAC in Ogg (RFC 9639 §10.1) as FFmpeg writes it
# is no file for libsndfile, "unknown error in flac decoder"; FFmpeg reads it, and libsndfile reads the same sound in
# FLAC alone.
#
# You would expect that Ogg, which libsndfile reads with Vorbis and Opus, and FLAC, which it reads as well, can be read
# together; or that the error says that they cannot.
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


alone, in_ogg = written("flac", "flac", 48_000), written("ogg", "flac", 48_000)
assert len(soundfile.read(io.BytesIO(alone))[0]) == len(read(in_ogg)) == 48_000
try:
    soundfile.read(io.BytesIO(in_ogg))
except soundfile.LibsndfileError as error:
    print(f"soundfile {soundfile.__version__}: {error.error_string}; FFmpeg: {len(read(in_ogg))} samples")
    assert "unknown error" in error.error_string
else:
    raise SystemExit("it is read now")
PYTHON
