"""The pieces of HTML that all views are made of; the one place where text is escaped."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterable
from html import escape as _escape
from pathlib import Path
from urllib.parse import quote

from .budget import AudioBudget, Sound, duration_s

# --- The pieces of HTML that all views are made of; text is escaped here, for HTML and for pictures -------------------
# No scripts, style sheets or classes: code hosts strip them. Colours come from the page or are translucent, so that
# both light and dark themes are easy to read.

# The classes are for MathJax alone, 3 in JupyterLab and 2 in pages of nbconvert: between the dollar signs of two prices
# there are words, and no formula.
LITERAL = "mathjax_ignore tex2jax_ignore"

_MUTED = "opacity:.72"
_LINE = "1px solid rgba(128,128,128,.35)"


def escape(text: object) -> str:
    """Make text safe inside HTML, attributes included."""
    return _escape(str(text), quote=True)


def escape_label(text: object) -> str:
    """Make text safe as a label in matplotlib, which reads text between dollar signs as mathematics."""
    return " ".join(str(text).split()).replace("$", r"\$")


def player(sound: Sound | None, budget: AudioBudget, *, wide: bool = False) -> str:
    """Return an audio element with the compressed sound; a remark if there is none or it does not fit."""
    if sound is None or not duration_s(sound):
        return f'<span style="{_MUTED}">no audio</span>'
    url, embedded_s, total_s = budget.embed(sound)
    if not url:
        return f'<span style="{_MUTED}">{total_s:.1f} s of audio, left out</span>'
    width = "100%" if wide else "300px"
    style = f"height:32px;width:{width};min-width:140px;max-width:100%;margin:4px 0;vertical-align:middle"
    cut = (
        f' <span style="{_MUTED}">the first {embedded_s:.0f} of {total_s:.0f} s</span>' if embedded_s < total_s else ""
    )
    # The text inside is shown where a viewer removes the element.
    return f'<audio controls preload="metadata" style="{style}" src="{url}">{total_s:.1f} s of audio</audio>{cut}'


def note(text: str) -> str:
    """Return a line in small letters."""
    return f'<div style="{_MUTED};font-size:85%;margin:6px 0">{escape(text)}</div>'


def left_out(budget: AudioBudget, where: str) -> str:
    """Return a note on the audio that is missing from the players of an output; empty if none is."""
    if not budget.left_out:
        return ""
    count = len(budget.left_out)
    minutes, seconds = divmod(round(sum(budget.left_out)), 60)
    length = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    what = f"{length} of audio" + (f" in {count} places" if count > 1 else "")
    return note(
        f"{what} left out to keep this output within {budget.limit_mb:g} MB. All of it: {where}. "
        "To embed more, set realtime_nb.display_options.audio_mb and show this again."
    )


def unbroken(text: str) -> str:
    """Return a text that is kept on one line, e.g. a number with its unit in a narrow cell."""
    return f'<span style="white-space:nowrap">{escape(text)}</span>'


def picture(png: bytes, description: str) -> str:
    """Return an image element that holds a PNG; `description` is read out by screen readers."""
    data = base64.b64encode(png).decode()
    return f'<img alt="{escape(description)}" style="max-width:100%;height:auto" src="data:image/png;base64,{data}">'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a one-line list of names and values; both are text."""
    cell = "display:inline-block;text-align:left;padding:2px 18px 2px 0;border:0"
    cells = "".join(
        f'<td style="{cell}"><span style="{_MUTED};font-size:85%">{escape(name)}</span><br>{escape(value)}</td>'
        for name, value in pairs
    )
    row = f'<tr style="background:transparent;text-align:left">{cells}</tr>'
    return f'<table class="{LITERAL}" role="presentation" style="border:0;margin:6px 0;table-layout:auto">{row}</table>'


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table; header cells are text, body cells are HTML that is already safe.

    Columns in which no row has anything are left out.
    """
    names, lines = list(header), [list(row) for row in rows]
    kept = [at for at in range(len(names)) if not lines or any(line[at] not in ("", "–") for line in lines)]
    # A column without a name has a plain cell: screen readers would read an empty header with each of its cells.
    cells = (("th", names[at]) if names[at] else ("td", "") for at in kept)
    head = "".join(
        f'<{tag} style="text-align:left;padding:4px 10px;{_MUTED}">{escape(name)}</{tag}>' for tag, name in cells
    )
    style = "text-align:left;vertical-align:top;padding:6px 10px;overflow-wrap:break-word"
    body = "".join(
        f'<tr style="background:transparent;border-top:{_LINE}">'
        + "".join(f'<td style="{style}">{line[at]}</td>' for at in kept)
        + "</tr>"
        for line in lines
    )
    # By default JupyterLab makes all columns of a table equally wide.
    style = "border-collapse:collapse;width:100%;table-layout:auto"
    return f'<table style="{style}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def folded(summary: str, *parts: str) -> str:
    """Return HTML that is shown on demand; the summary is text."""
    return f'<details style="margin:6px 0"><summary>{escape(summary)}</summary>{"".join(parts)}</details>'


def saying(who: str, text: str, *, remark: str = "", more: str = "") -> str:
    """Return a line of dialogue, as text, with more HTML below it."""
    words = escape(text) if text else f'<span style="{_MUTED}">(no words)</span>'
    note = f' <span style="{_MUTED};font-size:85%">{escape(remark)}</span>' if remark else ""
    return f'<div style="margin:4px 0"><strong>{escape(who)}</strong>&ensp;{words}{note}{more}</div>'


def marked(text: str) -> str:
    """Return text on a coloured background."""
    return f'<span style="background:rgba(76,139,245,.28);border-radius:3px">{escape(text)}</span>'


_TONES = {"good": "46,125,50", "warn": "210,130,0", "bad": "198,40,40"}


def badge(text: str, tone: str) -> str:
    """Return a few words on a background of the tone: "good", "warn" or "bad"."""
    style = f"background:rgba({_TONES[tone]},.28);border-radius:3px;padding:1px 6px;white-space:nowrap"
    return f'<span style="{style}">{escape(text)}</span>'


def section(*parts: str, title: str = "") -> str:
    """Return a framed block; `title` is text, the parts are HTML."""
    heading = f'<div style="{_MUTED};font-size:85%;margin-bottom:4px">{escape(title)}</div>' if title else ""
    # As wide as a panel above it.
    style = f"border:{_LINE};border-radius:8px;padding:10px 14px;box-sizing:border-box;max-width:720px;overflow-x:auto"
    # On a narrow page it scrolls sideways; it can be focused, so that keys can scroll it too.
    name = f' aria-label="{escape(title)}"' if title else ""
    return f'<div class="{LITERAL}" role="group" tabindex="0"{name} style="{style}">{heading}{"".join(parts)}</div>'


# --- A stand-alone page: no scripts, nothing fetched, readable in light, in dark and on paper -------------------------

#: The browser may load only what is in the page itself. No script runs, even if one got in.
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

    `sections`: headings, as text, each with HTML that is already safe; a section without HTML is left out.
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


def link(path: Path, text: str) -> str:
    """Return a link to a file or folder, with its path; JupyterLab opens what is below the notebook."""
    with contextlib.suppress(ValueError):
        path = path.absolute().relative_to(Path.cwd())
    style = "text-decoration:underline"
    return (
        f'<a href="{escape(quote(path.as_posix()))}" target="_blank" style="{style}">{escape(text)}</a>: {escape(path)}'
    )


def paragraph(text: str) -> str:
    """Return a paragraph of text."""
    return f"<p>{escape(text)}</p>"


def bullets(texts: Iterable[str]) -> str:
    """Return a list of texts."""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>"


def notice(text: str) -> str:
    """Return a text that stands out."""
    return f'<p class="notice">{escape(text)}</p>'


def wide(html: str) -> str:
    """Return HTML that may be wider than the page, e.g. a table."""
    return f'<div class="wide">{html}</div>'


def figure(svg: str, caption: str) -> str:
    """Return a drawing, HTML, with a caption, text."""
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"
