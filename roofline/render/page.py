"""How does a report become one HTML file that opens from disk, without network, and prints well?

Everything is inside: the style, and pictures as SVG. No script. Whatever comes from files or people is
escaped; only pictures are trusted, because :func:`roofline.render.style.figure_svg` made them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from roofline.core.plain_text import markup as escape
from roofline.render.table import Column, Table

STYLE = """
:root { --paper: #ffffff; --ink: #1a1a1a; --muted: #5c5c5c; --grid: #dddddd; --link: #0072b2; --blue: #0072b2;
  color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181b; --ink: #ececec; --muted: #a8a8a8; --grid: #3a3d41; --link: #56b4e9; --blue: #4da6e0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 74rem; background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.75rem 0 .6rem; padding-top: .6rem; border-top: 1px solid var(--grid); }
p { max-width: 46rem; margin: .6rem 0; }
a { color: var(--link); }
nav ol { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: 0; padding: 0; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--paper); padding: .5rem; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
figure { margin: 1.25rem 0; }
figure svg { width: 100%; height: auto; max-height: 90vh; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .35rem 0; }
th, td { padding: .28rem .75rem .28rem 0; text-align: left; vertical-align: top; white-space: nowrap; }
th.n, td.n { text-align: right; }
td.w { white-space: normal; min-width: 16rem; }
thead th { border-bottom: 1px solid var(--muted); vertical-align: bottom; }
tbody tr + tr > * { border-top: 1px solid var(--grid); }
tbody th { font-weight: 400; }
.note { color: var(--muted); font-size: .85rem; }
@media print {
  :root { --paper: #ffffff; --ink: #000000; --muted: #444444; --grid: #bbbbbb; --blue: #0072b2; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav, .skip { display: none; }
  h2 { break-after: avoid; }
  figure, tr { break-inside: avoid; }
  .scroll { overflow: visible; }
  td, th { white-space: normal; }
}
"""


@dataclass(frozen=True)
class Section:
    """A part of the page: words, then a picture, then a table; each may be missing.

    figure_svg : from :func:`roofline.render.style.figure_svg`; put into the page as it is.
    """

    heading: str
    paragraphs: tuple[str, ...] = ()
    figure_svg: str = ""
    table: Table | None = None


def render_page(title: str, sections: Sequence[Section]) -> str:
    """The whole page as text, to be written as UTF-8."""
    names = _anchors([section.heading for section in sections])
    links = "\n".join(
        f'<li><a href="#{name}">{escape(section.heading)}</a></li>'
        for name, section in zip(names, sections, strict=True)
    )
    index = f'<nav aria-label="Contents"><ol>\n{links}\n</ol></nav>' if len(sections) > 1 else ""
    body = "\n".join(_section(section, name) for section, name in zip(sections, names, strict=True))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header><h1>{escape(title)}</h1>{index}</header>
<main id="main">
{body}
</main>
</body>
</html>
"""


def _section(section: Section, name: str) -> str:
    parts = [f'<section id="{name}">', f"<h2>{escape(section.heading)}</h2>"]
    parts += [f"<p>{escape(paragraph)}</p>" for paragraph in section.paragraphs]
    if section.figure_svg:
        parts.append(f"<figure>\n{section.figure_svg}\n</figure>")
    if section.table is not None:
        parts.append(html_table(section.table))
    return "\n".join([*parts, "</section>"])


def html_table(source: Table) -> str:
    """A table with its caption; the first column heads the rows. It scrolls sideways by keyboard, too."""
    columns = source.shown
    head = "".join(
        f'<th scope="col"{_kind(column)}>{escape(column.heading).replace(chr(10), "<br />")}</th>' for column in columns
    )
    rows = []
    for cells in source.texts():
        texts = [escape(cell) for cell in cells]
        first = f'<th scope="row"{_kind(columns[0])}>{texts[0]}</th>' if texts else ""
        rest = (f"<td{_kind(column)}>{text}</td>" for column, text in zip(columns[1:], texts[1:], strict=True))
        rows.append(f"<tr>{first}{''.join(rest)}</tr>")
    label = escape(source.caption)
    notes = "".join(f'\n<p class="note">{escape(note)}</p>' for note in source.notes)
    inside = "\n".join(rows)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{label}">\n<table>\n'
        f"<caption>{escape(source.caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{inside}\n</tbody>\n</table>\n</div>{notes}"
    )


def _kind(column: Column) -> str:
    return ' class="n"' if column.right else ' class="w"' if column.wrap else ""


def _anchors(headings: Sequence[str]) -> list[str]:
    """A distinct ``id`` for every heading."""
    names: list[str] = []
    for heading in headings:
        base = re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") or "section"
        name, number = base, 2
        while name in names or name == "main":
            name, number = f"{base}-{number}", number + 1
        names.append(name)
    return names
