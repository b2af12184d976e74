"""What do published figures say about the array model? Its constants, their uncertainty, and what each term buys.

    python studies/array_model.py            the fits, every figure, the ablation
    python studies/array_model.py --quick    the fits, two lines of the ablation

The fits are those of ``roofline calibrate`` (:mod:`roofline.calibration.array`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from roofline import specs
from roofline.calibration.array.calibrate import APART
from roofline.calibration.array.fit import Change, errors, fitted, with_values
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip, Engine, Fact
from roofline.core.measurement import Measurement
from roofline.measurements.store import read_measurements


def rows() -> list[Measurement]:
    """Every published figure that has shapes and was measured."""
    read = [row for path in specs.published_files() for row in read_measurements(path).measurements]
    return [row for row in read if not set(row.flags) & set(APART)]


# ---------------------------------------------------------------- ablation


def _engines(chip: Chip, change: Callable[[Engine], Engine]) -> Chip:
    return replace(chip, engines=tuple(map(change, chip.engines)))


def _times(fact: Fact, factor: float) -> Fact:
    return replace(fact, value=fact.value * factor)


def no_vector(chip: Chip) -> Chip:
    return _engines(
        chip,
        lambda e: e if e.array else replace(e, rates={p: _times(f, 1e9) for p, f in e.rates.items()}),
    )


def no_memory(chip: Chip) -> Chip:
    level = chip.dram
    assert level.bandwidth is not None
    return replace(chip, memory=(*chip.memory[:-1], replace(level, bandwidth=_times(level.bandwidth, 1e9))))


def geometry(**values: object) -> Change:
    """The chip with other facts of its array."""
    return lambda chip: _engines(chip, lambda e: replace(e, array=replace(e.array, **values)) if e.array else e)


def inline(chip: Chip) -> Chip:
    return _engines(chip, lambda e: e if e.array else replace(e, inline=True))


def beside(chip: Chip) -> Chip:
    """All vector engines of a core work side by side."""
    others = [e for e in chip.engines if not e.array]
    if len(others) < 2:
        return chip
    total = sum(max(f.value for f in e.rates.values()) * e.clock.hz() for e in others)
    first = others[0]
    factor = total / (max(f.value for f in first.rates.values()) * first.clock.hz())
    return _engines(
        chip, lambda e: replace(e, rates={p: _times(f, factor) for p, f in e.rates.items()}) if e is first else e
    )


def main() -> None:
    every, quick = rows(), "--quick" in sys.argv
    neuron = [row for row in every if row.fit == "neuroncore-v2/neuron.yaml"]
    first = [row for row in every if row.chip == "inferentia"]
    tpu = [row for row in every if row.chip == "tpu-v1"]
    none = specs.load_unfitted()

    def line(what: str, *groups: Sequence[float]) -> None:
        cells = [f"{np.median(np.abs(np.expm1(np.negative(group)))):7.1%}" for group in groups]
        print(f"{what:58s}", *cells)

    def all_of(calibration: Calibration | None, change: Change = lambda chip: chip) -> list[list[float]]:
        return [errors(group, calibration, change) for group in (neuron, first, tpu, [*neuron, *first, *tpu])]

    print(f"{'median error':58s} inf2    inf1    tpu-v1  all")
    line("plain roofline", *all_of(None))
    line("tiles, fill, issue alone", *all_of(none, lambda c: no_memory(no_vector(c))))
    line("+ DRAM, weights in padded tiles, spilled activations", *all_of(none, no_vector))
    line("+ vector engine: nothing fitted", *all_of(none))
    found, found_tpu = fitted(neuron), fitted(tpu)
    left, left_tpu = found.left, found_tpu.left
    shared = with_values(none, **found.values)
    line("+ constants of each stack", left, errors(first, shared), left_tpu, [*left, *errors(first, shared), *left_tpu])
    for name, one in (("neuron", found), ("tpu-v1", found_tpu)):
        print(name, dict(one.values), dict(one.ranges), np.round(one.left, 3))
    own = fitted(first).values
    line("constants of Inferentia on Inferentia2", errors(neuron, with_values(none, **own)))
    print("inferentia", own)

    print("\nvariants, constants fitted anew: median error (inf2, inf1 unseen, tpu-v1)")
    variants: dict[str, Change] = {
        "as it is": lambda c: c,
        "im2col": geometry(lowering="im2col"),
        "tap by tap": geometry(lowering="per-tap"),
        "array and vector side by side": inline,
        "all vector engines of a core at once": beside,
        "no vector engine": no_vector,
        "no DRAM": no_memory,
        "weights packed": geometry(padded_weights=False),
        "weights may stay": geometry(streamed_weights=False),
        "no least interval": geometry(issue=None),
    }
    for what, change in list(variants.items())[: 2 if quick else None]:
        one = fitted(neuron, change)
        line(what, one.left, errors(first, with_values(none, **one.values), change), fitted(tpu, change).left)
    print("\nInferentia's memory, which is not published; constants of Inferentia2")
    for size in (4,) if quick else (4, 8, 12, 16, 24, 32, 1000):
        line(f"{size} MiB a core", errors(first, with_values(shared, sram=size * 2.0**20)))

    print("\nfigure by figure: measured / predicted")
    for row in every:
        print(f"{row.chip:12s} {row.label:44s}", np.round(np.exp(errors([row], none)[0]), 3))


if __name__ == "__main__":
    main()
