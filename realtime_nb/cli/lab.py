"""``realtime-nb lab``: JupyterLab on the tutorials."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..display import say
from ..errors import MissingExtra

#: The notebook that is opened first.
FIRST = "00_start_here.ipynb"
_PACKAGE = Path(__file__).parents[1]


def add_command(commands: Any) -> None:
    """Add the command to those of ``realtime-nb``."""
    parser = commands.add_parser(
        "lab",
        help="open JupyterLab with the tutorials",
        description="Copy the tutorials into a folder and open JupyterLab with the first one. Existing files are not "
        "changed. All other options are passed to JupyterLab, e.g. --port 9000.",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("tutorials"),
        metavar="DIR",
        help="folder for the tutorials (default: ./tutorials)",
    )


def run(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Open JupyterLab; return the exit code: 0, or 2 if it cannot be opened."""
    try:
        lab(options.folder, arguments)
    except (MissingExtra, OSError) as error:
        say(f"realtime-nb: {error}", file=sys.stderr)
        return 2
    return 0


def lab(folder: Path, arguments: Sequence[str] = ()) -> None:
    """Copy the tutorials into a folder and run JupyterLab there until it ends.

    Existing files in the folder are not changed, so your own changes stay.

    Raises `MissingExtra` if JupyterLab is not installed; `OSError` if the folder cannot be written to.
    """
    try:
        from jupyterlab.labapp import LabApp
    except ImportError as error:
        raise MissingExtra("JupyterLab", "lab", str(error)) from error
    place_tutorials(folder)
    os.chdir(folder)
    LabApp.launch_instance([f"--LabApp.default_url=/lab/tree/{FIRST}", *_circumstances(), *arguments])


def place_tutorials(folder: Path) -> list[Path]:
    """Copy the tutorials that a folder lacks, and return the paths of all."""
    shipped = _PACKAGE / "notebooks"  # In a checkout they are beside the package.
    source = shipped if shipped.is_dir() else _PACKAGE.parent / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    placed = []
    for notebook in sorted(source.glob("*.ipynb")):
        target = folder / notebook.name
        if not target.exists():
            shutil.copyfile(notebook, target)
            placed.append(target)
    return placed


def _circumstances() -> list[str]:
    """Return JupyterLab's options for a machine without a screen, or for root."""
    has_screen = sys.platform in ("win32", "darwin") or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [*([] if has_screen else ["--no-browser"]), *(["--allow-root"] if is_root else [])]
