#!/usr/bin/env bash
# nbconvert 7.17.2: `jupyter nbconvert --clear-output` leaves the sound of an ipywidgets.Audio in the file, as the
# notebook's metadata.widgets holds it: publishing the cleared notebook publishes a voice. nbstripout 0.9.1 takes it
# out.
#
# You would expect that everything a cell has shown is gone: according to its help, the output of the file is cleared.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nbconvert==7.17.2 nbclient==0.11.0 ipykernel==7.4.0 \
  ipywidgets==8.1.9 nbstripout==0.9.1
cd "$folder"
export JUPYTER_DATA_DIR="$folder/data" JUPYTER_RUNTIME_DIR="$folder/runtime" JUPYTER_CONFIG_DIR="$folder/config"
export IPYTHONDIR="$folder/ipython"
venv/bin/python - <<'PYTHON'
import base64
import subprocess
from importlib.metadata import version
from pathlib import Path

import nbformat

sound = bytes(range(256)) * 40  # Stands for a voice; no cell has it in its source.
Path("voice.wav").write_bytes(sound)
source = "import ipywidgets\nipywidgets.Audio.from_file('voice.wav', autoplay=False)"
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
nbformat.write(notebook, "talk.ipynb")


def holds_sound():
    return base64.b64encode(sound).decode()[:1_000] in Path("talk.ipynb").read_text()


def run(*command):
    subprocess.run(["venv/bin/" + command[0], *command[1:]], check=True, capture_output=True)
    return holds_sound()


found = {
    "run": run("jupyter-nbconvert", "--to", "notebook", "--execute", "--inplace", "talk.ipynb"),
    "cleared": run("jupyter-nbconvert", "--clear-output", "--inplace", "talk.ipynb"),
}
outputs = nbformat.read("talk.ipynb", 4).cells[0].outputs
found["stripped"] = run("nbstripout", "talk.ipynb")
print(f"nbconvert {version('nbconvert')}, whether the file holds the sound: {found}; outputs when cleared: {outputs}")
assert found == {"run": True, "cleared": True, "stripped": False} and outputs == []
PYTHON
