#!/usr/bin/env bash
# word2number 1.1: word_to_num multiplies and adds numbers that are said digit by digit or in pairs: "nineteen ninety
# nine" is 1719 (19 × 90 + 9), "nineteen eighty four" 1524, "twenty twenty" 40, "one two three" 5, "double five" 5 and
# "one and a half" 1. Nothing is raised.
#
# You would expect the number that was meant, or the ValueError that "half" alone gets: the readme limits it to positive
# numbers below a trillion and names no other limit. Years, house numbers and codes are said so to a recogniser.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check word2number==1.1
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from word2number import w2n

read = {
    "nineteen ninety nine": 1719,
    "nineteen eighty four": 1524,
    "twenty twenty": 40,
    "one two three": 5,
    "double five": 5,
    "one and a half": 1,
    "two hundred and fifty": 250,
}
found = {text: w2n.word_to_num(text) for text in read}
print(f"word2number {version('word2number')}: {found}")
assert found == read
PYTHON
