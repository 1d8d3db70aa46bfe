#!/usr/bin/env bash
# werpy 3.5.0: normalize, which its README puts before wer, removes the point inside of numbers and the sign before them: "It costs $5.00."
# and "It costs 500" are both "it costs 500", so wer counts no error. "minus" loses its sign too: "-5 degrees" is "5 degrees", and "at 5:30"
# is "at 530".
#
# One would guess that only the punctuation between words goes, as in other normalisers of the field: a hundred times the price, and the
# other sign of a temperature, are errors of recognition that matter.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check werpy==3.5.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import werpy

print(f"werpy {version('werpy')}")
pairs = [("It costs $5.00.", "It costs 500", "it costs 500"), ("-5 degrees", "5 degrees", "5 degrees"), ("at 5:30", "at 530", "at 530")]
for reference, heard, both in pairs:
    normalized = werpy.normalize(reference), werpy.normalize(heard)
    rate = werpy.wer(*normalized)
    print(f"{reference!r} against {heard!r}: {normalized}, word error rate {rate}")
    assert normalized == (both, both) and rate == 0
assert werpy.wer(werpy.normalize("It costs $5."), werpy.normalize("It costs $6.")) > 0
PYTHON
