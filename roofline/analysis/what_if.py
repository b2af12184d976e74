"""What if a chip had another figure? The chip with some of its figures replaced, by path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from roofline import units
from roofline.core.chip import Chip, Engine, Fact
from roofline.core.dtype import precision
from roofline.errors import UnknownName, UsageError

Change = Mapping[str, float | str]
"""Path of a figure -> its new value: ``{"DRAM.bandwidth": "600 GB/s", "power": "x0.8"}``."""

OF_CHIP = {"power": "W", "launch": "s", "cores": "", "process_nm": ""}
OF_MEMORY = {"capacity": "B", "bandwidth": "B/s", "read_bandwidth": "B/s", "write_bandwidth": "B/s"}
OF_CLOCK = ("base", "boost", "top", "sustained")
FACTOR = re.compile(r"\s*x\s*(\d+(?:\.\d+)?)\s*")


def changed(chip: Chip, change: Change) -> Chip:
    """The chip with these figures replaced.

    Parameters
    ----------
    change : paths and values. Paths are ``power``, ``launch``, ``cores``; ``LEVEL.capacity``, ``LEVEL.bandwidth``,
        ``LEVEL.read_bandwidth``, ``LEVEL.write_bandwidth`` of a memory level; ``ENGINE.count``, ``ENGINE.boost`` (and
        ``base``, ``top``, ``sustained``) in Hz, and ``ENGINE.PRECISION`` in multiply-adds per clock and unit of an
        engine. Values are quantities (``"600 GB/s"``, plain numbers are SI) or factors (``"x1.5"``).

    Raises
    ------
    UnknownName : no such engine, memory level or figure.
    UsageError : not a quantity of that dimension, or a factor of a figure that the chip does not have.
    """
    for path, value in change.items():
        chip = _changed(chip, path, value)
    return chip


def _changed(chip: Chip, path: str, value: float | str) -> Chip:
    owner, _, figure = path.rpartition(".")
    if not owner:
        if figure not in OF_CHIP:
            raise UnknownName(f"figure of {chip.name}", path, paths(chip))
        return replace(chip, **{figure: _fact(getattr(chip, figure), value, OF_CHIP[figure], path)})  # type: ignore[arg-type]
    for index, level in enumerate(chip.memory):
        if _plain(level.name) == _plain(owner) and figure in OF_MEMORY:
            new = replace(level, **{figure: _fact(getattr(level, figure), value, OF_MEMORY[figure], path)})  # type: ignore[arg-type]
            return replace(chip, memory=(*chip.memory[:index], new, *chip.memory[index + 1 :]))
    for index, engine in enumerate(chip.engines):
        if _plain(engine.name) == _plain(owner):
            made = _engine(engine, figure, value, path, chip)
            return replace(chip, engines=(*chip.engines[:index], made, *chip.engines[index + 1 :]))
    raise UnknownName(f"figure of {chip.name}", path, paths(chip))


def _engine(engine: Engine, figure: str, value: float | str, path: str, chip: Chip) -> Engine:
    if figure == "count":
        return replace(engine, count=_fact(engine.count, value, "", path))
    if figure in OF_CLOCK:
        clock = replace(engine.clock, **{figure: _fact(getattr(engine.clock, figure), value, "Hz", path)})
        return replace(engine, clock=clock)
    known = {str(one): one for one in engine.rates}
    if figure not in known:
        raise UnknownName(f"figure of {chip.name}", path, paths(chip))
    wanted = precision(figure)
    return replace(engine, rates={**engine.rates, wanted: _fact(engine.rates[wanted], value, "", path)})


def _fact(old: Fact | None, value: float | str, dimension: str, path: str) -> Fact:
    factor = FACTOR.fullmatch(value) if isinstance(value, str) else None
    if factor and old is None:
        raise UsageError(f"{path}: the chip does not have this figure, so {value} of it is unknown; write a quantity")
    try:
        new = old.value * float(factor[1]) if factor and old else units.parse(value, dimension)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    return Fact(new, "what if", "unverified")


def paths(chip: Chip) -> list[str]:
    """Every figure that can be replaced, as ``what_if`` names it."""
    found = [name for name in OF_CHIP if getattr(chip, name)]
    found += [f"{level.name}.{name}" for level in chip.memory for name in OF_MEMORY if getattr(level, name)]
    for engine in chip.engines:
        found += [
            f"{engine.name}.count",
            *(f"{engine.name}.{name}" for name in OF_CLOCK if getattr(engine.clock, name)),
        ]
        found += [f"{engine.name}.{one}" for one in engine.rates]
    return found


def _plain(name: str) -> str:
    """``CUDA cores``, ``cuda-cores`` and ``cuda_cores`` are one name."""
    return re.sub(r"[\s_-]+", " ", name.strip().lower())
