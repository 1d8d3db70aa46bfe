#!/usr/bin/env bash
# statsmodels 0.15.0: mcnemar(exact=False) of two systems that are right and wrong on the very same clips has a statistic of infinity
# and a p-value of 0.0, the surest difference there can be. With exact=True p is 1.0; without its correction it is nan.
#
# One would guess 1.0 (or nan, or an error), as there is no clip to tell them apart. The correction takes one off the difference of
# the clips that one of them alone got right, though it is 0, so that minus one is squared and divided by none of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check statsmodels==0.15.0 numpy==2.2.6
cd "$folder"
venv/bin/python -W ignore::RuntimeWarning - <<'PYTHON'
import numpy as np
import statsmodels
from statsmodels.stats.contingency_tables import mcnemar

both_right, both_wrong = 40, 10
table = np.array([[both_right, 0], [0, both_wrong]])
found = {
    "exact": mcnemar(table, exact=True),
    "corrected": mcnemar(table, exact=False),
    "plain": mcnemar(table, exact=False, correction=False),
}
for name, result in found.items():
    print(f"statsmodels {statsmodels.__version__}, {name}: statistic {result.statistic}, p {result.pvalue}")
assert found["exact"].pvalue == 1.0 and np.isnan(found["plain"].pvalue)
assert found["corrected"].statistic == np.inf and found["corrected"].pvalue == 0.0
PYTHON
