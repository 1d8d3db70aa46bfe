#!/usr/bin/env bash
# deepgram-captions 2.0.0: AssemblyAIConverter takes the milliseconds of AssemblyAI's transcripts for seconds. A word said at 1.5 s is
# captioned at 00:25:00, and one said at 90 s at 01:00:00, which is 25 hours, since hours start anew after 23.
#
# You would expect 00:00:01.500 and 00:01:30: the converter is made for the responses of this service, as they come from its address, and
# "start" and "end" are in milliseconds in all of them (AssemblyAI's reference). Nothing is raised.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check deepgram-captions==2.0.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from deepgram_captions import AssemblyAIConverter, srt, webvtt


def word(text, start_ms, end_ms, speaker):
    return {"text": text, "start": start_ms, "end": end_ms, "confidence": 0.9, "speaker": speaker}


first, second = [word("Good", 1500, 1800, "A"), word("morning.", 1850, 2250, "A")], [word("Hello.", 90_000, 90_400, "B")]
response = {
    "status": "completed",
    "audio_duration": 92,
    "text": "Good morning. Hello.",
    "words": first + second,
    "utterances": [
        {"text": "Good morning.", "start": 1500, "end": 2250, "confidence": 0.9, "speaker": "A", "words": first},
        {"text": "Hello.", "start": 90_000, "end": 90_400, "confidence": 0.9, "speaker": "B", "words": second},
    ],
}
print(f"deepgram-captions {version('deepgram-captions')}")
captions = srt(AssemblyAIConverter(response))
print(captions)
assert "00:25:00,000 --> 00:37:30,000\n[speaker A]\nGood morning." in captions
assert "01:00:00,000 --> 01:06:40,000\n[speaker B]\nHello." in captions
captions = webvtt(AssemblyAIConverter({**response, "utterances": None}))
print(captions)
assert "00:25:00.000 --> 01:06:40.000" in captions
PYTHON
