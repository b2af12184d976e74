"""Which numbers make the GPU model agree with measured kernels, and how well does it do on a GPU left out?

    ROOFLINE_DATA=<folder of the sets> python benchmarks/gpu_model.py [--write] [--apart]

Fits :mod:`roofline.devices.gpu` on public rows (benchmarks/gpu_data.py), every device and set weighing the same,
errors as logarithms, robust (soft L1 above 10 %). The launch floor of a set on a machine is a nuisance: fitted
beside, never shipped. Prints mean errors of each set and device with the device left out (shared numbers; its
floor is 0.95 of the 3rd percentile of its latencies) and with half of its rows seen (its own numbers), after those of
the plain roofline on the same rows. ``--write``
ships the shared numbers and those of each device; ``--apart`` scores the rows that nothing was fitted or chosen on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from gpu_data import Rows, load
from numpy.typing import NDArray

from roofline import specs
from roofline.core.calibration import Calibration, FamilyFit
from roofline.core.chip import Chip
from roofline.devices import ceiling, gpu
from roofline.devices.gpu_parameters import Parameters, sustained_share

Floats = NDArray[np.float64]

DEVICES = (
    "tesla-p100-pcie",
    "tesla-p4",
    "a100-pcie-40gb",
    "tesla-v100-pcie-32gb",
    "tesla-t4",
    "titan-x-maxwell",
    "h200-sxm",
)


@dataclass(frozen=True)
class Stage:
    """Numbers fitted together, on which sets; ``own`` are those a device with rows gets for itself."""

    shared: tuple[str, ...]
    sets: tuple[str, ...]
    own: tuple[str, ...]


STAGES = (
    Stage(
        ("wide", "narrow", "edge", "prologue", "split", "reach", "sharpness"),
        ("linear", "bmm", "deepbench"),
        ("sustained",),
    ),
    Stage(("stream", "joint"), ("stream",), ("stream",)),
    Stage(("row", "again"), ("softmax", "layer_norm"), ("row", "again")),
    Stage(("tensor", "tensor_reach"), ("deepbench-fp16", "aiconfigurator"), ("tensor",)),
    Stage(
        ("conv", "winograd", "staged", "conv_start", "transform", "filters", "cool"),
        ("conv", "deepbench-conv"),
        ("conv", "winograd", "staged"),
    ),
)

HOST_BOUND = 2.0
"""Convolutions below this many times their floor are host time, and are not scored; those near it weigh less."""


@dataclass
class Fit:
    """Shared numbers, those of single devices, and the nuisance floors [s] by device and set."""

    shared: dict[str, float] = field(default_factory=dict)
    own: dict[str, dict[str, float]] = field(default_factory=dict)
    floors: dict[tuple[str, str], float] = field(default_factory=dict)

    def parameters(self, device: str = "") -> Parameters:
        return Parameters.of({**self.shared, **self.own.get(device, {})})

    def floor(self, device: str, source: str, rows: Rows) -> Floats:
        """The floor of each row: as fitted, else from the fastest rows; convolutions bring their own."""
        if source == "conv":
            return 0.9 * rows.floor
        known = self.floors.get((device, source), _least(rows))
        return np.full(len(rows), known)

    def predict(self, chip: Chip, source: str, rows: Rows, device: str) -> Floats:
        floor = self.floor(device, source, rows)
        return gpu.gpu_times(rows.schedule, chip, self.parameters(device), floor=floor).total


Parts = dict[tuple[str, str], Rows]
"""(device, set) -> rows."""


def _least(rows: Rows) -> float:
    return 0.95 * float(np.percentile(rows.seconds, 3))


def parts_of(rows: Mapping[str, Rows]) -> Parts:
    """Rows by device and set."""
    return {
        (device, str(source)): mine.select(np.flatnonzero(mine.source == source))
        for device, mine in rows.items()
        for source in np.unique(mine.source)
    }


def weights(source: str, rows: Rows) -> Floats:
    even = np.full(len(rows), 1.0 / np.sqrt(len(rows)))
    return even * np.clip((rows.seconds / rows.floor - 1.0) / 2.0, 0.0, 1.0) if source == "conv" else even


def fit(parts: Parts, chips: Mapping[str, Chip], start: Fit | None = None, own: bool = True) -> Fit:
    """All stages: shared numbers with the sustained clock of each device, then each device's own."""
    found = Fit(dict(start.shared) if start else {})
    for stage in STAGES:
        mine = {key: rows for key, rows in parts.items() if key[1] in stage.sets}
        devices = sorted({device for device, _ in mine})
        clocks = {d: sustained_share(chips[d], Parameters()) for d in devices} if "sustained" in stage.own else {}
        first = Parameters.of(found.shared)
        free = {("", name): getattr(first, name) for name in stage.shared} | {
            (d, "sustained"): clocks[d] for d in clocks
        }
        _least_squares(found, mine, chips, free)
        if own:
            for device in devices:
                some = {key: rows for key, rows in mine.items() if key[0] == device}
                own_first = found.parameters(device)
                _least_squares(found, some, chips, {(device, name): getattr(own_first, name) for name in stage.own})
        elif clocks:
            found.own.clear()
    return found


def _least_squares(found: Fit, parts: Parts, chips: Mapping[str, Chip], free: dict[tuple[str, str], float]) -> None:
    """Fit ``free`` ((device or "", name) -> start) and the floors of these sets; changes ``found``."""
    from scipy.optimize import least_squares

    if not parts:
        return
    floors = {key: found.floors.get(key, _least(rows)) for key, rows in parts.items() if key[1] != "conv"}
    start = np.log(np.array([*free.values(), *floors.values()]))
    weight = {key: weights(key[1], rows) for key, rows in parts.items()}
    pull = np.array([0.5 if name == "sustained" else 0.05 for _, name in free])

    def put(x: Floats) -> None:
        values = np.exp(x)
        for (device, name), value in zip(free, values, strict=False):
            (found.own.setdefault(device, {}) if device else found.shared)[name] = float(value)
        found.floors.update(zip(floors, (float(v) for v in values[len(free) :]), strict=True))

    def residual(x: Floats) -> Floats:
        put(x)
        out = []
        for (device, source), rows in parts.items():
            error = np.log(found.predict(chips[device], source, rows, device) / rows.seconds) / 0.1
            out.append(weight[device, source] * np.sign(error) * np.sqrt(2.0 * (np.sqrt(1.0 + error**2) - 1.0)))
        return np.concatenate([*out, pull * (x - start)[: len(free)]])

    best = least_squares(residual, start, max_nfev=25, diff_step=1e-3, bounds=(start - 2.5, start + 2.5))
    put(best.x)


def plain(parts: Parts, chips: Mapping[str, Chip], devices: Iterable[str]) -> dict[tuple[str, str], Floats]:
    """measured / plain roofline of the rows that are scored; nothing is fitted, floors neither."""
    out = {}
    for (device, source), rows in parts.items():
        if device in devices and source in {name for stage in STAGES for name in stage.sets}:
            quotient = rows.seconds / ceiling.ceiling_times(rows.schedule, chips[device]).total
            out[device, source] = quotient[rows.seconds > HOST_BOUND * rows.floor] if source == "conv" else quotient
    return out


def ratios(
    found: Fit, parts: Parts, chips: Mapping[str, Chip], devices: Iterable[str]
) -> dict[tuple[str, str], Floats]:
    """measured / predicted of the rows of these devices by device and set, convolutions that are host time left out."""
    out = {}
    for (device, source), rows in parts.items():
        if device in devices and source in {name for stage in STAGES for name in stage.sets}:
            quotient = rows.seconds / found.predict(chips[device], source, rows, device)
            out[device, source] = quotient[rows.seconds > HOST_BOUND * rows.floor] if source == "conv" else quotient
    return out


def left_out(parts: Parts, chips: Mapping[str, Chip], start: Fit) -> dict[tuple[str, str], Floats]:
    """Every device predicted by what the others taught."""
    out: dict[tuple[str, str], Floats] = {}
    for device in sorted({device for device, _ in parts}):
        others = fit({key: rows for key, rows in parts.items() if key[0] != device}, chips, start, own=False)
        out |= ratios(others, parts, chips, (device,))
    return out


def halves(parts: Parts, chips: Mapping[str, Chip], start: Fit) -> dict[tuple[str, str], Floats]:
    """Every device predicted by half of its rows and of everyone's."""
    out: dict[tuple[str, str], list[Floats]] = {}
    for seen in (0, 1):
        known, held = (
            {key: rows.select(np.arange(len(rows)) % 2 == which) for key, rows in parts.items()}
            for which in (seen, 1 - seen)
        )
        found = fit(known, chips, start)
        for key, quotient in ratios(found, held, chips, {device for device, _ in held}).items():
            out.setdefault(key, []).append(quotient)
    return {key: np.concatenate(both) for key, both in out.items()}


FAMILY = {
    "linear": "linear",
    "deepbench": "linear",
    "bmm": "bmm",
    "conv": "conv",
    "deepbench-conv": "conv",
    "stream": "elementwise",
    "softmax": "softmax",
    "layer_norm": "norm",
    "deepbench-fp16": "tensor",
    "aiconfigurator": "tensor",
}


def families(quotients: Mapping[tuple[str, str], Floats], parts: Parts) -> dict[str, FamilyFit]:
    """Held-out errors by family, every device and set the same weight."""
    fits = {}
    for family in dict.fromkeys(FAMILY.values()):
        keys = [key for key in quotients if FAMILY[key[1]] == family and len(quotients[key])]
        if not keys:
            continue
        logs = np.concatenate([np.log(quotients[key]) for key in keys])
        weight = np.concatenate([np.full(len(quotients[key]), 1.0 / len(quotients[key])) for key in keys])
        sizes = [parts[key].schedule for key in keys]
        errors = np.abs(np.expm1(-logs))
        fits[family] = FamilyFit(
            {},
            {},
            {f"{level:g}": _quantile(logs, weight, level) for level in (0.05, 0.5, 0.95)},
            sum(len(parts[key]) for key in keys),
            {
                name: tuple(float(f(np.concatenate([getattr(s, name) for s in sizes]))) for f in (np.min, np.max))  # type: ignore[misc]
                for name in ("flops", "bytes")
            },
            _quantile(errors, weight, 0.5),
            _quantile(errors, weight, 0.9),
        )
    return fits


def _quantile(values: Floats, weight: Floats, level: float) -> float:
    order = np.argsort(values)
    return float(values[order][np.searchsorted(np.cumsum(weight[order]) / weight.sum(), level)])


def show(title: str, quotients: Mapping[tuple[str, str], Floats]) -> None:
    """Mean absolute error in per cent, median bias behind it."""
    sets = [name for stage in STAGES for name in stage.sets]
    print(title)
    print(f"{'':22s}" + "".join(f"{name:>16s}" for name in sets))
    for device in sorted({device for device, _ in quotients}):
        cells = [quotients.get((device, name)) for name in sets]
        print(
            f"{device:22s}" + "".join(f"{'':16s}" if q is None else f"{_error(q):9.1f} {_bias(q):+6.0f}" for q in cells)
        )
    means = [[_error(q) for (_, source), q in quotients.items() if source == name] for name in sets]
    print(f"{'mean':22s}" + "".join(f"{np.mean(m):9.1f}{'':7s}" if m else f"{'':16s}" for m in means))


def _error(quotient: Floats) -> float:
    return 100.0 * float(np.abs(1.0 / quotient - 1.0).mean())


def _bias(quotient: Floats) -> float:
    return 100.0 * float(np.median(1.0 / quotient) - 1.0)


SETS = (
    "NeuSight (sitar-lab/NeuSight @ 6945927), DeepBench (baidu-research/DeepBench @ da81ba7), "
    "aiconfigurator (ai-dynamo/aiconfigurator @ 095f58a)"
)


def write(
    found: Fit, parts: Parts, borrowed: Mapping[str, FamilyFit], halved: Mapping[tuple[str, str], Floats]
) -> None:
    """Ship the shared numbers for any GPU, and each device's own."""
    folder = Path(__file__).parent.parent / "hw_specs/calibrations"
    counts = {device: sum(len(rows) for (d, _), rows in parts.items() if d == device) for device in DEVICES}
    data = {"sets": SETS, "rows": counts, "devices": list(DEVICES), "held_out": "each device in turn"}
    shared = Calibration("any GPU", "any", "gpu", "any", {"framework": "several"}, borrowed, found.shared, data)
    specs.save_calibration(shared, folder / "any-gpu/public.yaml")
    for device in DEVICES:
        mine = families({key: q for key, q in halved.items() if key[0] == device}, parts)
        own = replace(
            shared,
            chip=device,
            architecture=specs.load_chip(device).architecture,
            families={**borrowed, **mine},
            ceilings={**found.shared, **found.own[device]},
            data={**data, "held_out": "half of the rows, families without rows of this chip: each device in turn"},
        )
        specs.save_calibration(own, folder / device / "public.yaml")


def main() -> None:
    folder = os.environ.get("ROOFLINE_DATA")
    if not folder:
        sys.exit("set ROOFLINE_DATA to the folder that holds neusight/, deepbench/ and aiconfigurator/")
    parts = parts_of(load(Path(folder), DEVICES))
    chips = {device: specs.load_chip(device) for device in DEVICES}
    show("plain roofline: mean error and median bias in %", plain(parts, chips, DEVICES))
    found = fit(parts, chips)
    print({name: float(f"{value:.3g}") for name, value in found.shared.items()})
    for device, own in found.own.items():
        print(device, {name: float(f"{value:.3g}") for name, value in own.items()})
    if "--apart" in sys.argv:
        kept = parts_of(load(Path(folder), DEVICES, apart=True))
        show("rows kept apart, own numbers", ratios(found, kept, chips, DEVICES))
        return
    out, half = left_out(parts, chips, found), halves(parts, chips, found)
    show("left out: mean error and median bias in %", out)
    show("half of the rows seen: mean error and median bias in %", half)
    if "--write" in sys.argv:
        write(found, parts, families(out, parts), half)


if __name__ == "__main__":
    main()
