#!/usr/bin/env bash
# FFmpeg n9.0.2 (imageio-ffmpeg 0.8.1): from WebVTT, "5&nbsp;km" becomes "5\hkm" in SRT and in WebVTT; "&lt;sigh&gt;"
# becomes "<sigh>" in WebVTT, which is a tag there, so that the word is not shown and the next conversion drops it.
#
# You would expect that a caption is the same after a copy: a no-break space (or a plain one), and "&lt;" again. "\h" is
# the no-break space of ASS, the form between FFmpeg's readers and writers, and its writers of SRT and WebVTT leave it
# as it is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check imageio-ffmpeg==0.8.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import subprocess

import imageio_ffmpeg


def converted(captions, form):
    """Return the captions of a WebVTT in a form of subtitles, by FFmpeg."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "webvtt", "-i", "-", "-f", form, "-"]
    return subprocess.run(command, input=captions, capture_output=True, check=True, text=True).stdout


captions = "WEBVTT\n\n00:00.000 --> 00:02.000\n5&nbsp;km &lt;sigh&gt; on\n"
once = converted(captions, "webvtt")
found = {
    "SRT": converted(captions, "srt").splitlines()[2],
    "WebVTT": once.splitlines()[3],
    "WebVTT of that WebVTT": converted(once, "webvtt").splitlines()[3],
}
print(f"FFmpeg {imageio_ffmpeg.get_ffmpeg_version()}, of {captions.splitlines()[3]!r}:", found)
assert found["SRT"] == found["WebVTT"] == r"5\hkm <sigh> on"
assert "sigh" not in found["WebVTT of that WebVTT"] and found["WebVTT of that WebVTT"].endswith(" on")
PYTHON
