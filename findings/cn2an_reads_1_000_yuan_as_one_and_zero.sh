#!/usr/bin/env bash
# cn2an 0.5.24: transform, which writes out the numbers of a Chinese sentence, reads "1,000元" as "one, zero yuan" (一,零元), "12,500元" as
# "twelve, five hundred yuan" and "1,234.56元" as "one, two hundred thirty-four point five six yuan". "1000元" is right.
#
# One would guess a thousand, or that the text is left, or the ValueError that an2cn("1,000") raises: groups of three are usual for sums
# in Chinese texts, too, and a voice that reads out such a sentence says another sum.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check cn2an==0.5.24
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import cn2an

sums = {
    "1000元": "一千元",
    "1,000元": "一,零元",
    "12,500元": "十二,五百元",
    "1,234.56元": "一,二百三十四点五六元",
}
print(f"cn2an {version('cn2an')}:", {text: cn2an.transform(text, "an2cn") for text in sums})
for text, said in sums.items():
    assert cn2an.transform(text, "an2cn") == said
try:
    cn2an.an2cn("1,000")
except ValueError as error:
    print("an2cn:", error)
else:
    raise AssertionError
PYTHON
