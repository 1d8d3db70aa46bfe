#!/usr/bin/env bash
# espeak-ng 1.52.0 (by espeakng-loader 0.2.4): from 450 words a minute on it speeds up in another way. The same text
# takes up to a tenth longer at 450 than at 449, and only at about 490 it is as fast again.
#
# You would expect that a faster speed is never slower: speak_lib.h calls 80 to 450 the values.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check espeakng-loader==0.2.4
cd "$folder"
venv/bin/python - <<'PYTHON'
import ctypes

import espeakng_loader

library = ctypes.CDLL(espeakng_loader.get_library_path())
blocks = []


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
def keep(samples, count, events):
    if count > 0:
        blocks.append(bytes(ctypes.cast(samples, ctypes.POINTER(ctypes.c_char * (2 * count))).contents))
    return 0


library.espeak_Info.restype = ctypes.c_char_p
rate = library.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0)
library.espeak_SetSynthCallback(keep)
library.espeak_SetVoiceByName(b"en")


def length_s(text, words_a_minute):
    blocks.clear()
    library.espeak_SetParameter(1, words_a_minute, 0)
    library.espeak_Synth(text, len(text) + 1, 0, 0, 0, 1, None, None)
    library.espeak_Synchronize()
    return sum(map(len, blocks)) / 2 / rate


text = b"The quick brown fox jumps over the lazy dog."
found = {speed: length_s(text, speed) for speed in (350, 400, 449, 450, 460, 480, 500)}
print(f"espeak-ng {library.espeak_Info(None).decode()}:", {speed: f"{each:.3f} s" for speed, each in found.items()})
assert found[350] > found[400] > found[449] and found[450] > 1.05 * found[449]
PYTHON
