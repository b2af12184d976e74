"""Where do labels go, so that none covers another?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from roofline.render.style import INK, MUTED


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions at least ``gap`` apart within ``low``..``high``, each near its wanted place, order kept.

    Less ``gap`` times its rank, a position may not fall below the one before it: the nearest such positions
    are an isotonic regression (pool adjacent violators), and the limits only cut them off.
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    pools: list[tuple[float, int]] = []  # mean, members
    for rank, index in enumerate(order):
        mean, members = places[index] - gap * rank, 1
        while pools and pools[-1][0] > mean:
            before, many = pools.pop()
            mean, members = (before * many + mean * members) / (many + members), many + members
        pools.append((mean, members))
    flat = [mean for mean, members in pools for _ in range(members)]
    highest = high - gap * (len(places) - 1)
    found = [0.0] * len(places)
    for rank, index in enumerate(order):
        found[index] = max(low, min(flat[rank], highest)) + gap * rank
    return found


def _ring(reach: float) -> list[tuple[float, float, str, str]]:
    """Places around a dot in points, with the corner of the text that goes there; the best first."""
    low, side = 0.9 * reach, 1.1 * reach
    return [
        *((side, -low, "left", "top"), (-side, low, "right", "bottom"), (0, -1.2 * reach, "center", "top")),
        *((0, 1.2 * reach, "center", "bottom"), (-side, -low, "right", "top"), (side, low, "left", "bottom")),
        *((1.3 * reach, 0, "left", "center"), (-1.3 * reach, 0, "right", "center")),
    ]


_PLACES = [place for reach in (9.0, 17.0, 27.0, 38.0, 50.0) for place in _ring(reach)]


class Labels:
    """Places labels at points of one axes, the first ones first; one that fits nowhere is left out."""

    def __init__(self, axes: Axes, taken: Sequence[Bbox] = ()) -> None:
        canvas: Any = axes.figure.canvas
        canvas.draw()
        self.axes = axes
        self.renderer = canvas.get_renderer()
        self.taken = list(taken) + [Text.get_window_extent(text, self.renderer) for text in axes.texts]
        self.texts: list[Bbox] = []
        self.frame = axes.get_window_extent(self.renderer)

    def reserve(self, x: float, y: float, radius: float) -> None:
        """Keep labels off a dot at (x, y) in data with a radius in points."""
        px, py = self.axes.transData.transform((x, y))
        size = radius * self.axes.figure.get_dpi() / 72
        self.taken.append(Bbox([[px - size, py - size], [px + size, py + size]]))

    def reserve_line(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Keep labels off a straight line between two points in data."""
        first, last = self.axes.transData.transform([start, end])
        steps = max(int(np.hypot(*(last - first)) / 6), 1)
        for px, py in np.linspace(first, last, steps + 1):
            self.taken.append(Bbox([[px - 2, py - 2], [px + 2, py + 2]]))

    def place(
        self, text: str, x: float, y: float, *, radius: float = 3.0, size: float = 7.5, colour: str = MUTED
    ) -> bool:
        """Write beside a dot where there is room; False where there is none."""
        for dx, dy, horizontal, vertical in _PLACES:
            label = self.axes.annotate(
                text,
                (x, y),
                (dx + np.sign(dx) * radius * 0.6, dy + np.sign(dy) * radius * 0.6),
                textcoords="offset points",
                ha=horizontal,
                va=vertical,
                fontsize=size,
                color=INK,
                zorder=6,
                arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.7, "shrinkA": 0, "shrinkB": 0},
            )
            label.update_positions(self.renderer)
            # of the text alone: an annotation would count its arrow
            box = Text.get_window_extent(label, self.renderer).expanded(1.04, 1.15)
            inside = (
                self.frame.x0 <= box.x0
                and box.x1 <= self.frame.x1
                and self.frame.y0 <= box.y0
                and box.y1 <= self.frame.y1
            )
            leader = self._leader(x, y, box)
            free = not any(box.overlaps(other) for other in self.taken)
            if inside and free and not any(point.overlaps(text) for point in leader for text in self.texts):
                self.texts.append(box)
                self.taken += [box, *leader]
                return True
            label.remove()
        return False

    def _leader(self, x: float, y: float, box: Bbox) -> list[Bbox]:
        """The line from a dot to the nearest point of its label, as small boxes."""
        start = self.axes.transData.transform((x, y))
        end = np.clip(start, (box.x0, box.y0), (box.x1, box.y1))
        steps = np.linspace(0.0, 1.0, max(int(np.hypot(*(end - start)) / 4), 2), endpoint=False)
        return [Bbox([point - 1, point + 1]) for point in start + steps[:, None] * (end - start)]
