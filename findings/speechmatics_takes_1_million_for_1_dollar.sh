#!/usr/bin/env bash
# speechmatics-python 5.0.0.post1: convert_to_txt, which makes the text of a transcript and is what its command line shows, keeps the first
# word of each entity alone: "It cost $1 million on 17 January 2022." becomes "It cost $1 on 17.". Nothing is raised.
#
# You would expect the text that the service has for the entity, "$1 million", as without enable_entities. The written form is a list
# of words, split at the spaces of the content, and the service's documentation has "$1" and "million" as its example; the converter
# takes the first of the list. The package has successors, which it names when it is imported.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check speechmatics-python==5.0.0.post1
cd "$folder"
venv/bin/python -W ignore::DeprecationWarning - <<'PYTHON'
from importlib.metadata import version

from speechmatics.adapters import convert_to_txt


def token(kind, content, **more):
    alternatives = [{"content": content, "confidence": 1.0, "language": "en"}]
    return {"type": kind, "start_time": 0.0, "end_time": 0.5, "alternatives": alternatives, **more}


def entity(content, kind, spoken):
    return token(
        "entity",
        content,
        entity_class=kind,
        spoken_form=[token("word", word) for word in spoken.split()],
        written_form=[token("word", word) for word in content.split()],
    )


stop = token("punctuation", ".", attaches_to="previous", is_eos=True)
cost = "$1 million", "money", "one million dollars"
date = "17 January 2022", "date", "the seventeenth of january twenty twenty two"
words = [token("word", word) for word in ("It", "cost", "on")]
found = {
    "entities": convert_to_txt([words[0], words[1], entity(*cost), words[2], entity(*date), stop], "en"),
    "words": convert_to_txt([words[0], words[1], token("word", cost[0]), words[2], token("word", date[0]), stop], "en"),
}
for name, text in found.items():
    print(f"speechmatics-python {version('speechmatics-python')}, {name}: {text}")
assert found["words"] == "It cost $1 million on 17 January 2022."
assert found["entities"] == "It cost $1 on 17."
PYTHON
