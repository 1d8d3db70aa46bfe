#!/usr/bin/env bash
# unicode-rbnf 2.4.1 (numbers in words, by the rules of Unicode's CLDR): -1.5 becomes "minus one", -2.75 "minus two" and -0.5 "minus" and
# no number, in German, French, Spanish and Japanese, too. 1.5, 2.75 and 0.5 are spelled out to the last digit.
#
# You would expect "minus one point five": the documentation has negative numbers and fractions among the rules that it follows, and the
# rule for negative numbers is "minus" and then the words of the number without its sign. A voice that tells temperatures is wrong below
# zero alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check unicode-rbnf==2.4.1
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from unicode_rbnf import RbnfEngine

english = RbnfEngine.for_language("en")
found = {number: english.format_number(number).text for number in (1.5, 2.75, 0.5, -1, -1.5, -2.75, -0.5, "-1.5")}
print(f"unicode-rbnf {version('unicode-rbnf')}:", found)
assert [found[number] for number in (1.5, 2.75, 0.5)] == ["one point five", "two point seven five", "zero point five"]
assert found[-1] == found[-1.5] == found["-1.5"] == "minus one"
assert found[-2.75] == "minus two" and found[-0.5].strip() == "minus"
others = {language: RbnfEngine.for_language(language) for language in ("de", "fr", "es", "ja")}
others = {language: [engine.format_number(number).text for number in (1.5, -1.5, -1)] for language, engine in others.items()}
print(others)
assert all(minus_half == minus_one and half != minus_half for half, minus_half, minus_one in others.values())
PYTHON
