"""Are predictions right, and how do chips compare? Pictures of many predictions at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from roofline.errors import UsageError
from roofline.render import words
from roofline.render.labels import Labels
from roofline.render.scores import Pair
from roofline.render.style import GRID, INK, MUTED, PAPER, SERIES, new_figure, styled
from roofline.units import format_si

MARKERS = "osD^vPX<>p"


def scatter_figure(pairs: Sequence[Pair], title: str = "", *, band: float = 0.2, named: int = 12) -> Figure:
    """Predicted against measured seconds: on the line is right, above it predicted too slow.

    ``band`` shades errors up to that share; ``named`` limits how many of the pairs with names get them.

    Raises
    ------
    UsageError : nothing to draw.
    """
    known = [pair for pair in pairs if pair.predicted > 0 and pair.measured > 0]
    if not known:
        raise UsageError("nothing to draw: no measurement has a prediction")
    groups = list(dict.fromkeys(pair.group for pair in known))
    width, height, side = 8.2, 5.95 if title else 5.65, 4.9
    with styled():
        figure = new_figure(width, height)
        axes = figure.add_axes((0.8 / width, 0.65 / height, side / width, side / height))
        low = min(min(pair.predicted, pair.measured) for pair in known) / 1.8
        high = max(max(pair.predicted, pair.measured) for pair in known) * 1.8
        axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
        _seconds_axes(axes)
        line = [low, high]
        factor = 1 + band
        axes.fill_between(
            line, [low / factor, high / factor], [low * factor, high * factor], color=GRID, alpha=0.6, lw=0, gid="band"
        )
        axes.plot(line, line, color=INK, lw=1.0, gid="identity")
        for index, group in enumerate(groups):
            _group(axes, [pair for pair in known if pair.group == group], index, len(known))
        axes.set_xlabel("measured")
        axes.set_ylabel("predicted")
        if title:
            axes.set_title(title, pad=10)
        labels = Labels(axes)
        for pair in known:
            labels.reserve(pair.measured, pair.predicted, 3.0)
        for pair in [pair for pair in known if pair.name][:named]:
            labels.place(pair.name, pair.measured, pair.predicted)
        figure.legend(
            handles=_scatter_legend(known, groups, band),
            loc="upper left",
            bbox_to_anchor=((side + 0.9) / width, (side + 0.65) / height),
            fontsize=8,
            labelspacing=0.65,
        )
    return figure


def _group(axes: Axes, pairs: Sequence[Pair], index: int, crowd: int) -> None:
    colour, marker = SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)]
    for pair in pairs:
        if pair.low is not None and pair.high is not None:
            axes.plot(
                [pair.measured, pair.measured],
                [pair.low, pair.high],
                color=colour,
                lw=0.8 if crowd > 60 else 1.4,
                alpha=0.35 if crowd > 60 else 0.6,
                zorder=2,
                gid="interval",
            )
    axes.scatter(
        [pair.measured for pair in pairs],
        [pair.predicted for pair in pairs],
        s=24 if crowd > 60 else 44,
        marker=marker,
        facecolors=colour,
        edgecolors=PAPER,
        linewidths=0.4,
        alpha=0.9,
        zorder=4,
        gid=f"group {pairs[0].group}",
    )


def _scatter_legend(pairs: Sequence[Pair], groups: Sequence[str], band: float) -> list[Line2D]:
    entries = []
    for index, group in enumerate(groups):
        own = [pair for pair in pairs if pair.group == group]
        errors = sorted(abs(pair.predicted / pair.measured - 1) for pair in own)
        middle = errors[len(errors) // 2] if len(errors) % 2 else sum(errors[len(errors) // 2 - 1 :][:2]) / 2
        error = f"error {words.percent(middle)}"
        text = f"{group}: {error}" if len(own) == 1 else f"{group}\n{len(own):,} measurements, median {error}"
        colour, marker = SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)]
        entries.append(Line2D([], [], ls="", marker=marker, color=colour, mec=PAPER, ms=6, label=text))
    entries.append(Line2D([], [], color=INK, lw=1.0, label="predicted = measured"))
    entries.append(Line2D([], [], color=GRID, lw=6, label=f"within {words.percent(band)}"))
    if any(pair.low is not None for pair in pairs):
        entries.append(Line2D([], [], color=MUTED, lw=1.2, marker="", label="predicted interval"))
    return entries


def _seconds_axes(axes: Axes) -> None:
    axes.grid(True, which="major")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(base=10, numticks=20))
        axis.set_minor_locator(LogLocator(base=10, subs=range(2, 10), numticks=200))
        axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(FuncFormatter(lambda value, _: words.seconds(value)))
    axes.tick_params(which="minor", length=2, width=0.4)


@dataclass(frozen=True)
class Speed:
    """Samples per second of one chip on one network, with its interval.

    ``bound``: only an upper bound on speed, drawn hollow. Without ``value``, ``note`` says why.
    """

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    bound: bool = False
    note: str = "not supported"


def chips_figure(nets: Mapping[str, Sequence[Speed]], title: str = "", *, columns: int = 3) -> Figure:
    """Samples per second of chips on a logarithmic scale, one panel for each network.

    Every panel names the same chips in the same order and has a scale of its own.

    Raises
    ------
    UsageError : nothing to draw.
    """
    if not nets or not any(speeds for speeds in nets.values()):
        raise UsageError("nothing to draw: no network has a speed")
    columns = min(columns, len(nets))
    rows = ceil(len(nets) / columns)
    longest = max(len(speed.label) for speeds in nets.values() for speed in speeds)
    name, panel, gap, head = 0.3 + 0.075 * longest, 2.5, 0.5, 0.55 if title else 0.1
    tall = max(0.26 * max(len(speeds) for speeds in nets.values()), 0.5)
    pitch = tall + 0.75
    width, height = name + columns * (panel + gap), head + rows * pitch + 0.25
    with styled():
        figure = new_figure(width, height)
        for index, (net, speeds) in enumerate(nets.items()):
            row, column = divmod(index, columns)
            x, y = name + column * (panel + gap), height - head - 0.3 - tall - row * pitch
            axes = figure.add_axes((x / width, y / height, panel / width, tall / height))
            _speeds(axes, speeds, named=column == 0)
            axes.set_title(net, pad=6, fontsize=9.5)
        if title:
            figure.text(0.15 / width, 1 - 0.25 / height, title, fontsize=12, fontweight="bold", va="center")
        if any(speed.bound for speeds in nets.values() for speed in speeds):
            note = "hollow: upper bound on speed from the spec sheet; lines: intervals"
            figure.text(0.15 / width, 0.08 / height, note, fontsize=8, color=MUTED)
    return figure


def _speeds(axes: Axes, speeds: Sequence[Speed], *, named: bool) -> None:
    values = [speed.value for speed in speeds if speed.value]
    low, high = min(values, default=1.0), max(values, default=1.0)
    low, high = low / 2.5, high * (high / low) ** 0.12 * 8
    axes.set(xscale="log", xlim=(low, high), ylim=(len(speeds) - 0.5, -0.5), yticks=range(len(speeds)))
    for place, speed in enumerate(speeds):
        axes.plot([low, high], [place, place], color=GRID, lw=0.7, ls=(0, (1, 2)), zorder=1)
        if not speed.value:
            axes.text(low * 1.2, place, speed.note, fontsize=7.5, color=MUTED, va="center", style="italic")
            continue
        # what is an upper bound already has no faster end
        fast = speed.value if speed.bound else speed.high or speed.value
        if speed.low:
            axes.plot(
                [max(speed.low, low), fast],
                [place, place],
                color=SERIES[0],
                lw=1.3,
                alpha=0.55,
                zorder=2,
                gid="interval",
            )
        axes.plot(
            [speed.value],
            [place],
            marker="o",
            ms=6,
            mfc=PAPER if speed.bound else SERIES[0],
            mec=SERIES[0],
            mew=1.3,
            zorder=3,
            gid="speed",
        )
        axes.annotate(
            words.count(speed.value),
            (fast, place),
            (6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_yticklabels([speed.label for speed in speeds] if named else [])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.xaxis.set_major_locator(LogLocator(base=10, numticks=6))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_si(value, "") if value >= 1 else f"{value:g}"))
    axes.grid(True, axis="x", which="major")
