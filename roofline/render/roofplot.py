"""The roofline: how fast can a chip go at how much work per byte, and where do the layers stand?

One roof for each engine and precision, one slope for each memory level whose bandwidth is known, on
logarithmic axes (Williams, Waterman, Patterson, CACM 52(4), 2009). Lines are named where they end, so no
legend has to be matched by colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import atan2, ceil, degrees, log10
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from roofline.errors import UsageError
from roofline.render import words
from roofline.render.dots import KINDS, MARKERS, NET, Dot, dots_of, whole_dot
from roofline.render.labels import Labels, spread
from roofline.render.roofs import Facet, colour_of, roofs_of, slopes_of, tint
from roofline.render.style import INK, MUTED, PAPER, new_figure, styled
from roofline.units import format_si, plural

NAMED = 4
"""Layers named in a picture, for each prediction."""

STAR = 110.0
"""Square points of a network drawn as one dot."""

FACET, MARGIN, SCALE, GUTTER, HEIGHT = 5.2, 2.4, 0.75, 0.2, 4.6
"""Inches: width of the axes, room for the names of roofs, for the scale, between facets, and height."""


def roofline_figure(facets: Sequence[Facet], title: str = "") -> Figure:
    """Rooflines side by side on common axes.

    Raises
    ------
    UsageError : nothing to draw.
    """
    if not facets:
        raise UsageError("nothing to draw: name at least one chip")
    columns = min(len(facets), 2)
    rows = ceil(len(facets) / columns)
    top, bottom, space = 0.6 + (0.3 if title else 0), 1.05, 1.0
    width = SCALE + columns * (FACET + MARGIN) + (columns - 1) * GUTTER
    height = top + rows * HEIGHT + (rows - 1) * space + bottom
    with styled():
        figure = new_figure(width, height)
        drawn = [_Drawing(facet) for facet in facets]
        (left, right), (low, high) = _limits(drawn)
        for index, drawing in enumerate(drawn):
            row, column = divmod(index, columns)
            x = SCALE + column * (FACET + MARGIN + GUTTER)
            y = height - top - HEIGHT - row * (HEIGHT + space)
            axes = figure.add_axes((x / width, y / height, FACET / width, HEIGHT / height))
            axes.set(xscale="log", yscale="log", xlim=(left, right), ylim=(low, high))
            drawing.draw(axes, first=column == 0)
        if title:
            figure.text(SCALE / width, 1 - 0.28 / height, title, fontsize=12, fontweight="bold", va="center")
        _legend(figure, drawn, (SCALE - 0.1) / width, 0.04 / height)
    return figure


class _Drawing:
    """One facet with everything read off its chip."""

    def __init__(self, facet: Facet) -> None:
        self.facet, self.chip = facet, facet.chip
        self.roofs = roofs_of(facet.chip, facet.dtypes)
        self.slopes = slopes_of(facet.chip)
        self.dots: list[Dot] = []
        self.moved: list[float] = []
        for prediction in facet.predictions:
            dots, moved = dots_of(prediction)
            self.dots += dots
            self.moved.append(moved)
        self.dots += [whole_dot(prediction, facet.chip) for prediction in facet.wholes]

    @property
    def points(self) -> list[Dot]:
        return [*self.dots, *self.facet.measured]

    def draw(self, axes: Axes, *, first: bool) -> None:
        self._frame(axes, first)
        self._slopes(axes)
        self._roofs(axes)
        self._dots(axes)

    def _frame(self, axes: Axes, first: bool) -> None:
        axes.grid(True, which="major")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(base=10, numticks=20))
            axis.set_minor_locator(LogLocator(base=10, subs=range(2, 10), numticks=200))
            axis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_si(value, "")))
        axes.tick_params(which="minor", length=2, width=0.4)
        axes.set_xlabel("arithmetic intensity [FLOP/B]")
        if first:
            axes.set_ylabel("performance [FLOP/s]")
        else:
            axes.tick_params(labelleft=False)
        axes.set_title(self.chip.title, pad=20)
        axes.text(0, 1.015, self._subtitle(), transform=axes.transAxes, fontsize=8, color=MUTED, va="bottom")

    def _subtitle(self) -> str:
        if not self.slopes:
            return "no memory bandwidth is known, so no slope is drawn"
        if self.facet.wholes:
            return "whole networks, by DRAM traffic"
        if not self.facet.predictions:
            measured = len(self.facet.measured)
            return f"{plural(measured, 'measured kernel')}" if measured else ""
        first = self.facet.predictions[0]
        speeds = ", ".join(
            f"{words.count(p.samples_per_s)} {words.samples(p)}/s in {p.dtype}" for p in self.facet.predictions
        )
        bound = all(p.tiers.get("datasheet", 0.0) > 0.5 for p in self.facet.predictions)
        return f"{first.workload}, batch {first.batch:,}: {'at most ' if bound else ''}{speeds}"

    def _slopes(self, axes: Axes) -> None:
        """Memory: rising lines up to the highest roof, each with its name along it."""
        left, _ = axes.get_xlim()
        low, _ = axes.get_ylim()
        top = max(roof.rate for roof in self.roofs)
        (x0, y0), (x1, y1) = axes.transData.transform([(1, 1), (10, 10)])
        angle = degrees(atan2(y1 - y0, x1 - x0))
        for index, (name, bandwidth) in enumerate(self.slopes):
            dram = index == len(self.slopes) - 1
            start = max(left, low / bandwidth)
            thin: dict[str, Any] = {"color": MUTED, "lw": 1.1, "ls": (0, (6, 2, 1, 2))}
            style = {"color": INK, "lw": 1.8} if dram else thin
            axes.plot([start, top / bandwidth], [start * bandwidth, top], zorder=3, gid=f"slope {name}", **style)
            at = start * 1.25 if start * 1.25 * bandwidth > low * 1.3 else low * 1.3 / bandwidth
            axes.text(
                at,
                at * bandwidth * 1.22,
                f"{name} {format_si(bandwidth, 'B/s')}",
                rotation=angle,
                rotation_mode="anchor",
                ha="left",
                va="bottom",
                fontsize=8,
                color=INK if dram else MUTED,
                bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.75, "pad": 0.5},
                zorder=5,
            )

    def _roofs(self, axes: Axes) -> None:
        """Engines: flat lines from the first slope on, named right of the axes; ridge points as diamonds."""
        left, right = axes.get_xlim()
        fastest = max((bandwidth for _, bandwidth in self.slopes), default=None)
        dram = self.slopes[-1][1] if self.slopes else None
        to_points = HEIGHT * 72 / (log10(axes.get_ylim()[1]) - log10(axes.get_ylim()[0]))
        wanted = [(log10(roof.rate) - log10(axes.get_ylim()[0])) * to_points for roof in self.roofs]
        heights = spread(wanted, 24.0, 8.0, HEIGHT * 72 + 20)
        for roof, place in zip(self.roofs, heights, strict=True):
            start = max(left, roof.rate / fastest) if fastest else left
            # dashes above solid lines, so that neither hides the other where two engines are equally fast
            solid: dict[str, Any] = {"ls": "-", "lw": 2.0, "zorder": 3.0}
            line = solid if roof.matrix else {"ls": (0, (5, 1.5)), "lw": 1.6, "zorder": 3.1}
            axes.plot([start, right], [roof.rate, roof.rate], color=roof.colour, gid=f"roof {roof.name}", **line)
            ridge = ""
            if dram:
                ridge = f", ridge point {words.count(roof.rate / dram)} {roof.unit[:-2]}/B"
                axes.plot(
                    [roof.rate / dram],
                    [roof.rate],
                    marker="D",
                    ms=5,
                    mfc=PAPER,
                    mec=roof.colour,
                    mew=1.3,
                    ls="",
                    zorder=4,
                    gid=f"ridge {roof.name}",
                )
            axes.annotate(
                f"{roof.name}\n{format_si(roof.rate, roof.unit)}{ridge}",
                (right, roof.rate),
                (1 + 12 / (FACET * 72), place / (HEIGHT * 72)),
                textcoords="axes fraction",
                fontsize=7.6,
                color=INK,
                va="center",
                linespacing=1.15,
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": roof.colour, "lw": 0.9, "shrinkA": 1, "shrinkB": 0},
            )

    def _dots(self, axes: Axes) -> None:
        labels = Labels(axes)
        paler = list(_dot_colours(self.points))[1:]
        for line in axes.lines:
            xs, ys = (np.asarray(data, dtype=float) for data in (line.get_xdata(), line.get_ydata()))
            if len(xs) == 1:  # a ridge point
                labels.reserve(xs[0], ys[0], 4.0)
            else:
                labels.reserve_line((xs[0], ys[0]), (xs[-1], ys[-1]))
        for dot in sorted(self.points, key=lambda dot: -dot.share):
            colour, pale = colour_of(dot.dtype), dot.dtype in paler
            axes.scatter(
                [dot.intensity],
                [dot.rate],
                s=STAR if dot.kind == NET else _area(dot.share),
                marker=MARKERS.get(dot.kind, "^"),
                facecolors="none" if dot.measured else tint(colour) if pale else colour,
                edgecolors=colour if dot.measured or pale else PAPER,
                linewidths=1.0 if dot.measured or pale else 0.6,
                alpha=0.9,
                zorder=4 if dot.measured else 5,
                gid="measured" if dot.measured else "layer",
            )
            labels.reserve(dot.intensity, dot.rate, _area(dot.share) ** 0.5 / 2)
        for dot in self.dots:
            if dot.kind == NET:
                labels.place(dot.label, dot.intensity, dot.rate, radius=STAR**0.5 / 2, colour=colour_of(dot.dtype))
        for prediction in self.facet.predictions:
            own = [dot for dot in self.dots if dot.dtype == prediction.dtype]
            for dot in sorted(own, key=lambda dot: -dot.share)[:NAMED]:
                labels.place(
                    f"{dot.label} {words.percent(dot.share)}",
                    dot.intensity,
                    dot.rate,
                    radius=_area(dot.share) ** 0.5 / 2,
                    colour=colour_of(dot.dtype),
                )


def _area(share: float) -> float:
    """Square points: the area of a dot grows with its share of the time."""
    return 16.0 + 900.0 * share


def _tick(value: float) -> str:
    return f"{value:g}" if value < 1e4 else format_si(value, "")


def _limits(drawn: Sequence[_Drawing]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Common axes: every dot, every ridge point and a little of every roof and slope."""
    rates = [roof.rate for drawing in drawn for roof in drawing.roofs]
    ridges = [roof.rate / bandwidth for drawing in drawn for roof in drawing.roofs for _, bandwidth in drawing.slopes]
    points = [dot for drawing in drawn for dot in drawing.points]
    xs = [dot.intensity for dot in points] or [min(ridges, default=1.0) / 10]
    left = min(*xs, min(ridges, default=1.0)) / 2
    right = max(*xs, max(ridges, default=100.0)) * 3
    slowest = min((bandwidth for drawing in drawn for _, bandwidth in drawing.slopes), default=0.0)
    ys = [dot.rate for dot in points] or [slowest * left * 4 or min(rates) / 30]
    low = max(min(*ys, min(rates)) / 2.5, max(rates) * 1e-6)
    return (left, right), (low, max(rates) * 2)


def _legend(figure: Figure, drawn: Sequence[_Drawing], x: float, y: float) -> None:
    """What the marks mean; lines are named where they are drawn."""
    points = [dot for drawing in drawn for dot in drawing.points]
    entries: list[Line2D] = []

    def mark(marker: str, label: str, colour: str = MUTED, size: float = 6.0, *, hollow: bool = False) -> None:
        fill = "none" if hollow else colour
        entries.append(Line2D([], [], ls="", marker=marker, mfc=fill, mec=colour, ms=size, label=label))

    if any(drawing.slopes for drawing in drawn):
        mark("D", "ridge point (machine balance): compute-bound to the right", MUTED, 5, hollow=True)
    kinds = {dot.kind for dot in points}
    for kind in KINDS:
        if kind in kinds:
            mark(MARKERS[kind], kind)
    if any(dot.measured for dot in points):
        mark("o", "measured", MUTED, hollow=True)
    if any(dot.share for dot in points):
        for share in (0.01, 0.1):
            mark("o", f"{words.percent(share)} of the time", MUTED, _area(share) ** 0.5)
    for index, (name, colour) in enumerate(_dot_colours(points).items()):
        mark("o", f"computed in {name}", colour)
        if index:
            entries[-1].set_markerfacecolor(tint(colour))
    if entries:
        figure.legend(handles=entries, loc="lower left", bbox_to_anchor=(x, y), ncols=4, fontsize=8)


def _dot_colours(points: Sequence[Dot]) -> Mapping[str, str]:
    names = dict.fromkeys(dot.dtype for dot in points)
    return {name: colour_of(name) for name in names}
