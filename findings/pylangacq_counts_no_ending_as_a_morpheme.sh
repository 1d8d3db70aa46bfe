#!/usr/bin/env bash
# pylangacq 0.23.0 (CHAT transcripts, with rustling 0.9.0): mlum(), the mean length of utterances in morphemes, counts the stems of the %mor
# tier, not the endings. "more cookies" (qn|more n|cookie-PL) has 2 morphemes and "he walked" (pro:sub|he v|walk-PAST) 2, as many as words.
# Clitics count: "he's eating" has 3. An utterance of "xxx", speech that nobody understood, has 0 morphemes and 1 word in mluw().
#
# You would expect 3, 3 and 4: plurals and past tenses are what the measure is for (Brown 1973), and the tier sets them off with a
# hyphen as affixes (MOR manual, 2.6). The documentation says "in morphemes" and no more. CLAN's mlu leaves xxx out of its counts.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pylangacq==0.23.0 rustling==0.9.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import pylangacq

header = """@UTF8
@Begin
@Languages:\teng
@Participants:\tCHI Eve Target_Child
@ID:\teng|corpus|CHI|1;06.|female|||Target_Child|||
"""
said = {
    "more cookies": "qn|more n|cookie-PL",
    "he walked": "pro:sub|he v|walk-PAST",
    "he's eating": "pro:sub|he~aux|be&3S part|eat-PRESP",
    "xxx": None,
}
found = {}
for text, tags in said.items():
    tier = "" if tags is None else f"%mor:\t{tags} .\n"
    transcript = pylangacq.CHAT.from_strs([f"{header}*CHI:\t{text} .\n{tier}@End\n"])
    found[text] = (transcript.mlum(), transcript.mluw(), [token.mor for token in transcript.utterances()[0].tokens])
print(f"pylangacq {version('pylangacq')}, morphemes, words and what it read:")
for text, each in found.items():
    print(f"{text}: {each}")
assert found["more cookies"] == ([2.0], [2.0], ["more", "cookie-PL", "."])
assert found["he walked"] == ([2.0], [2.0], ["he", "walk-PAST", "."])
assert found["he's eating"][:2] == ([3.0], [2.0])
assert found["xxx"][:2] == ([0.0], [1.0])
PYTHON
