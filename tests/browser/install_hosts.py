"""Install the other front ends that the tests talk in, in ``.hosts/``: an environment on top of the tests' own.

They are apart because a server loads every extension that it finds beside it. Installs nothing where they are there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

PACKAGES = (
    "nbclassic==1.3.3",
    "voila==0.5.13",
    "marimo==0.25.2",
    "shiny==1.8.0",
    "shinywidgets==0.8.2",
    "jupyterhub==6.1.1",
)
#: What JupyterHub stands behind; from npm.
PROXY = "configurable-http-proxy@5.3.0"
HOSTS = Path(__file__).parents[2] / ".hosts"


def install() -> None:
    stamp = HOSTS / "installed"
    wanted = "\n".join([*PACKAGES, PROXY])
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(HOSTS, ignore_errors=True)
    venv.create(HOSTS, with_pip=True)
    python = HOSTS / "bin" / "python"
    (site,) = HOSTS.glob("lib/python*/site-packages")
    (site / "base.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-warn-conflicts", *PACKAGES], check=True)
    if npm := shutil.which("npm"):
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        subprocess.run([npm, "install", "--prefix", HOSTS, *options, PROXY], check=True, stdout=subprocess.DEVNULL)
    stamp.write_text(wanted)


if __name__ == "__main__":
    install()
