"""Promises of the whole repository: versions, Binder, and the guide for contributors."""

import re
import subprocess
import tomllib
from pathlib import Path

import yaml

import realtime_nb as rt
from realtime_nb.local.weights import SMART_TURN

HERE = Path(__file__)
ROOT = HERE.parent.parent


def test_the_changelog_begins_with_this_version():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(r"^## \[(.+?)\]", text, re.MULTILINE).group(1) == rt.__version__


def test_the_citation_is_of_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert cited["version"] == rt.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert (cited["license"], cited.get("repository-code")) == (project["license"], project["urls"].get("Homepage"))
    # Required by the format, version 1.2.0.
    assert cited["cff-version"] == "1.2.0" and cited["message"] and cited["title"] and cited["authors"]


#: Addresses at which a project of this name could be, and Binder's of any project.
HOMES = re.compile(
    r"(?:https?://|git@|ssh://)(?:[\w.-]*(?:github|gitlab|codeberg|bitbucket|sr\.ht|readthedocs|pypi|anaconda|nbviewer)"
    r"[\w.:/-]*realtime[-_]nb[\w./-]*|mybinder\.org/v2/[\w./-]+)"
)


def addresses_elsewhere(text, home):
    """Return the addresses of the project in a text that are not at its home, or lead to Binder from elsewhere."""
    place = home.partition("://")[2].partition("/")[2] if home else None
    return [
        address
        for address in HOMES.findall(text)
        if not home or not (address.startswith(home) or ("mybinder.org" in address and f"/{place}/" in address))
    ]


def test_an_address_elsewhere_is_found():
    home = "https://github.com/someone/realtime-nb"
    binder = "https://mybinder.org/v2/gh/someone/realtime-nb/HEAD"
    assert addresses_elsewhere(f"{home}/issues/1 {binder}", home) == []
    assert addresses_elsewhere(f"({home}) {binder}?urlpath=lab", None) == [home, binder]
    other = "https://gitlab.com/else/realtime-nb"
    assert addresses_elsewhere(f"{home} {other} git@github.com:x/realtime_nb.git", home) == [
        other,
        "git@github.com:x/realtime_nb.git",
    ]
    assert addresses_elsewhere("https://github.com/librosa/librosa https://mybinder.org", None) == []


def test_no_file_holds_an_address_of_the_project_that_is_not_its_home():
    home = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"].get("Homepage")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    files = [ROOT / name for name in filter(None, listed.decode().split("\0"))]
    texts = {path: path.read_bytes().decode("utf-8", "ignore") for path in files if path.is_file() and path != HERE}
    found = {str(path): wrong for path, text in texts.items() if (wrong := addresses_elsewhere(text, home))}
    assert found == {}


def test_the_readme_says_where_to_get_it():
    home = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"].get("Homepage")
    text = (ROOT / "README.md").read_text("utf-8")
    (cloned,) = re.findall(r"^git clone (\S+)", text, re.MULTILINE)
    assert cloned == (home or "ADDRESS") and ("no public home yet" in text) == (home is None)


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
    assert sorted(named) == sorted(rooms - {"__init__.py", "__init__.pyi", "__pycache__/", "py.typed"})


def test_every_install_pins_the_version_whose_weights_are_known():
    for name in ("Makefile", "binder/postBuild"):
        installed = re.findall(r"--no-deps ([\w-]+)==(\S+)", (ROOT / name).read_text("utf-8"))
        assert installed == [(SMART_TURN.package, SMART_TURN.version)], name
