"""A page that stands alone: no scripts, nothing fetched, readable in light and dark, and on paper."""

from __future__ import annotations

from collections.abc import Iterable

from .html import escape

#: What a browser may load for the page: nothing but what is in it. Scripts do not run even if one got in.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
)

_STYLE = """
:root { color-scheme: light dark; --line: rgba(128,128,128,.35); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
p, li { max-width: 46rem; }
table { font-size: 87%; font-variant-numeric: tabular-nums; }
th { vertical-align: bottom; font-weight: 600; }
figure { margin: 1.2rem 0; }
figure svg { width: 100%; height: auto; max-width: 52rem; display: block; }
figcaption { font-size: 85%; opacity: .8; max-width: 52rem; }
.wide { overflow-x: auto; margin-bottom: .8rem; }
.notice { border: 1px solid var(--line); border-left: 4px solid #d55e00; border-radius: 4px; padding: .5rem .9rem; }
@media print {
  :root { color-scheme: light; }
  body { font-size: 9.5pt; max-width: none; margin: 0; padding: 0; color: black; background: white; }
  .wide { overflow: visible; }
  table { font-size: 8pt; }
  td, th { padding: 2px 5px !important; }
  thead { display: table-header-group; }
  tr, figure { break-inside: avoid; }
  h2 { break-after: avoid; }
  audio { display: none; }
  @page { size: A4; margin: 16mm; }
}
"""


def page(title: str, sections: Iterable[tuple[str, str]], *, lead: str = "") -> str:
    """Return a whole page.

    Parameters
    ----------
    title : str
        Text.
    sections : iterable of (str, str)
        Heading, as text, and HTML that is already safe; sections without any are left out.
    lead : str
        HTML beneath the title.
    """
    body = "".join(f"<section><h2>{escape(name)}</h2>{html}</section>\n" for name, html in sections if html)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="realtime_nb">\n'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n{lead}\n{body}</body></html>\n"
    )


def paragraph(text: str) -> str:
    """Return a paragraph of text."""
    return f"<p>{escape(text)}</p>"


def bullets(texts: Iterable[str]) -> str:
    """Return a list of texts."""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>"


def notice(text: str) -> str:
    """Return a text that must not be passed over."""
    return f'<p class="notice">{escape(text)}</p>'


def wide(html: str) -> str:
    """Return HTML that may be wider than the page, e.g. a table."""
    return f'<div class="wide">{html}</div>'


def figure(svg: str, caption: str) -> str:
    """Return a drawing, HTML, with a caption, text."""
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"
