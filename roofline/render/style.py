"""What do all pictures share? Colours, type, and how a figure becomes a file or inline SVG.

Colours are the palette of Okabe and Ito, which the colour-blind can tell apart; no picture relies on
colour alone. Figures are made without pyplot, so nothing global is touched and no display is needed.
"""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from roofline.core.plain_text import CONTROL, markup, visible
from roofline.errors import OutputError, UsageError

INK, MUTED, GRID, PAPER = "#1a1a1a", "#5c5c5c", "#dddddd", "#ffffff"
BLUE, SKY, VERMILLION, ORANGE, GREEN, PINK, YELLOW = (
    *("#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#009E73", "#CC79A7", "#F0E442"),
)
SERIES = (BLUE, VERMILLION, GREEN, ORANGE, PINK, SKY, INK)
"""Colours of things without a colour of their own, in order."""

FORMATS = ("png", "svg", "pdf")

STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica", "sans-serif"],
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
}


def styled() -> Any:
    """A context in which figures are made and written."""
    return matplotlib.rc_context(STYLE)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, sizes in inches; to be used inside :func:`styled`."""
    figure = Figure(figsize=(width, height), dpi=150)
    FigureCanvasAgg(figure)  # measures text, so that labels can keep clear of each other
    return figure


def picture_format(path: str | Path) -> str:
    """The format a path asks for by its ending.

    Raises
    ------
    UsageError : none of :data:`FORMATS`.
    """
    ending = Path(path).suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        had = f"unknown picture format {ending!r}" if ending else "the name has no ending to tell the picture format"
        raise UsageError(f"{path}: {had}; end it in .{', .'.join(FORMATS[:-1])} or .{FORMATS[-1]}")
    return ending


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a picture in the format its name ends in; the same figure always gives the same bytes.

    Raises
    ------
    UsageError : an unknown format.
    OutputError : it cannot be written there.
    """
    target, kind = Path(path), picture_format(path)
    dates = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    picture = io.BytesIO()
    _plain(figure)
    with styled(), matplotlib.rc_context({"svg.hashsalt": "roofline"}):
        figure.savefig(picture, format=kind, metadata=dates[kind])
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(picture.getvalue())
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from None


_THEME = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper", BLUE.lower(): "blue"}


def figure_svg(figure: Figure, label: str = "") -> str:
    """The figure as an ``<svg>`` element to stand in a page: no prologue, no links, ids of its own.

    Ink and paper become the CSS variables ``--ink``, ``--muted``, ``--grid``, ``--paper`` and ``--blue``, so
    a dark page can turn them around. ``label`` is read by screen readers.
    """
    text = io.StringIO()
    _plain(figure)
    empty = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with styled(), matplotlib.rc_context({"svg.hashsalt": "roofline"}):
        figure.savefig(text, format="svg", metadata=empty)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    prefix = "f" + hashlib.sha256(svg.encode()).hexdigest()[:8]
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: f' id="{prefix}-{found[1]}"' if found[1] in used else "", svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#{prefix}-", svg)
    for colour, name in _THEME.items():
        svg = svg.replace(f": {colour}", f": var(--{name}, {colour})")
    opening = re.match(r"<svg[^>]*>", svg)
    assert opening is not None
    head = re.sub(r' (?:width|height)="[^"]*"', "", opening[0])
    head = f'{head[:-1]} style="max-width: {1.25 * figure.get_figwidth():g}in">'
    aria = f' role="img" aria-label="{markup(label)}"' if label else ' aria-hidden="true"'
    return head[:-1] + aria + ">" + svg[opening.end() :]


def _plain(figure: Figure) -> None:
    """Write out control characters, which XML cannot hold."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if CONTROL.search(said := text.get_text()):
            text.set_text(visible(said))
