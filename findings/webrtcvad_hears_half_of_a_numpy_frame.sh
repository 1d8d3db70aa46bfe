#!/usr/bin/env bash
# webrtcvad-wheels 2.0.14.post1: of a frame that is a numpy array of int16 only the first half is heard. 20 ms are
# judged as 10 ms and without an error; a 30 ms frame is refused, and one of 40 ms, which WebRTC does not know, is
# taken.
#
# You would expect that an array is refused, or is heard like its bytes: its documentation asks for 16-bit mono PCM and
# does not name a type. Its length is taken to be a number of bytes, and is halved.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check webrtcvad-wheels==2.0.14.post1 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import webrtcvad

noise = np.random.default_rng(0).normal(0, 6_000, 160)
silence = np.zeros(160)


def heard(frame):
    detector = webrtcvad.Vad(3)
    return sum(detector.is_speech(frame, 16_000) for _ in range(50))


late = np.concatenate([silence, noise]).astype("<i2")  # 20 ms, of which the second half is loud.
early = np.concatenate([noise, silence]).astype("<i2")
found = {"bytes": (heard(early.tobytes()), heard(late.tobytes())), "array": (heard(early), heard(late))}
print(f"webrtcvad-wheels {version('webrtcvad-wheels')}, of 50 frames with a loud first or second half: {found}")
assert found == {"bytes": (50, 50), "array": (50, 0)}
try:
    webrtcvad.Vad(3).is_speech(np.zeros(480, "<i2"), 16_000)
except webrtcvad._webrtcvad.Error as error:
    print(f"30 ms as an array: {error}")
else:
    raise SystemExit("30 ms are taken now")
webrtcvad.Vad(3).is_speech(np.zeros(640, "<i2"), 16_000)
print("40 ms as an array: taken")
PYTHON
