# Two commands do everything on a fresh machine:
#   make lab     environment, local voice, JupyterLab on the first tutorial
#   make test    the same set-up, the test tools, the browsers if missing, and every test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One address per line where there is no screen; LAB_ARGS is passed on to JupyterLab.
LAB_ARGS ?=
PYTEST_ARGS ?=
TWO_FILES := --numprocesses 2 --dist loadfile
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: lab test install check screenshots gallery clean

lab: install
	$(BIN)/realtime-nb lab --folder notebooks $(LAB_ARGS)

test: $(VENV)/test.stamp
	@tests/ensure_chromium.sh
	@tests/ensure_firefox.sh
	@tests/ensure_webkit.sh
	@tests/ensure_axe.sh
	@tests/ensure_pyodide.sh
	@# Two files at once, for most tests wait; those in a browser apart, away from those that need the whole machine.
	$(BIN)/pytest -m 'not browser and not jupyter' $(TWO_FILES) $(PYTEST_ARGS)
	$(BIN)/pytest -m 'browser or jupyter' $(TWO_FILES) $(PYTEST_ARGS)
	$(BIN)/nbstripout --verify notebooks/*.ipynb

install: $(VENV)/install.stamp

# The environment is made again if its contents change; otherwise this takes no time.
$(VENV)/install.stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which: make PYTHON=python3.12 …")'
	@echo "Setting up $(VENV), only once. It takes a few minutes, and 1.6 GB on the disk."
	@echo "1 of 3: Python environment"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --upgrade pip
	@echo "2 of 3: packages, listed as they come"
	@$(BIN)/pip install --editable '.[local,lab]'
	@# The network that hears the end of turns comes inside a package whose other 145 MB nothing here needs. No extra can
	@# say so; pip check misses them, and is right.
	@$(BIN)/pip install --quiet --no-deps pipecat-ai==1.14.0
	@echo "3 of 3: compile them, and draw a first picture"
	@# A checkout has no bytecode, and some environments forbid to write it later: half of each import would be compiling.
	@$(BIN)/python -m compileall -q realtime_nb
	@# The first picture takes librosa and matplotlib half a minute to compile for: now, not in the tutorial.
	@$(BIN)/python -c 'import realtime_nb as rt; rt.spectrogram(rt.speak("Ready.")).png'
	@echo "Done."
	@touch $@

$(VENV)/test.stamp: $(VENV)/install.stamp tests/browser/install_kernels.py tests/browser/install_hosts.py
	$(BIN)/pip install --quiet --group test
	$(BIN)/python tests/browser/install_kernels.py
	$(BIN)/python tests/browser/install_hosts.py
	@touch $@

check: install
	$(BIN)/pip install --quiet --group check --group test
	$(BIN)/ruff check .
	$(BIN)/mypy
	npx --yes --package typescript@5 tsc --project realtime_nb/widgets/static

# Take the README's pictures again: JupyterLab in Chromium, with our own voice as the speaker.
screenshots: $(VENV)/test.stamp
	$(BIN)/python docs/screenshots.py

# The tutorials, executed, as pages that play without a kernel or a network: build/gallery/index.html
gallery: $(VENV)/test.stamp
	$(BIN)/python docs/gallery.py

clean:
	rm -rf $(VENV) .kernels .hosts .pyodide build dist
