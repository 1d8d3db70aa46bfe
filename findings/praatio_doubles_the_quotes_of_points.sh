#!/usr/bin/env bash
# praatio 6.2.2: a point that is labelled he said "yes" is he said ""yes"" when praatio reads the long TextGrid that it has written
# itself, and has four quotes on each side after the next turn. Intervals, and points in a short TextGrid, come back as they were.
#
# One would guess that the label is the same in each tier and each of its formats: Praat doubles a quote within a label, and a
# reader halves it again. What a label says is then other words for a search or an error rate.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check praatio==6.2.2
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from praatio import textgrid

label = 'he said "yes"'


def turned(tier, form, label, times=1):
    """Return the label after it was written and read."""
    for _ in range(times):
        grid = textgrid.Textgrid()
        entries = [(0, 1, label)] if tier is textgrid.IntervalTier else [(1, label)]
        grid.addTier(tier("said", entries, 0, 2))
        grid.save("file", form, includeBlankSpaces=True)
        label = textgrid.openTextgrid("file", False).getTier("said").entries[0].label
    return label


for tier in (textgrid.IntervalTier, textgrid.PointTier):
    for form in ("short_textgrid", "long_textgrid", "textgrid_json"):
        found = turned(tier, form, label)
        print(f"praatio {version('praatio')}, {tier.__name__}, {form}:", found)
        assert (found == label) is not (tier is textgrid.PointTier and form == "long_textgrid")
assert turned(textgrid.PointTier, "long_textgrid", label) == 'he said ""yes""'
assert turned(textgrid.PointTier, "long_textgrid", label, times=2) == 'he said """"yes""""'
PYTHON
