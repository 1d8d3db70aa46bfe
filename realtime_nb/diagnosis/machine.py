"""The process's surroundings: Python, packages, the kernel, and where all that runs."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

from packaging.requirements import Requirement

from .facts import Kernel, Machine, Unmet

_DISTRIBUTION = "realtime-nb"
#: What a report names beside what is declared: the notebook's own parts, and what is known to quarrel with them.
_NAMED = (
    *("realtime-nb", "ipykernel", "ipywidgets", "anywidget", "jupyterlab", "notebook", "ipywebrtc", "websockets"),
    *("jupyter-server-proxy", "nest-asyncio", "uvloop", "jupyter-ui-poll", "openai", "numpy"),
)


def look_around() -> Machine:
    """Return what this process can see of its surroundings."""
    return Machine(
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        packages={name: version for name in _NAMED if (version := _version(name))},
        unmet=tuple(_unmet()),
        place=place(os.environ, sys.modules),
        kernel=_kernel(),
    )


def place(environment: Mapping[str, str], modules: Mapping[str, Any]) -> str:
    """Return whose notebook this process serves, where that is one with limits of its own; empty otherwise.

    VS Code tells its kernels its process id; a JupyterLab that is started in its terminal is not told.
    """
    if "google.colab" in modules or "COLAB_RELEASE_TAG" in environment:
        return "colab"
    if "VSCODE_PID" in environment:
        return "vscode"
    if "BINDER_SERVICE_HOST" in environment or "BINDER_LAUNCH_HOST" in environment:
        return "binder"
    return "hub" if "JUPYTERHUB_USER" in environment else ""


def running_kernel() -> Any:
    """Return the ipykernel that this process is, or `None`."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None)


def _kernel() -> Kernel | None:
    kernel = running_kernel()
    if kernel is None:
        return None
    loop = getattr(getattr(kernel, "io_loop", None), "asyncio_loop", None)
    return Kernel(
        version=str(getattr(sys.modules.get("ipykernel"), "__version__", "")),
        subshells="kernel subshells" in getattr(kernel, "kernel_info", {}).get("supported_features", ()),
        loop=type(loop).__module__.partition(".")[0] if loop else "asyncio",
        ui_poll="jupyter_ui_poll" in sys.modules,
    )


def _unmet() -> Iterator[Unmet]:
    """Yield the requirements that are not met, as pip would read them; those of extras are optional."""
    try:
        declared = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return  # Run from a folder, without having been installed: nothing is declared.
    for text in declared:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        installed = _version(requirement.name)
        if not installed or not requirement.specifier.contains(installed, prereleases=True):
            yield Unmet(f"{requirement.name}{requirement.specifier}", installed)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
