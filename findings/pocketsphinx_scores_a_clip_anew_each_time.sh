#!/usr/bin/env bash
# pocketsphinx 5.1.1: a decoder that hears the same clip twice, each time as a whole (full_utt=True), gives its
# hypothesis another score the second time; from then on it stays.
#
# You would expect that a clip that is given as a whole utterance is scored by itself, whatever was heard before.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pocketsphinx==5.1.1 espeakng-loader==0.2.4
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version
import ctypes

import espeakng_loader

library = ctypes.CDLL(espeakng_loader.get_library_path())
blocks = []


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
def keep(samples, count, events):
    if count > 0:
        blocks.append(bytes(ctypes.cast(samples, ctypes.POINTER(ctypes.c_char * (2 * count))).contents))
    return 0


import pocketsphinx

library.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0)
library.espeak_SetSynthCallback(keep)
library.espeak_SetVoiceByName(b"en-us")
text = b"go forward ten meters"
library.espeak_Synth(text, len(text) + 1, 0, 0, 0, 1, None, None)
library.espeak_Synchronize()
decoder = pocketsphinx.Decoder(samprate=22_050, nfft=1_024, loglevel="FATAL")
scores = []
for _ in range(4):
    decoder.start_utt()
    decoder.process_raw(b"".join(blocks), full_utt=True)
    decoder.end_utt()
    scores.append((decoder.hyp().hypstr, decoder.hyp().score))
print(f"pocketsphinx {version('pocketsphinx')}:", *scores, sep="\n")
assert scores[0][0] == scores[1][0] and scores[0][1] != scores[1][1] == scores[2][1] == scores[3][1]
PYTHON
