"""What the repository promises as a whole: versions, Binder, and the way in for people who change it."""

import re
import tomllib
from pathlib import Path

import yaml

import realtime_nb as rt

ROOT = Path(__file__).parent.parent


def test_the_changelog_begins_with_this_version():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(r"^## \[(.+?)\]", text, re.MULTILINE).group(1) == rt.__version__


def test_the_citation_is_of_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert cited["version"] == rt.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert (cited["license"], cited["repository-code"]) == (project["license"], project["urls"]["Homepage"])
    # Required by the format, version 1.2.0.
    assert cited["cff-version"] == "1.2.0" and cited["message"] and cited["title"] and cited["authors"]


def test_binder_installs_the_package_the_local_voice_and_the_proxy():
    lines = (ROOT / "binder" / "requirements.txt").read_text().splitlines()
    assert ".[local,lab]" in lines
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert any(name.startswith("jupyter-server-proxy") for name in extras["lab"])
    assert re.fullmatch(r"python-3\.\d+\n", (ROOT / "binder" / "runtime.txt").read_text())


def test_contributing_leads_to_a_green_change_in_five_steps():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert re.findall(r"^(\d)\. ", text, re.MULTILINE) == list("12345")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.findall(r"`make ([\w-]+)", text)
    assert {"lab", "install", "check", "test"} <= set(targets)
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_the_floor_plan_names_what_is_there():
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## The floor plan")[2]
    named = re.findall(r"`([\w/.]+)`", "".join(re.findall(r"^\| . \| ([^|]+) \|", table, re.MULTILINE)))
    package = ROOT / "realtime_nb"
    rooms = {f"{path.name}/" if path.is_dir() else path.name for path in package.iterdir()}
    assert sorted(named) == sorted(rooms - {"__init__.py", "__pycache__/", "py.typed"})
