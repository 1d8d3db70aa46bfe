#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2): a FLAC file whose STREAMINFO does not know the length, as ffmpeg and flac write
# it to a pipe (RFC 9639 §8.2: "0 means unknown"), has 9,223,372,036,854,775,807 frames, and read() fails with numpy's
# own error.
#
# You would expect that info().frames is 0 or -1 there, or counted; and that read() reads to the end. A number of
# frames that is too large fails as well, at a seek; a subclass whose seekable() returns False reads all of it.
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


class Pipe:
    """What can be written to and not gone back in, as a pipe."""

    data = b""

    def write(self, data):
        self.data += bytes(data)
        return len(data)


pipe = Pipe()
with av.open(pipe, "w", format="flac") as container:
    stream = container.add_stream("flac", rate=24_000, layout="mono", format="s16")
    frame = av.AudioFrame.from_ndarray((8_000 * np.sin(np.arange(24_000) / 5)).astype("i2")[None, :], "s16", "mono")
    frame.sample_rate = 24_000
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
about = soundfile.info(io.BytesIO(pipe.data))
assert about.frames == 2**63 - 1, about.frames
try:
    soundfile.read(io.BytesIO(pipe.data))
except ValueError as error:
    print(f"soundfile {soundfile.__version__}: info().frames == {about.frames}; read(): {error}")
else:
    raise SystemExit("read() reads it now")


class NeverSought(soundfile.SoundFile):
    def seekable(self):
        return False


try:
    soundfile.SoundFile(io.BytesIO(pipe.data)).read(40_000)
except soundfile.LibsndfileError as error:
    print(f"read(40000): {error}")
else:
    raise SystemExit("read(40000) reads it now")
samples = NeverSought(io.BytesIO(pipe.data)).read(40_000)
assert len(samples) == 24_000, len(samples)
print(f"read(40000), never sought in: {len(samples)} samples")
PYTHON
