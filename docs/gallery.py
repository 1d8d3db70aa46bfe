"""Build a gallery of the tutorials after they have run: static pages that play sound and fetch nothing.

    make gallery          (or  python docs/gallery.py --out FOLDER [NOTEBOOK …])

Every notebook is executed without a key, so the local voice answers; then nbconvert makes a page of it. Live widgets
need a kernel, which a page does not have: a note takes their place.
"""

from __future__ import annotations

import argparse
import base64
import html
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from tqdm import tqdm

ROOT = Path(__file__).parents[1]
WIDGET = "application/vnd.jupyter.widget-view+json"
NOTE = "<p><em>Here the notebook shows live controls, which need a kernel: {}</em></p>"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem;
  color: #1a1a1a; background: #fff; }
ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1.5rem; padding: 0; }
li { list-style: none; border: 1px solid #8886; border-radius: 8px; overflow: hidden; }
li a { color: inherit; text-decoration: none; display: block; height: 100%; }
li div { padding: .8rem 1rem; }
img { width: 100%; height: 11rem; object-fit: cover; object-position: top left; background: #fff; display: block; }
h2 { font-size: 1.05rem; margin: 0 0 .4rem; }
p { margin: 0; }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #111; } }
"""


@dataclass(frozen=True)
class Page:
    """A page of the gallery, with its entry in the index."""

    name: str
    title: str
    about: str
    picture: bytes | None


def executed(path: Path, bar: tqdm) -> NotebookNode:
    """Run a notebook in its own empty folder."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=300,
            resources={"metadata": {"path": folder}},
            on_cell_executed=lambda **_: bar.update(),
        )
        return client.execute()


def made_static(notebook: NotebookNode) -> NotebookNode:
    """Remove live widgets, which need a kernel, and their state, whose scripts would be fetched from elsewhere."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if data.pop(WIDGET, None):
                data["text/html"] = NOTE.format(html.escape("".join(data.get("text/plain", ""))))
    return notebook


def page_of(notebook: NotebookNode, title: str) -> str:
    """Return a notebook as a page that fetches nothing, and whose links stay in the gallery."""
    exporter = HTMLExporter(mathjax_url="", require_js_url="", jquery_url="", mermaid_js_url="")
    text, _ = exporter.from_notebook_node(notebook)
    text = re.sub(r"<script[^>]*>.*?</script>", "", text, flags=re.DOTALL)
    text = re.sub(r'href="(\w+)\.ipynb"', r'href="\1.html"', text)
    text = re.sub(r"<title>.*?</title>", f"<title>{html.escape(title)}</title>", text, count=1, flags=re.DOTALL)
    return re.sub(r"(<body[^>]*>)", r'\1<p style="margin: 1em 2em"><a href="index.html">All tutorials</a></p>', text)


def about(notebook: NotebookNode) -> tuple[str, str]:
    """Return a notebook's heading and its first paragraph."""
    heading, _, rest = notebook.cells[0].source.partition("\n")
    paragraph = rest.strip().split("\n\n")[0]
    return heading.lstrip("# "), re.sub(r"\[([^]]+)\]\([^)]+\)|[*`]", lambda found: found[1] or "", paragraph)


def picture_of(notebook: NotebookNode) -> bytes | None:
    """Return the first picture that a notebook shows."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                return base64.b64decode(png)
    return None


def index_of(pages: Iterable[Page]) -> str:
    """Return the first page."""
    items = "".join(
        f'<li><a href="{page.name}.html">'
        + (f'<img alt="" src="{page.name}.png">' if page.picture else "")
        + f"<div><h2>{html.escape(page.title)}</h2><p>{html.escape(page.about)}</p></div></a></li>"
        for page in pages
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>realtime_nb: the tutorials</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><h1>The tutorials, with their results</h1>"
        "<p>Press play: every answer is in its page. The local voice made them, with no key; "
        f"all voices are AI-generated.</p><ul>{items}</ul></body></html>"
    )


def build(notebooks: Iterable[Path], out: Path) -> list[Page]:
    """Execute notebooks and write their pages, pictures and the index into a folder."""
    paths = sorted(notebooks)
    cells = sum(cell.cell_type == "code" for path in paths for cell in nbformat.read(path, as_version=4).cells)
    out.mkdir(parents=True, exist_ok=True)
    pages = []
    with tqdm(total=cells, unit="cell") as bar:
        for path in paths:
            bar.set_description(path.stem)
            notebook = made_static(executed(path, bar))
            page = Page(path.stem, *about(notebook), picture_of(notebook))
            (out / f"{page.name}.html").write_text(page_of(notebook, page.title), "utf-8")
            if page.picture:
                (out / f"{page.name}.png").write_bytes(page.picture)
            pages.append(page)
    (out / "index.html").write_text(index_of(pages), "utf-8")
    return pages


def main() -> None:
    """Build the gallery that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, help="by default all tutorials")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "gallery", help="default: build/gallery")
    options = parser.parse_args()
    os.environ.pop("OPENAI_API_KEY", None)  # A gallery costs nothing.
    build(options.notebooks or ROOT.glob("notebooks/*.ipynb"), options.out)
    print(f"Open {options.out / 'index.html'}")


if __name__ == "__main__":
    main()
