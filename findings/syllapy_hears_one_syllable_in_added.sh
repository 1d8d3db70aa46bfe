#!/usr/bin/env bash
# syllapy 0.8: "added", "treated", "biggest", "largest" and "smallest" have one syllable; "wanted", "created", "longest"
# and "fastest", two or three, are right.
#
# You would expect that regular endings are counted alike, and "added" as "wanted".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check syllapy==0.8.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import syllapy

expected = dict.fromkeys(("added", "treated", "biggest", "largest", "smallest"), 1)
expected |= {"wanted": 2, "longest": 2, "fastest": 2, "created": 3}
found = {word: syllapy.count(word) for word in expected}
print(f"syllapy {version('syllapy')}: {found}")
assert found == expected
PYTHON
