#!/usr/bin/env bash
# num2words 0.5.14: -0.5 is "zero point five": each number between -1 and 0 loses its minus, in English, German, French,
# Spanish and Dutch, as a float, a Decimal or a text. -1.5 and -1 keep it, and Italian "meno zero virgola cinque" has it.
#
# You would expect "minus zero point five": nothing is raised, and its readme names no such limit. A voice reads out a
# temperature, a balance or a change in per cent with it, and half a degree of frost becomes half a degree of warmth.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check num2words==0.5.14
cd "$folder"
venv/bin/python - <<'PYTHON'
from decimal import Decimal
from importlib.metadata import version

from num2words import num2words

languages = ("en", "de", "fr", "es", "nl")
found = {language: [num2words(each, lang=language) for each in (-0.5, 0.5, -1.5)] for language in languages}
print(f"num2words {version('num2words')}, -0.5, 0.5 and -1.5:", found)
assert all(below == above for below, above, _ in found.values())
assert found["en"] == ["zero point five", "zero point five", "minus one point five"]
assert num2words(Decimal("-0.5")) == num2words("-0.5") == "zero point five"
assert num2words(-0.999) == "zero point nine nine nine" and num2words(-1) == "minus one"
assert num2words(-0.5, lang="it") == "meno zero virgola cinque"
PYTHON
