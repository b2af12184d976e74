"""Where do labels go, so that none covers another?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from roofline.render.style import INK, MUTED, PAPER

BACKED = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.78, "pad": 0.6}
"""A box of paper behind a label, so that a line under it does not strike it through."""


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions at least ``gap`` apart within ``low``..``high``, each near its wanted place, order kept.

    Neighbours that are too close become a group centred on the mean of what they wanted.
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    groups: list[tuple[list[int], float]] = []
    for index in order:
        members, centre = [index], places[index]
        while groups and centre - gap * (len(members) - 1) / 2 < groups[-1][1] + gap * (len(groups[-1][0]) + 1) / 2:
            before, _ = groups.pop()
            members = before + members
            centre = sum(places[member] for member in members) / len(members)
        half = gap * (len(members) - 1) / 2
        centre = max(low + half, min(centre, high - half))
        groups.append((members, centre))
    found = [0.0] * len(places)
    for members, centre in groups:
        for rank, member in enumerate(members):
            found[member] = centre + gap * (rank - (len(members) - 1) / 2)
    return found


_CORNERS = (
    *((8, -7, "left", "top"), (-8, -7, "right", "top"), (0, -10, "center", "top"), (9, 0, "left", "center")),
    *((-9, 0, "right", "center"), (0, 10, "center", "bottom"), (8, 7, "left", "bottom")),
    *((-8, 7, "right", "bottom"), (16, -16, "left", "top"), (-16, -16, "right", "top")),
    *((0, -22, "center", "top"), (24, -26, "left", "top"), (-24, -26, "right", "top")),
)


class Labels:
    """Places labels at points of one axes, the first ones first; one that fits nowhere is left out."""

    def __init__(self, axes: Axes, taken: Sequence[Bbox] = ()) -> None:
        figure = axes.figure
        figure.canvas.draw()
        self.axes = axes
        self.renderer: Any = figure.canvas.get_renderer()  # type: ignore[attr-defined]
        self.taken = list(taken) + [text.get_window_extent(self.renderer) for text in axes.texts]
        self.frame = axes.get_window_extent(self.renderer)

    def reserve(self, x: float, y: float, radius: float) -> None:
        """Keep labels off a dot at (x, y) in data with a radius in points."""
        px, py = self.axes.transData.transform((x, y))
        size = radius * self.axes.figure.get_dpi() / 72  # type: ignore[union-attr]
        self.taken.append(Bbox([[px - size, py - size], [px + size, py + size]]))

    def place(self, text: str, x: float, y: float, *, radius: float = 3.0, size: float = 7.5) -> bool:
        """Write beside a dot where there is room; False where there is none."""
        for dx, dy, horizontal, vertical in _CORNERS:
            reach = 1 + radius / 12
            label = self.axes.annotate(
                text,
                (x, y),
                (dx * reach, dy * reach),
                textcoords="offset points",
                ha=horizontal,
                va=vertical,
                fontsize=size,
                color=INK,
                bbox=BACKED,
                zorder=6,
                arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.6, "shrinkA": 0, "shrinkB": radius * 0.6},
            )
            box = label.get_window_extent(self.renderer).expanded(1.02, 1.08)
            inside = (
                self.frame.x0 <= box.x0
                and box.x1 <= self.frame.x1
                and self.frame.y0 <= box.y0
                and box.y1 <= self.frame.y1
            )
            if inside and not any(box.overlaps(other) for other in self.taken):
                self.taken.append(box)
                return True
            label.remove()
        return False
