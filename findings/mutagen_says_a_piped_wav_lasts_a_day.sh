#!/usr/bin/env bash
# mutagen 1.48.1 and tinytag 2.3.2: the length of a WAV of one second that FFmpeg n9.0.2 (imageio-ffmpeg 0.8.1) wrote
# into a pipe, at 24 kHz, is 89,478 seconds, a day and 51 minutes; Python's wave counts 2,147,483,647 frames. soundfile
# 0.14.0 says one second.
#
# You would expect a length from the bytes that are there, or none. A pipe cannot be turned back to write the size, so
# that the header has 0xFFFFFFFF for not known; a server that streams speech as WAV cannot know it either. Neither
# readme mentions it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mutagen==1.48.1 tinytag==2.3.2 soundfile==0.14.0 numpy==2.2.6 imageio-ffmpeg==0.8.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import io
import subprocess
import wave

import imageio_ffmpeg
import soundfile
from mutagen.wave import WAVE
from tinytag import TinyTag

command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "sine=duration=1:sample_rate=24000"]
piped = subprocess.run([*command, "-f", "wav", "-"], capture_output=True, check=True).stdout
found = {
    "mutagen": WAVE(io.BytesIO(piped)).info.length,
    "tinytag": TinyTag.get("piped.wav", file_obj=io.BytesIO(piped)).duration,
    "wave": wave.open(io.BytesIO(piped)).getnframes() / 24_000,
    "soundfile": soundfile.info(io.BytesIO(piped)).duration,
}
print(f"{len(piped):,} bytes by FFmpeg {imageio_ffmpeg.get_ffmpeg_version()}, in seconds:", found)
assert found["soundfile"] == 1
assert all(89_478 < found[each] < 89_479 for each in ("mutagen", "tinytag", "wave"))
PYTHON
