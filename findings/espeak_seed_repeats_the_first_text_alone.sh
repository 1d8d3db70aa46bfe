#!/usr/bin/env bash
# espeak-ng 1.52.0 (by espeakng-loader 0.2.4): after espeak_ng_SetRandSeed, a voice with flutter makes the same sound of
# the first text in each process. The same text a second time is another sound, though the seed, the voice and every
# parameter are set again: flutter and filters go on from text to text, and only a library loaded anew begins at their
# beginning.
#
# You would expect that the seed, set before each text, makes its sound the same each time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check espeakng-loader==0.2.4
cd "$folder"
cat > said.py <<'PYTHON'
import ctypes
import hashlib
import json

import espeakng_loader

library = ctypes.CDLL(espeakng_loader.get_library_path())
blocks = []


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
def keep(samples, count, events):
    if count > 0:
        blocks.append(ctypes.string_at(samples, 2 * count))
    return 0


library.espeak_Info.restype = ctypes.c_char_p
library.espeak_Initialize(2, 60_000, espeakng_loader.get_data_path().encode(), 0)
library.espeak_SetSynthCallback(keep)


def sound(text, voice):
    blocks.clear()
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))
    library.espeak_SetVoiceByName(voice)
    for parameter, value in ((1, 160), (2, 60), (3, 35)):
        library.espeak_SetParameter(parameter, value, 0)
    library.espeak_Synth(text, len(text) + 1, 0, 0, 0, 1, None, None)
    library.espeak_Synchronize()
    return hashlib.sha256(b"".join(blocks)).hexdigest()[:12]


text = b"The quick brown fox jumps over the lazy dog."
print(json.dumps([library.espeak_Info(None).decode(), [sound(text, b"en-us+f5") for _ in range(3)]]))
PYTHON
venv/bin/python said.py > first.json
venv/bin/python said.py > second.json
venv/bin/python - <<'PYTHON'
import json

(version, first), (_, second) = (json.load(open(name)) for name in ("first.json", "second.json"))
print(f"espeak-ng {version}: one process {first}, another {second}")
assert first[0] == second[0], "the first text is no longer the same in each process"
assert len(set(first)) == 3, "the same text is now the same sound within a process"
PYTHON
