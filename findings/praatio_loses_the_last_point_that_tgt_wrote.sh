#!/usr/bin/env bash
# praatio 6.2.2 and tgt 1.5 (both read and write Praat's TextGrid): of a short TextGrid that tgt has written and that ends in a tier of
# points, praatio reads all points but the last, without an error; tgt reads all. With a line end at the file's end praatio does, too.
#
# One would guess that all are read, as intervals are from the same file, or that something is said: in Praat's text format
# line ends are blanks between values, and the last value is whole without one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check praatio==6.2.2 tgt==1.5 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version
from pathlib import Path

import tgt
from praatio import textgrid

words = tgt.IntervalTier(0, 3, "words", [tgt.Interval(0, 1, "yes"), tgt.Interval(1, 3, "no")])
taps = tgt.PointTier(0, 3, "taps", [tgt.Point(0.5, "one"), tgt.Point(1.5, "two"), tgt.Point(2.5, "three")])
grid = tgt.TextGrid()
grid.add_tiers([words, taps])
tgt.write_to_file(grid, "short.TextGrid", format="short")
text = Path("short.TextGrid").read_text()
Path("ended.TextGrid").write_text(text + "\n")


def by_praatio(file):
    return {tier.name: [entry.label for entry in tier.entries] for tier in textgrid.openTextgrid(file, False).tiers}


by_tgt = [point.text for point in tgt.read_textgrid("short.TextGrid").get_tier_by_name("taps")]
print(f"tgt {version('tgt')}:", by_tgt, f"praatio {version('praatio')}:", by_praatio("short.TextGrid"))
print("praatio, with a line end:", by_praatio("ended.TextGrid"))
assert by_tgt == by_praatio("ended.TextGrid")["taps"] == ["one", "two", "three"]
assert by_praatio("short.TextGrid") == {"words": ["yes", "no"], "taps": ["one", "two"]}
PYTHON
