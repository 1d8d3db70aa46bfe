import ast
import doctest
import importlib
import inspect
import re
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
    "Results.agreement",
    "Results.grade",
    "Results.load",
    "Results.compare",
    "Results.report",
    "Results.summary",
    "Results.table",
]


def public_members(kind):
    """Return what a class defines under public names: methods, properties and classmethods."""
    for name, value in vars(kind).items():
        value = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
            yield name, value


def check_docstring(name, value):
    doc = inspect.getdoc(value)
    assert doc, f"{name} has no docstring"
    summary = doc.split("\n\n")[0]
    assert summary.rstrip().endswith((".", "…", "!", "?", ":", '"')), f"{name}: the summary is no sentence: {summary!r}"
    for heading, line in re.findall(r"^([A-Z][A-Za-z ]+)\n(-{3,})$", doc, re.MULTILINE):
        assert len(heading) == len(line), f"{name}: {heading} is not underlined as long as it is"


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_resolves_and_is_documented(name):
    value = getattr(realtime_nb, name)
    assert getattr(realtime_nb, name) is value
    check_docstring(name, value)
    if inspect.isclass(value) and value.__module__.startswith("realtime_nb"):
        for member, function in public_members(value):
            check_docstring(f"{name}.{member}", function)


@pytest.mark.parametrize("name", [name for name in NAMES if inspect.isfunction(getattr(realtime_nb, name))])
def test_a_functions_parameters_are_documented(name):
    function = getattr(realtime_nb, name)
    doc = inspect.getdoc(function)
    parameters = set(inspect.signature(function).parameters)
    documented = set(re.findall(r"\w+", doc.partition("Parameters\n----------")[2].partition("\n\nReturns")[0]))
    if len(parameters) > 1:
        assert parameters <= documented


def reached(path):
    value = realtime_nb
    for name in path.split("."):
        value = getattr(value, name)
    # An instance is documented by its class.
    return value if callable(value) else type(value)


@pytest.mark.parametrize("name", [*NAMES, *METHODS])
def test_a_public_name_has_an_example(name):
    assert doctest.DocTestParser().get_examples(inspect.getdoc(reached(name)) or ""), f"{name} has no example"


def test_a_name_is_listed_once():
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("room", ["realtime_nb", "realtime_nb.experiments", "realtime_nb.protocol"])
def test_what_is_listed_is_public_and_nothing_else(room):
    module = importlib.import_module(room)
    importlib.import_module("realtime_nb.views.words")  # A module that was imported is an attribute, but not offered.
    assert set(dir(module)) - {"__all__", "__doc__", "__version__"} == set(module.__all__)
    offered = {}
    exec(f"from {room} import *", offered)
    assert set(offered) - {"__builtins__"} == set(module.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_lives_where_it_is_said_to(name):
    home = f"realtime_nb{realtime_nb._HOMES[name]}"
    assert getattr(realtime_nb, name).__module__ == home


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'realtime_nb' has no attribute 'RealTimeSession'"):
        _ = realtime_nb.RealTimeSession


def test_type_checkers_see_the_same_names():
    stub = ast.parse(Path(realtime_nb.__file__).with_suffix(".pyi").read_text("utf-8"))
    lines = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    assert [alias.asname for line in lines for alias in line.names] == NAMES
    assert all(alias.name == alias.asname for line in lines for alias in line.names)
