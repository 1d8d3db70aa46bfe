#!/usr/bin/env bash
# whisper-normalizer 0.1.15 (the English normaliser of Whisper's paper): "one two three" becomes "123" and "1 2 3" becomes
# "one 2 3"; "minus five" becomes "-5" and "-5" becomes "5"; "O'Brien" becomes "0 brien", and "(555)" becomes nothing.
#
# You would expect that texts which mean the same are equal behind a normaliser, as word error rates are counted there,
# and that names and telephone numbers are left whole. Of "one two three" against "1 2 3" the rate is 3.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check whisper-normalizer==0.1.15
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from whisper_normalizer.english import EnglishTextNormalizer

normalise = EnglishTextNormalizer()
expected = {
    "one two three": "123",
    "1 2 3": "one 2 3",
    "minus five": "-5",
    "-5": "5",
    "Mr. O'Brien": "mister 0 brien",
    "(555) 123-4567": "123 4567",
}
found = {text: normalise(text).strip() for text in expected}
print(f"whisper-normalizer {version('whisper-normalizer')}: {found}")
assert found == expected
PYTHON
