"""Every example in a docstring runs; `test_public_names` sees to it that each public name has one."""

import doctest
import importlib
import io
from pathlib import Path

import pytest

import realtime_nb

NAMES = realtime_nb.__all__
ROOT = Path(realtime_nb.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    module = importlib.import_module(name)
    # As a reader has them after  from realtime_nb import *
    names = {each: getattr(realtime_nb, each) for each in NAMES}
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name, globs=vars(module) | names):
        out = io.StringIO()
        runner.run(test, out=out.write)
        assert not runner.failures, out.getvalue()
        assert not [each.source for each in test.examples if each.options.get(doctest.SKIP)]
