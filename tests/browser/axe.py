"""axe-core on a page, in the themes that a notebook may have."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Page

_AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
_THEMES = Path(sys.prefix) / "share" / "jupyter" / "lab" / "themes" / "@jupyterlab"

#: Name, what the person prefers, and JupyterLab's own style sheet, where it is there.
THEMES = {
    "no Jupyter, light": ("light", ""),
    "no Jupyter, dark": ("dark", ""),
    "JupyterLab light": ("dark", "theme-light-extension"),  # Lab's theme counts, not the person's wish.
    "JupyterLab dark": ("light", "theme-dark-extension"),
}

_PUT_ON = """(css) => {
  document.getElementById("theme")?.remove();
  document.body.removeAttribute("data-jp-theme-light");
  if (!css) return;
  const style = Object.assign(document.createElement("style"), { id: "theme", textContent: css.text });
  document.head.append(style);
  document.body.setAttribute("data-jp-theme-light", css.light);
  document.body.style.background = "var(--jp-layout-color0)";
}"""

_RUN = """async (scope) => {
  const found = await axe.run(scope ?? document, { resultTypes: ["violations"] });
  return found.violations.flatMap(({ id, impact, nodes }) =>
    nodes.map(({ target, failureSummary }) => [impact, id, target.join(" "), failureSummary.replace(/\\s+/g, " ")]));
}"""


def put_on(page: Page, theme: str) -> None:
    """Give a page a theme."""
    scheme, sheet = THEMES[theme]
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    css = {"text": (_THEMES / sheet / "index.css").read_text("utf-8"), "light": "dark" not in sheet} if sheet else None
    page.evaluate(_PUT_ON, css)


def faults(page: Page, scope: str | None = None) -> list[str]:
    """Return what axe finds: how bad, which rule, where and why."""
    if not page.evaluate("'axe' in window"):
        if not _AXE.exists():
            raise FileNotFoundError("axe-core is missing: run  make test  (it installs it), or  tests/ensure_axe.sh")
        page.evaluate(_AXE.read_text("utf-8"))
    return [": ".join(map(str, fault)) for fault in page.evaluate(_RUN, scope)]


def faults_in_each_theme(page: Page, scope: str | None = None) -> list[str]:
    """Return what axe finds in one theme after the other."""
    found = []
    for theme in THEMES:
        put_on(page, theme)
        found += [f"{theme}: {fault}" for fault in faults(page, scope)]
    return found
