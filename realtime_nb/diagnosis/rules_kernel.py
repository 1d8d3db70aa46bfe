"""Python, packages and kernel: what versions are known to do together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .checkup import Check
from .probes import Comm, Facts, Kernel, Machine, Page

#: From here on the kernel takes widget messages on threads of their own, and JupyterLab sends them there.
_SUBSHELLS = (7, 0)
_LAB_SUBSHELLS = (4, 4)
#: From here on an awaiting cell lets widget messages in, too, and what their handlers print is not lost.
_GOOD_KERNEL = (7, 4)
_UPDATE_KERNEL = "pip install -U 'ipykernel>=7.4', then restart the kernel"
_UNPATCHABLE_PYTHON = (3, 14)


def checks(facts: Facts) -> Iterator[Check]:
    """Yield the lines."""
    if machine := facts.machine:
        yield _python(machine)
        yield from _packages(machine)
        if machine.kernel:
            yield _kernel(machine.kernel)
            yield from _loop(machine.kernel)
            yield from _front_end(machine.kernel, machine, facts.page)
        yield from _parted(machine, facts.page)
    if facts.comm:
        yield _comm(facts.comm, facts.page)


def _python(machine: Machine) -> Check:
    said = f"{machine.python} on {machine.system}"
    if version(machine.python) >= _UNPATCHABLE_PYTHON:
        return Check(
            "Python",
            "warning",
            f"{said}: the local voice's recogniser has no wheel for it, and nest-asyncio, which run_sync needs in "
            "cells, does not know it",
            "use Python 3.11 to 3.13; with a key, await in place of run_sync is enough",
        )
    return Check("Python", "ok", said)


def _packages(machine: Machine) -> Iterator[Check]:
    for unmet in machine.unmet:
        name = re.split(r"[<>=!~]", unmet.requirement)[0]
        there = f"{name} {unmet.installed} is installed" if unmet.installed else f"{name} is not installed"
        yield Check(
            "packages",
            "broken",
            f"{there}; {unmet.requirement} is needed",
            f"pip install -U {unmet.requirement!r}, then restart the kernel",
        )
    listed = ", ".join(f"{name} {number}" for name, number in machine.packages.items())
    if not machine.unmet:
        yield Check("packages", "ok", listed)


def _kernel(kernel: Kernel) -> Check:
    number = version(kernel.version)
    if number < _SUBSHELLS:
        return Check(
            "kernel",
            "warning",
            f"ipykernel {kernel.version} takes no widget messages while a cell runs: buttons wait until it ends",
            _UPDATE_KERNEL,
        )
    if number < _GOOD_KERNEL:
        return Check(
            "kernel",
            "warning",
            f"ipykernel {kernel.version} loses what callbacks print while a cell runs (ipykernel issue 1564), "
            "and takes no widget messages while a cell awaits, but by subshells",
            _UPDATE_KERNEL,
        )
    with_it = "with subshells" if kernel.subshells else "without subshells"
    return Check("kernel", "ok", f"ipykernel {kernel.version}, {with_it}")


def _loop(kernel: Kernel) -> Iterator[Check]:
    if kernel.loop == "uvloop":
        yield Check(
            "event loop",
            "warning",
            "the kernel's loop is uvloop's, which nest-asyncio cannot patch: run_sync fails in cells",
            "use await, or .result(); or pip uninstall uvloop and restart the kernel",
        )
    if kernel.ui_poll and version(kernel.version) >= _SUBSHELLS:
        yield Check(
            "event loop",
            "broken",
            f"jupyter_ui_poll is loaded, which breaks ipykernel {kernel.version}: cells and widgets hang",
            "do not import jupyter_ui_poll, and restart the kernel; await a reply in a later cell",
        )


def _front_end(kernel: Kernel, machine: Machine, page: Page | None) -> Iterator[Check]:
    """Yield whether JupyterLab sends widget messages to subshells, as from 4.4 on (its pull request 17363)."""
    lab = page.app_version if page and page.app == "JupyterLab" else machine.packages.get("jupyterlab", "")
    if lab and version(lab) < _LAB_SUBSHELLS and version(kernel.version) >= _SUBSHELLS:
        yield Check(
            "JupyterLab",
            "warning",
            f"JupyterLab {lab} uses no subshells of ipykernel {kernel.version}: widget messages wait for cells",
            "pip install -U 'jupyterlab>=4.4', and start it anew",
        )


def _parted(machine: Machine, page: Page | None) -> Iterator[Check]:
    """Yield whether the server has what the kernel has: its environment may be another one, and only the page knows."""
    if page is None or page.ipywebrtc is None:
        return
    there = machine.packages.get("ipywebrtc", "")
    if page.ipywebrtc:
        yield Check(
            "ipywebrtc", "ok", f"ipywebrtc {there} is in the kernel and in the page: its streams can be sources"
        )
    else:
        yield Check(
            "ipywebrtc",
            "warning",
            f"the page has no ipywebrtc, the kernel has {there or 'none'}: the server's environment is another one; "
            "its streams are no sources here, the browser's own microphone is",
            "pip install ipywebrtc in the environment that runs Jupyter, and reload the page",
        )


def _comm(comm: Comm, page: Page | None) -> Check:
    what = f"{comm.during} of {comm.sent} widget messages were handled while the kernel was kept busy"
    if comm.during:
        return Check("widget messages", "ok", f"{what}, on the thread {comm.thread}")
    if page and page.road == "comm":
        return Check(
            "widget messages",
            "warning",
            f"{what}, and sound travels by them: while a cell runs, nobody is heard",
            "let cells end before you talk; " + _UPDATE_KERNEL,
        )
    return Check("widget messages", "ok", f"{what}; sound does not need them, buttons wait")


def version(text: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with; those that cannot be read are below all others."""
    return tuple(int(part) for part in re.findall(r"\d+", re.match(r"[\d.]*", text)[0])[:3])  # type: ignore[index]
