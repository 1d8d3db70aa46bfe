#!/usr/bin/env bash
# scikit-learn 1.9.1: cohen_kappa_score(weights="linear" or "quadratic") measures the distance of two ratings by their
# places among those that somebody gave, so that 2 and 5 are one step apart if nobody gave a 3 or a 4. With opinion
# scores of few clips kappa is far too low: here 0.66 in place of 0.83, and 0.77 in place of 0.95.
#
# You would expect that the weights come from the ratings, which are numbers: 1 and 2 are closer than 2 and 5. The
# documentation has "labels" as a way to select some of them; labels=[1, 2, 3, 4, 5] mends it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-learn==1.9.1 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import sklearn
from sklearn.metrics import cohen_kappa_score

first, second = np.array([1, 1, 2, 2, 5, 5, 1, 2, 5, 2]), np.array([2, 1, 2, 1, 5, 5, 1, 2, 5, 1])


def by_definition(power):
    apart = np.abs(first[:, None] - second[None, :]).astype(float) ** power
    return 1 - apart.diagonal().mean() / apart.mean()  # Seen over expected disagreement (Cohen 1968).


for weights, power in (("linear", 1), ("quadratic", 2)):
    plain = cohen_kappa_score(first, second, weights=weights)
    told = cohen_kappa_score(first, second, weights=weights, labels=[1, 2, 3, 4, 5])
    print(f"scikit-learn {sklearn.__version__}, {weights}: {plain:.3f}; with all labels {told:.3f}")
    assert abs(told - by_definition(power)) < 1e-9 and plain < told - 0.1
PYTHON
