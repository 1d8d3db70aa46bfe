"""The table of front ends says what is tested, and links to it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLE = (ROOT / "docs" / "front-ends.md").read_text("utf-8")


def test_every_row_links_to_what_was_run():
    links = re.findall(r"\]\(\.\./([^)#]+)", TABLE)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []
    first = TABLE.split("\n## ")[0]
    rows = [line for line in first.splitlines() if line.startswith("| ")][1:]
    assert [row for row in rows if "tests/" not in row and not re.search(r"by hand, \d{4}-", row)] == []


def test_the_versions_are_those_that_are_installed_for_it():
    installed = re.findall(r'"(\w+)==([\w.]+)"', (ROOT / "tests" / "browser" / "install_hosts.py").read_text("utf-8"))
    assert len(installed) > 4
    assert [name for name, version in installed if version not in TABLE] == []
