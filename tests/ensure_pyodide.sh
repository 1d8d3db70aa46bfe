#!/bin/sh
# Sees to it that there is a Pyodide for its test, in .pyodide/, where npm is: itself from npm, and from PyPI the one wheel
# that the package cannot be imported without. numpy and most others for it come from a CDN, so the test does without.
set -eu
cd "$(dirname "$0")/.."
wanted="pyodide@314.0.7 msgspec==0.23.0"
if [ "$(cat .pyodide/installed 2>/dev/null)" = "$wanted" ] || ! command -v npm >/dev/null; then
  exit 0
fi
npm install --prefix .pyodide --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error \
  "${wanted% *}" >/dev/null
.venv/bin/python -m pip install --quiet --target .pyodide/site --upgrade --no-deps --no-compile --only-binary :all: \
  --platform pyemscripten_2026_0_wasm32 --python-version 3.14 --implementation cp --abi cp314 "${wanted#* }"
echo "$wanted" >.pyodide/installed
