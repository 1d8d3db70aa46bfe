#!/usr/bin/env bash
# MeetEval 0.4.3: a perfect transcript of a reference in STM, as TED-LIUM has it, gets a word error rate of 40 % by cpWER and ORC-WER. The
# label of a segment ("<o,f0,male>") counts as a word that is missing, and so do the label and the text of a segment that says
# "ignore_time_segment_in_scoring". cpWER has its speaker, "inter_segment_gap", as one that was missed.
#
# You would expect 0 %: the documentation refers to NIST's definition of STM, by which a label may stand before the transcript and such a
# segment is out of bounds for scoring. sclite, which is by the same institute, leaves both out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check meeteval==0.4.3
cd "$folder"
cat >reference.stm <<'STM'
;; As in TED-LIUM: file, channel, speaker, begin, end, label, transcript.
talk 1 speaker 17.82 28.81 <o,f0,male> hello there world
talk 1 inter_segment_gap 28.81 29.50 <o,f0,> ignore_time_segment_in_scoring
talk 1 speaker 29.50 33.00 <o,f0,male> how are you
STM
cat >hypothesis.stm <<'STM'
talk 1 heard 17.82 28.81 hello there world
talk 1 heard 29.50 33.00 how are you
STM
grep -v ignore_time_segment_in_scoring reference.stm | sed 's/<[^>]*> //' >plain.stm
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import meeteval

print(f"MeetEval {version('meeteval')}")
for name in ("cpwer", "orcwer"):
    score = getattr(meeteval.wer, name)
    labelled, plain = (score(reference, "hypothesis.stm")["talk"] for reference in ("reference.stm", "plain.stm"))
    print(f"{name}: {labelled.error_rate:.0%} of {labelled.length} words, without labels {plain.error_rate:.0%} of {plain.length}")
    assert (labelled.errors, labelled.deletions, labelled.length) == (4, 4, 10)
    assert (plain.errors, plain.length) == (0, 6)
assert meeteval.wer.cpwer("reference.stm", "hypothesis.stm")["talk"].missed_speaker == 1
PYTHON
