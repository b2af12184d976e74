"""Which lines make the roofline of a chip, and in which colours?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.colors import to_rgb

from roofline.core.chip import Chip
from roofline.core.dtype import Precision
from roofline.core.dtype import precision as parse_precision
from roofline.core.prediction import Prediction
from roofline.errors import Unsupported
from roofline.render.dots import Dot
from roofline.render.style import BLUE, GREEN, INK, MUTED, ORANGE, PINK, SKY, VERMILLION

COLOURS = {
    "fp64": INK,
    "fp32": BLUE,
    "tf32": SKY,
    "fp16": VERMILLION,
    "bf16": VERMILLION,
    "fp8_e4m3": PINK,
    "fp8_e5m2": PINK,
    "int8": GREEN,
    "int4": ORANGE,
}
"""One colour for a precision, in every picture."""


@dataclass(frozen=True)
class Facet:
    """One chip to draw.

    predictions : a network whose layers are drawn, one for each precision. wholes : networks drawn as one dot each.
    measured : kernels that were really timed.
    dtypes : precisions whose roofs are drawn; empty for all the chip has.
    """

    chip: Chip
    predictions: tuple[Prediction, ...] = ()
    measured: tuple[Dot, ...] = ()
    dtypes: tuple[str, ...] = ()
    wholes: tuple[Prediction, ...] = ()


@dataclass(frozen=True)
class Roof:
    """A peak of one engine that several precisions may share. ``rate`` in op/s."""

    engine: str
    matrix: bool
    rate: float
    precisions: tuple[Precision, ...] = field(default=())

    @property
    def name(self) -> str:
        names = [str(precision) for precision in self.precisions]
        if {"fp8_e4m3", "fp8_e5m2"} <= set(names):
            names = list(dict.fromkeys("fp8" if name.startswith("fp8") else name for name in names))
        return f"{', '.join(names)} on {self.engine}"

    @property
    def colour(self) -> str:
        return COLOURS.get(self.precisions[0].compute, MUTED)

    @property
    def unit(self) -> str:
        return "OP/s" if all(p.storage.kind == "int" for p in self.precisions) else "FLOP/s"


def roofs_of(chip: Chip, dtypes: Sequence[str] = ()) -> list[Roof]:
    """The roofs of a chip, lowest first; equal ones of one engine joined.

    Raises
    ------
    Unsupported : the chip has none of ``dtypes``.
    """
    wanted = {chip.resolve(parse_precision(name))[0] for name in dtypes if _has(chip, name)}
    if dtypes and not wanted:
        have = ", ".join(str(precision) for precision in chip.precisions())
        raise Unsupported(f"{chip.name} does not compute in {', '.join(dtypes)}; it has {have}")
    roofs: list[Roof] = []
    for engine in chip.engines:
        joined: dict[float, list[Precision]] = {}
        for precision in engine.rates:
            if not wanted or precision in wanted:
                joined.setdefault(float(f"{engine.peak(precision):.3g}"), []).append(precision)
        roofs += [Roof(engine.name, engine.kind == "matrix", rate, tuple(names)) for rate, names in joined.items()]
    return sorted(roofs, key=lambda roof: roof.rate)


def _has(chip: Chip, name: str) -> bool:
    try:
        chip.resolve(parse_precision(name))
    except Unsupported:
        return False
    return True


def slopes_of(chip: Chip) -> list[tuple[str, float]]:
    """(name, B/s) of the memory levels whose bandwidth is known, DRAM last."""
    return [(level.name, level.total_bandwidth) for level in chip.memory if level.total_bandwidth]


def colour_of(dtype: str) -> str:
    """The colour of a precision."""
    return COLOURS.get(parse_precision(dtype).compute, MUTED)


def tint(colour: str) -> tuple[float, float, float]:
    """A paler colour: a second precision differs from the first without any colour, too."""
    red, green, blue = (0.4 * part + 0.6 for part in to_rgb(colour))
    return red, green, blue
