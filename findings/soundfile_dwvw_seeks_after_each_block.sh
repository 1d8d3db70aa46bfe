#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2): AIFF with DWVW, which the library writes and says it can seek in, fails at the
# first read, although all samples can be decoded.
#
# You would expect that seekable() is true, or that a read without a seek needs none. python-soundfile seeks to the end
# of the block that it has just read, "just in case", in each file that calls itself seekable; libsndfile's DWVW decoder
# cannot seek to anywhere but the beginning. A subclass whose seekable() returns False reads the whole file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check soundfile==0.14.0 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import soundfile

soundfile.write("tone", 0.5 * np.sin(np.arange(8_000) / 5), 8_000, format="AIFF", subtype="DWVW_16")


class NeverSought(soundfile.SoundFile):
    def seekable(self):
        return False


with soundfile.SoundFile("tone") as file:
    assert file.seekable() and file.frames == 8_000
    try:
        file.read(100)
    except soundfile.LibsndfileError as error:
        print(f"soundfile {soundfile.__version__}: seekable() is True, read(100) raises {error!r}")
    else:
        raise SystemExit("DWVW is read now")
with NeverSought("tone") as file:
    samples = file.read(8_000)
assert len(samples) == 8_000 and abs(abs(samples).max() - 0.5) < 0.01
print(f"never sought in: {len(samples)} samples, peak {abs(samples).max():.3f}")
PYTHON
