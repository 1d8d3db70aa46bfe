"""Shift-Tab on every public name shows an example, and every example runs."""

import doctest
import importlib
import inspect
import io
from pathlib import Path

import pytest

import realtime_nb

NAMES = realtime_nb.__all__
#: What a reader calls most, beside the names themselves.
METHODS = [
    "AudioClip.from_file",
    "AudioClip.save",
    "Backend.find",
    "ChatSession.ask",
    "Conversation.costs",
    "Dataset.from_csv",
    "Dataset.from_folder",
    "Dataset.from_texts",
    "Picture.of",
    "RealtimeSession.ask",
    "RealtimeSession.record_to",
    "RealtimeSession.respond",
    "RealtimeSession.save",
    "RealtimeSession.update",
    "RealtimeSession.watch",
    "Recording.ask_again",
    "Recording.load",
    "Recording.replay",
    "Results.load",
    "Results.summary",
]
ROOT = Path(realtime_nb.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def reached(path):
    value = realtime_nb
    for name in path.split("."):
        value = getattr(value, name)
    # An instance is documented by its class.
    return value if callable(value) else type(value)


@pytest.mark.parametrize("name", [*NAMES, *METHODS])
def test_a_public_name_has_an_example(name):
    assert doctest.DocTestParser().get_examples(inspect.getdoc(reached(name)) or ""), f"{name} has no example"


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    module = importlib.import_module(name)
    # As a reader has them who wrote  from realtime_nb import *
    names = {each: getattr(realtime_nb, each) for each in NAMES}
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name, globs=vars(module) | names):
        out = io.StringIO()
        runner.run(test, out=out.write)
        assert not runner.failures, out.getvalue()
        assert not [each.source for each in test.examples if each.options.get(doctest.SKIP)]
