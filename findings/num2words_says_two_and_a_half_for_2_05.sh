#!/usr/bin/env bash
# num2words 0.5.14: 2.05 is "two and a half" in Persian, "two point five" in Vietnamese and Bengali and "two point four" in Turkish.
# In Vietnamese -5 is "fifteen" and -2.5 is "eighteen point fifty"; in Bengali -5 is "five". Nothing is raised.
#
# One would guess the number that was given, as in its other languages, or NotImplementedError, which some of them raise for what they
# cannot say. Zeros behind the point are lost there, and a minus is a place in a list of words counted from its end.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check num2words==0.5.14
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from num2words import num2words

same = {
    "fa": (2.05, 2.5, "دو و نیم"),  # Two and a half.
    "bn": (2.05, 2.5, "দুই দশমিক পাঁচ"),  # Two point five.
    "vi": (-5, 15, "mười lăm"),  # Fifteen.
}
wrong = {
    ("vi", 2.05): "hai phẩy năm",  # Two point five.
    ("vi", -2.5): "mười tám phẩy năm mươi",  # Eighteen point fifty.
    ("tr", 2.05): "ikivirgüldört",  # Two point four.
    ("bn", -5): "পাঁচ",  # Five.
}
print(f"num2words {version('num2words')}:")
for language, (first, second, said) in same.items():
    print(language, first, second, num2words(first, lang=language), num2words(second, lang=language))
    assert num2words(first, lang=language) == num2words(second, lang=language) == said
for (language, number), said in wrong.items():
    print(language, number, num2words(number, lang=language))
    assert num2words(number, lang=language) == said
assert num2words(2.05, lang="en") == "two point zero five" and num2words(-5, lang="en") == "minus five"
PYTHON
