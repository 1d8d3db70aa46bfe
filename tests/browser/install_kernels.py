"""Install the other kernels that the tests run on, beside the environment's own, in ``.kernels/``.

Each is one ipykernel without its dependencies, which the environment has already, and a kernelspec that puts it first
on the path. Installs nothing where they are there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

#: The last line without subshells, the one that delivers comm messages on them, and the one that routes by last use.
VERSIONS = ("6.30.1", "7.3.0", "7.4.0")
KERNELS = Path(__file__).parents[2] / ".kernels"
#: On 7.3.0 a raw send takes a socket's wake-up away: a request that comes in just then is never read, and now and then
#: a notebook waits for ever. Mended in 7.4.0 (ipykernel pull request 1529); how comms are delivered stays as it was.
RAW_SEND = "self._shell_socket.send_multipart(msg)"
SEND = "__import__('ipykernel.kernelapp').kernelapp.IPKernelApp.instance().kernel.shell_stream.send_multipart(msg)"


def install(version: str) -> None:
    target = KERNELS / version
    spec = KERNELS / "share" / "jupyter" / "kernels" / f"ipykernel-{version}" / "kernel.json"
    if not (target / "ipykernel").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
        subprocess.run([*pip, "--target", str(target), f"ipykernel=={version}"], check=True)
    if version == "7.3.0":
        manager = target / "ipykernel" / "subshell_manager.py"
        text = manager.read_text("utf-8")
        assert RAW_SEND in text or SEND in text
        manager.write_text(text.replace(RAW_SEND, SEND), "utf-8")
    spec.parent.mkdir(parents=True, exist_ok=True)
    spec.write_text(
        json.dumps(
            {
                "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                "display_name": f"ipykernel {version}",
                "language": "python",
                "env": {"PYTHONPATH": str(target)},
                "metadata": {"debugger": False},
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    for version in VERSIONS:
        install(version)
