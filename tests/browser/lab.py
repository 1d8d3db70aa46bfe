"""A real Jupyter server, and notebooks opened in a real browser."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout

ROOT = Path(__file__).parents[2]
KERNELS = ROOT / ".kernels"


class JupyterServer:
    """JupyterLab and Notebook 7 on one port, with settings and runtime files of their own."""

    def __init__(self, folder: Path, *options: str):
        self.folder = folder
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir(parents=True)
        runtime = folder / "runtime"
        env = os.environ | {
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(runtime),
            "JUPYTER_PATH": str(KERNELS / "share" / "jupyter"),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "IPYTHONDIR": str(folder / "ipython"),
        }
        env.pop("OPENAI_API_KEY", None)
        self._log = (folder / "server.log").open("w")
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "jupyterlab",
                "--no-browser",
                "--allow-root",
                "--port=0",
                "--IdentityProvider.token=secret",
                f"--ServerApp.root_dir={self.notebooks}",
                "--LabApp.expose_app_in_browser=True",
                "--JupyterNotebookApp.expose_app_in_browser=True",
                "--LabApp.news_url=",
                *options,
            ],
            env=env,
            cwd=self.notebooks,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.url = self._wait(runtime)

    def _wait(self, runtime: Path) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            for file in runtime.glob("jpserver-*.json") if runtime.is_dir() else ():
                if text := file.read_text():
                    return str(json.loads(text)["url"])
            time.sleep(0.05)
        raise RuntimeError(f"Jupyter did not start:\n{(self.folder / 'server.log').read_text()[-4000:]}")

    def write(self, name: str, *cells: str, kernel: str = "python3") -> Path:
        """Write a notebook."""
        notebook = new_notebook(cells=[new_code_cell(source) for source in cells])
        notebook.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": "python"}
        path = self.notebooks / name
        nbformat.write(notebook, path)
        return path

    def stop_kernels(self) -> None:
        """End all kernels, as the tests leave them running."""
        for session in json.loads(self._ask("GET", "api/sessions")):
            self._ask("DELETE", f"api/sessions/{session['id']}")

    def _ask(self, method: str, path: str) -> bytes:
        request = urllib.request.Request(self.url + path, method=method, headers={"Authorization": "token secret"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


class OpenNotebook:
    """A notebook in the browser: what its cells put out, and what its kernel says."""

    def __init__(self, page: Page, server: JupyterServer, path: Path, app: str = "lab"):
        self.page = page
        self.path = path
        where = f"lab/tree/{path.name}?reset&" if app == "lab" else f"notebooks/{path.name}?"
        page.goto(f"{server.url}{where}token=secret")
        try:
            self._wait_until_idle()
        except PlaywrightTimeout:
            # Seen once in a few dozen: the server's nudge and the kernel's start miss each other.
            page.reload()
            self._wait_until_idle()

    def _wait_until_idle(self) -> None:
        self.page.wait_for_function(
            """() => {
              const app = window.jupyterapp;
              const session = app?.shell.currentWidget?.context?.sessionContext?.session;
              return session?.kernel?.status === "idle" && app.shell.currentWidget.content.model;
            }""",
            timeout=30_000,
        )

    def reload(self) -> None:
        """Reload the page."""
        self.page.reload()
        self._wait_until_idle()

    def run_all(self) -> None:
        """Start all cells; does not wait for them."""
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")

    def run_cell(self, index: int) -> None:
        """Start one cell; does not wait for it."""
        self.page.evaluate(
            """(index) => {
              window.jupyterapp.shell.currentWidget.content.activeCellIndex = index;
              window.jupyterapp.commands.execute("notebook:run-cell");
            }""",
            index,
        )

    def ask(self, expression: str) -> Any:
        """Evaluate a Python expression in the kernel, when it is free; the value must be JSON."""
        text = self.page.evaluate(
            """async (expression) => {
              const { kernel } = window.jupyterapp.shell.currentWidget.context.sessionContext.session;
              const code = { code: "", silent: true, store_history: false, user_expressions: { value: expression } };
              // A kernel can lose a request (7.0 to 7.3 do, see install_kernels.py): nobody may wait for ever.
              const late = new Promise((resolve) => setTimeout(resolve, 25_000));
              const request = kernel.requestExecute(code);
              // Not `done`, which waits for the news that the kernel is idle as well.
              const replied = new Promise((resolve) => { request.onReply = resolve; });
              const reply = await Promise.race([replied, late]);
              if (!reply) return null;
              const { value } = reply.content.user_expressions;
              return value.status === "ok" ? value.data["text/plain"] : `"${value.ename}: ${value.evalue}"`;
            }""",
            f"__import__('json').dumps({expression})",
        )
        if text is None:
            raise TimeoutError(f"the kernel did not answer {expression!r}")
        # IPython shows the str that json.dumps gave, so it is quoted twice.
        return json.loads(_unquoted(text))

    def until(self, expression: str, timeout_s: float = 30.0) -> Any:
        """Wait until a Python expression is true in the kernel."""
        deadline = time.monotonic() + timeout_s
        while not (value := self.ask(expression)):
            if time.monotonic() > deadline:
                told = self.panel.all_inner_texts()
                raise AssertionError(f"{expression} not within {timeout_s} s; the panel says {told}")
            self.page.wait_for_timeout(100)
        return value

    @property
    def panel(self) -> Locator:
        return self.page.locator(".rtnb-panel")

    def outputs(self) -> list[dict[str, Any]]:
        """What the notebook holds as outputs now, all cells together."""
        return _outputs_in(self.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.model.toJSON()"))

    def save(self) -> list[dict[str, Any]]:
        """Save, and return the outputs in the file."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")
        return _outputs_in(json.loads(self.path.read_text("utf-8")))


def _outputs_in(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a notebook's outputs, without the empty line that a bar leaves, which a busy machine shows."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    return [output for output in outputs if output.get("data") not in ({"text/plain": ""}, {"text/plain": []})]


def _unquoted(text: str) -> str:
    import ast

    return str(ast.literal_eval(text)) if re.match(r"['\"]", text) else text
