#!/usr/bin/env bash
# jiwer 4.0.0: wer takes "a\tb" for one word, so that against "a b" its rate is 2.0; it treats two spaces as one, and
# ignores those at the ends.
#
# You would expect that words are split as by str.split, as the default transform is called ReduceToListOfListOfWords and
# takes away multiple spaces; texts of subtitles and spreadsheets have tabs and no-break spaces.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jiwer==4.0.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import jiwer

found = {text: jiwer.wer(text, "a b") for text in ("a  b", " a b ", "a\tb", "a\u00a0b")}
print(f"jiwer {version('jiwer')}: {found}")
assert list(found.values()) == [0, 0, 2, 2]
PYTHON
