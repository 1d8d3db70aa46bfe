#!/usr/bin/env bash
# inflect 7.6.0: number_to_words drops everything that is not a digit. "1/2" is "twelve", "10:30" "one thousand and
# thirty", "1e3" "thirteen", "3,5" "thirty-five" and "-5" with a real minus sign (U+2212) "five"; "½" is "zero". Nothing
# is raised.
#
# You would expect an error, or the text itself: many normalisers use it to read numbers out, and a wrong
# number is worse than none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check inflect==7.6.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import inflect

said = {
    "1/2": "twelve",
    "10:30": "one thousand and thirty",
    "1e3": "thirteen",
    "3,5": "thirty-five",
    "\u22125": "five",
    "\u00bd": "zero",
    "none": "zero",
}
found = {text: inflect.engine().number_to_words(text) for text in said}
print(f"inflect {version('inflect')}: {found}")
assert found == said
PYTHON
