"""The pieces of HTML that all views are made of.

HTML is `Markup`. All functions here take text or HTML and escape the text, so that nothing is escaped twice or not at
all.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from .budget import AudioBudget, Sound, duration_s

# No scripts, style sheets or classes: code hosts strip them. Colours come from the page or are translucent, so that
# both light and dark themes are easy to read.

# The classes are for MathJax alone, 3 in JupyterLab and 2 in pages of nbconvert: between the dollar signs of two prices
# there are words, and no formula.
LITERAL = "mathjax_ignore tex2jax_ignore"

_MUTED = "opacity:.72"
_SMALL = f"{_MUTED};font-size:85%"
_LINE = "1px solid rgba(128,128,128,.35)"
EMPTY = Markup()


def joined(parts: Iterable[str]) -> Markup:
    """Return text and HTML, one after another."""
    return EMPTY.join(parts)


def escape_label(text: object) -> str:
    """Make text safe as a label in matplotlib, which reads text between dollar signs as mathematics."""
    return " ".join(str(text).split()).replace("$", r"\$")


def player(sound: Sound | None, budget: AudioBudget, *, wide: bool = False) -> Markup:
    """Return an audio element with the compressed sound; a remark if there is none or it does not fit."""
    if sound is None or not duration_s(sound):
        return _muted("no audio")
    url, embedded_s, total_s = budget.embed(sound)
    if not url:
        return _muted(f"{total_s:.1f} s of audio, left out")
    width = "100%" if wide else "300px"
    style = f"height:32px;width:{width};min-width:140px;max-width:100%;margin:4px 0;vertical-align:middle"
    # The text inside is shown where a viewer removes the element.
    element = Markup('<audio controls preload="metadata" style="{}" src="{}">{:.1f} s of audio</audio>')
    element = element.format(style, url, total_s)
    return element + " " + _muted(f"the first {embedded_s:.0f} of {total_s:.0f} s") if embedded_s < total_s else element


def _muted(text: str) -> Markup:
    return Markup('<span style="{}">{}</span>').format(_MUTED, text)


def note(text: str) -> Markup:
    """Return a line in small letters."""
    return Markup('<div style="{};margin:6px 0">{}</div>').format(_SMALL, text)


def left_out(budget: AudioBudget, where: str) -> Markup:
    """Return a note on the audio that is missing from the players of an output; empty if none is."""
    if not budget.left_out:
        return EMPTY
    count = len(budget.left_out)
    minutes, seconds = divmod(round(sum(budget.left_out)), 60)
    length = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    what = f"{length} of audio" + (f" in {count} places" if count > 1 else "")
    return note(
        f"{what} left out to keep this output within {budget.limit_mb:g} MB. All of it: {where}. "
        "To embed more, set realtime_nb.display_options.audio_mb and show this again."
    )


def unbroken(text: str) -> Markup:
    """Return a text that is kept on one line, e.g. a number with its unit in a narrow cell."""
    return Markup('<span style="white-space:nowrap">{}</span>').format(text)


#: Width from which on a picture's letters can be read; on a narrower page it scrolls sideways.
LEGIBLE = "min-width:480px;"


def picture(png: bytes, description: str) -> Markup:
    """Return an image element that holds a PNG; `description` is read out by screen readers."""
    element = Markup('<img alt="{}" style="{}max-width:100%;height:auto" src="data:image/png;base64,{}">')
    return element.format(description, LEGIBLE, base64.b64encode(png).decode())


def facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Return a one-line list of names and values."""
    cell = Markup(
        '<td style="display:inline-block;text-align:left;padding:2px 18px 2px 0;border:0">'
        '<span style="{}">{}</span><br>{}</td>'
    )
    return Markup(
        '<table class="{}" role="presentation" style="border:0;margin:6px 0;table-layout:auto">'
        '<tr style="background:transparent;text-align:left">{}</tr></table>'
    ).format(LITERAL, joined(cell.format(_SMALL, name, value) for name, value in pairs))


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Markup:
    """Return a table. Columns in which no row has anything are left out."""
    names, lines = list(header), [list(row) for row in rows]
    kept = [at for at in range(len(names)) if not lines or any(line[at] not in ("", "–") for line in lines)]
    # A column without a name has a plain cell: screen readers would read an empty header with each of its cells.
    headings = {True: Markup('<th style="{}">{}</th>'), False: Markup('<td style="{}">{}</td>')}
    style = f"text-align:left;padding:4px 10px;{_MUTED}"
    head = joined(headings[bool(names[at])].format(style, names[at]) for at in kept)
    cell = Markup('<td style="text-align:left;vertical-align:top;padding:6px 10px;overflow-wrap:break-word">{}</td>')
    row = Markup('<tr style="background:transparent;border-top:{}">{}</tr>')
    body = joined(row.format(_LINE, joined(cell.format(line[at]) for at in kept)) for line in lines)
    # By default JupyterLab makes all columns of a table equally wide.
    return Markup(
        '<table style="border-collapse:collapse;width:100%;table-layout:auto">'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table>"
    ).format(head, body)


def folded(summary: str, *parts: str) -> Markup:
    """Return what is shown on demand."""
    return Markup('<details style="margin:6px 0"><summary>{}</summary>{}</details>').format(summary, joined(parts))


def saying(who: str, text: str, *, remark: str = "", more: str = "") -> Markup:
    """Return a line of dialogue, with more below it."""
    note = Markup(' <span style="{}">{}</span>').format(_SMALL, remark) if remark else ""
    return Markup('<div style="margin:4px 0"><strong>{}</strong>&ensp;{}{}{}</div>').format(
        who, text or _muted("(no words)"), note, more
    )


def marked(text: str) -> Markup:
    """Return text on a coloured background."""
    return Markup('<span style="background:rgba(76,139,245,.28);border-radius:3px">{}</span>').format(text)


_TONES = {"good": "46,125,50", "warn": "210,130,0", "bad": "198,40,40"}


def badge(text: str, tone: str) -> Markup:
    """Return a few words on a background of the tone: "good", "warn" or "bad"."""
    style = f"background:rgba({_TONES[tone]},.28);border-radius:3px;padding:1px 6px;white-space:nowrap"
    return Markup('<span style="{}">{}</span>').format(style, text)


def section(*parts: str, title: str = "") -> Markup:
    """Return a framed block."""
    heading = Markup('<div style="{};margin-bottom:4px">{}</div>').format(_SMALL, title) if title else ""
    # As wide as a panel above it.
    style = f"border:{_LINE};border-radius:8px;padding:10px 14px;box-sizing:border-box;max-width:720px;"
    return scrolling(heading, *parts, title=title, style=style)


def scrolling(*parts: str, title: str = "", style: str = "") -> Markup:
    """Return a block that scrolls sideways on a narrow page; it can be focused, so that keys can scroll it too."""
    name = Markup(' aria-label="{}"').format(title) if title else ""
    return Markup('<div class="{}" role="group" tabindex="0"{} style="{}overflow-x:auto">{}</div>').format(
        LITERAL, name, style, joined(parts)
    )


# --- A stand-alone page: no scripts, nothing fetched, readable in light, in dark and on paper -------------------------

#: The browser may load only what is in the page itself. No script runs, even if one got in.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
)

_STYLE = Markup("""
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
""")


def page(title: str, sections: Iterable[tuple[str, str]], *, lead: str = "") -> Markup:
    """Return a whole page.

    `sections`: headings, each with what is below it; a section without anything is left out.
    """
    body = joined(Markup("<section><h2>{}</h2>{}</section>\n").format(name, part) for name, part in sections if part)
    return Markup(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="generator" content="realtime_nb">\n'
        "<title>{title}</title><style>{style}</style></head>\n"
        "<body><h1>{title}</h1>\n{lead}\n{body}</body></html>\n"
    ).format(policy=_POLICY, title=title, style=_STYLE, lead=lead, body=body)


def link(path: Path, text: str) -> Markup:
    """Return a link to a file or folder, with its path; JupyterLab opens what is below the notebook."""
    with contextlib.suppress(ValueError):  # It is elsewhere, and keeps its whole path.
        path = path.absolute().relative_to(Path.cwd())
    element = Markup('<a href="{}" target="_blank" style="text-decoration:underline">{}</a>: {}')
    return element.format(quote(path.as_posix()), text, path)


def paragraph(text: str) -> Markup:
    """Return a paragraph."""
    return Markup("<p>{}</p>").format(text)


def bullets(texts: Iterable[str]) -> Markup:
    """Return a list."""
    return Markup("<ul>{}</ul>").format(joined(map(Markup("<li>{}</li>").format, texts)))


def notice(text: str) -> Markup:
    """Return a text that stands out."""
    return Markup('<p class="notice">{}</p>').format(text)


def wide(part: str) -> Markup:
    """Return what may be wider than the page, e.g. a table."""
    return Markup('<div class="wide">{}</div>').format(part)


def figure(svg: Markup, caption: str) -> Markup:
    """Return a drawing with a caption."""
    return Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(svg, caption)
