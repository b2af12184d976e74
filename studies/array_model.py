"""What do published figures say about the array model? Its constants, their uncertainty, and what each term buys.

    python studies/array_model.py            the fits, every figure, the ablation
    python studies/array_model.py --write    also writes hw_specs/calibrations

Fits are least squares of logarithms over the rows of reports/published that name the calibration, each constant
pulled weakly towards where nothing is fitted. A residual counts as at least FLOOR: the same net on the same silicon
differs by that much between products.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from roofline import specs
from roofline.core.calibration import Calibration, FamilyFit
from roofline.core.chip import Chip, Engine, Fact
from roofline.core.dtype import precision
from roofline.core.measurement import Measurement
from roofline.core.run import Run
from roofline.core.stack import Stack
from roofline.lowering.program import Program, make_program
from roofline.measurements.store import read_measurements
from roofline.prediction.input_pipeline import request_layer
from roofline.prediction.predict import resolve_chip, time_program

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "reports" / "published").glob("*.jsonl"))
SHIPPED = ROOT / "hw_specs" / "calibrations"
FLOOR = 0.15
NORMAL = 1.645
"""Standard deviations that hold nine cases of ten."""

APART = ("unknown shapes", "plausibility")
"""Flags of rows that no fit and no score counts."""

Change = Callable[[Chip], Chip]

STACKS: dict[str, dict[str, tuple[float, float]]] = {
    "neuroncore-v2/neuron.yaml": {"efficiency": (1.0, 1.0), "request": (0.0, 1e-3)},
    "tpu-v1/tensorflow.yaml": {"layer": (0.0, 2e-6)},
}
"""What each stack's figures fit: where nothing is fitted, and how far from there is no surprise."""


EXACT = {"neuroncore-v2/neuron.yaml": ("layer",), "tpu-v1/tensorflow.yaml": ("efficiency",)}
"""Constants that a stack does without: a third one gains nothing."""


def rows() -> list[Measurement]:
    """Every published figure that has shapes and was measured."""
    read = [row for path in FILES for row in read_measurements(path).measurements]
    return [row for row in read if not set(row.flags) & set(APART)]


def unfitted() -> Calibration:
    return specs.load_calibration(SHIPPED / "any-array" / "unfitted.yaml")


def with_values(base: Calibration, **values: float) -> Calibration:
    """A calibration with other constants."""
    family = base.families["net"]
    return replace(base, families={"net": replace(family, parameters={**family.parameters, **values})})


@cache
def program_of(net: str, symbols: tuple[tuple[str, int], ...], dtype: str) -> Program:
    """A net, bound and lowered once."""
    return make_program(net, bind=dict(symbols), precision=precision(dtype), stack=Stack(), run=Run(), kind="array")


def seconds(row: Measurement, calibration: Calibration | str, change: Change = lambda chip: chip) -> float:
    """The prediction for a row, on the chip as ``change`` leaves it."""
    chip = change(resolve_chip(row.chip))
    program = program_of(row.network, tuple(sorted(row.symbols.items())), row.dtype)
    fit = None if isinstance(calibration, str) else calibration
    total = float(time_program(program, chip, row.stack, fit).total.sum())
    waits = request_layer(chip, fit, row.stack)
    return total + (waits.seconds.middle if waits else 0.0)


def errors(
    these: Sequence[Measurement], calibration: Calibration | str, change: Change = lambda chip: chip
) -> list[float]:
    """log(measured / predicted) of every row."""
    return [float(np.log(row.seconds / seconds(row, calibration, change))) for row in these]


def fitted(
    name: str, these: Sequence[Measurement], change: Change = lambda chip: chip
) -> tuple[dict[str, float], dict[str, tuple[float, float]], list[float]]:
    """Constants of a stack, the range of each, and what is left over of every row."""
    wanted = STACKS[name]
    base = unfitted()
    floor = {"efficiency": 0.05, "request": 0.0, "layer": 0.0}

    def values(point: np.ndarray) -> dict[str, float]:
        return {
            key: max(floor[key], start + scale * step)
            for (key, (start, scale)), step in zip(wanted.items(), point, strict=True)
        }

    def residuals(point: np.ndarray) -> np.ndarray:
        left = np.array(errors(these, with_values(base, **values(point)), change)) / FLOOR
        return np.concatenate([left, point])

    start = np.full(len(wanted), 0.3) * [-1 if key == "efficiency" else 1 for key in wanted]
    found = least_squares(residuals, start, diff_step=0.02)
    left = residuals(found.x)[: len(these)] * FLOOR
    freedom = max(1, len(these) - len(wanted))
    spread = max(FLOOR, float(np.sqrt((left**2).sum() / freedom)))
    covariance = np.linalg.inv(found.jac.T @ found.jac) * (spread / FLOOR) ** 2
    reach = NORMAL * np.sqrt(np.diag(covariance))
    best, low, high = values(found.x), values(found.x - reach), values(found.x + reach)
    ranges = {key: (low[key], min(high[key], 1.0) if key == "efficiency" else high[key]) for key in wanted}
    return best, ranges, list(left)


def calibration_of(name: str, these: Sequence[Measurement], chip: Chip, note: str) -> Calibration:
    """The fit of a stack as it is shipped."""
    best, ranges, left = fitted(name, these)
    best, ranges = {k: float(v) for k, v in best.items()}, {k: (float(a), float(b)) for k, (a, b) in ranges.items()}
    base = unfitted().families["net"]
    freedom = max(1, len(these) - len(best))
    spread = max(FLOOR, float(np.sqrt(np.sum(np.square(left)) / freedom)))
    wide = NORMAL * spread
    parameters = {**base.parameters, **best}
    known = {key: pair for key, pair in base.range.items() if key not in EXACT[name]}
    return Calibration(
        chip=chip.name,
        architecture=chip.architecture,
        model="array",
        dtype="any",
        stack={"framework": these[0].stack.framework},
        families={
            "net": FamilyFit(
                parameters=parameters,
                uncertainty={},
                quantiles={"0.05": -wide, "0.95": wide},
                points=len(these),
                range={**known, **ranges},
                median_error=float(np.median(np.abs(np.expm1(np.negative(left))))),
                p90_error=float(np.max(np.abs(np.expm1(np.negative(left))))),
            )
        },
        ceilings={},
        data={"sets": note, "rows": [row.label for row in these]},
    )


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


def main(write: bool) -> None:
    every = rows()
    neuron = [row for row in every if row.fit == "neuroncore-v2/neuron.yaml"]
    first = [row for row in every if row.chip == "inferentia"]
    tpu = [row for row in every if row.chip == "tpu-v1"]
    nervana = next(row for row in every if row.chip == "nnp-i-1000")
    none = unfitted()

    def line(what: str, *groups: Sequence[float]) -> None:
        cells = [f"{np.median(np.abs(np.expm1(np.negative(group)))):7.1%}" for group in groups]
        print(f"{what:58s}", *cells)

    def all_of(calibration: Calibration | str, change: Change = lambda chip: chip) -> list[list[float]]:
        return [errors(group, calibration, change) for group in (neuron, first, tpu, [*neuron, *first, *tpu])]

    print(f"{'median error':58s} inf2    inf1    tpu-v1  all")
    line("plain roofline", *all_of("none"))
    line("tiles, fill, issue alone", *all_of(none, lambda c: no_memory(no_vector(c))))
    line("+ DRAM, weights in padded tiles, spilled activations", *all_of(none, no_vector))
    line("+ vector engine: nothing fitted", *all_of(none))
    best, ranges, left = fitted("neuroncore-v2/neuron.yaml", neuron)
    layer, layers, left_tpu = fitted("tpu-v1/tensorflow.yaml", tpu)
    shared = with_values(none, **best)
    line("+ constants of each stack", left, errors(first, shared), left_tpu, [*left, *errors(first, shared), *left_tpu])
    print("neuron", best, ranges, np.round(left, 3))
    print("tpu-v1", layer, layers, np.round(left_tpu, 3))
    own = fitted("neuroncore-v2/neuron.yaml", first)[0]
    line("constants of Inferentia on Inferentia2", errors(neuron, with_values(none, **own)))
    print("inferentia", own)

    print("\nvariants, constants fitted anew: median error (inf2, inf1 unseen, tpu-v1)")
    for what, change in {
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
    }.items():
        one, _, left = fitted("neuroncore-v2/neuron.yaml", neuron, change)
        _, _, tpus = fitted("tpu-v1/tensorflow.yaml", tpu, change)
        line(what, left, errors(first, with_values(none, **one), change), tpus)
    print("\nInferentia's memory, which is not published; constants of Inferentia2")
    for size in (4, 8, 12, 16, 24, 32, 1000):
        line(f"{size} MiB a core", errors(first, with_values(shared, sram=size * 2.0**20)))

    print("\nfigure by figure: measured / predicted")
    for row in every:
        print(f"{row.chip:12s} {row.label:44s}", np.round(np.exp(errors([row], none)[0]), 3))
    if write:
        ship(neuron, tpu, nervana)


def ship(neuron: Sequence[Measurement], tpu: Sequence[Measurement], nervana: Measurement) -> None:
    """Write the calibrations."""
    source = "AWS Neuron documentation, about-neuron/benchmarks (reports/published/neuron.jsonl)"
    fit = calibration_of("neuroncore-v2/neuron.yaml", neuron, resolve_chip("inferentia2"), source)
    specs.save_calibration(fit, SHIPPED / "neuroncore-v2" / "neuron.yaml")
    older = replace(fit, architecture="neuroncore-v1")  # the same stack on the core before, of which it saw nothing
    specs.save_calibration(older, SHIPPED / "neuroncore-v1" / "neuron.yaml")
    source = "Jouppi et al., ISCA 2017, table 3, with reconstructed shapes (reports/published/tpu-v1.jsonl)"
    fit = calibration_of("tpu-v1/tensorflow.yaml", tpu, resolve_chip("tpu-v1"), source)
    specs.save_calibration(fit, SHIPPED / "tpu-v1" / "tensorflow.yaml")
    specs.save_calibration(spring_hill(nervana), SHIPPED / "spring-hill" / "mlperf.yaml")


def spring_hill(row: Measurement) -> Calibration:
    """Clock x efficiency from the one figure, over the clocks at which it can have been measured."""
    base, chip = unfitted(), resolve_chip(row.chip)
    top = chip.engines[0].clock.hz()
    slowest = resolve_chip("nnp-i-1000-10w").engines[0].clock.hz()
    work = seconds(row, base) / row.seconds * top  # clock x efficiency
    ends = (work / top, min(1.0, work / max(slowest, work)))
    middle = float(np.sqrt(ends[0] * ends[1]))
    family = base.families["net"]
    return replace(
        base,
        chip="nnp-i",
        architecture=chip.architecture,
        stack={"framework": row.stack.framework},
        data={"sets": row.provenance, "clock_x_efficiency_hz": work},
        families={
            "net": replace(
                family,
                points=1,
                parameters={**family.parameters, "efficiency": middle},
                range={**family.range, "efficiency": ends},
                quantiles={"0.05": -FLOOR, "0.95": FLOOR},
            )
        },
        file="",
    )


if __name__ == "__main__":
    main("--write" in sys.argv[1:])
