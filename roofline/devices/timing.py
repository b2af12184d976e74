"""How long does every kernel of a schedule take, how sure is that, and what bounds it?

By a fit of this chip or of others where one covers the kernel, by the plain roofline elsewhere; never
faster than light.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roofline import specs
from roofline.core.calibration import Calibration, FamilyFit
from roofline.core.chip import Chip
from roofline.core.prediction import Tier
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.core.times import Times
from roofline.devices import ceiling
from roofline.devices.array import model as array
from roofline.devices.array import uncertainty as array_fit
from roofline.devices.cpu import model as cpu
from roofline.devices.cpu import plans as cpu_plans
from roofline.devices.gpu import host, power
from roofline.devices.gpu import model as gpu
from roofline.devices.gpu.parameters import Parameters
from roofline.errors import Unsupported

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Timing:
    """Every row of a schedule, timed: seconds (low, middle, high) of all its launches, resources, tier.

    ``light`` is what no kernel can beat; ``total`` is never below it. ``octaves`` says how far outside
    the fitted shapes a kernel lies.
    """

    schedule: Schedule
    total: Floats
    low: Floats
    high: Floats
    resources: Mapping[str, Floats]
    bound: list[str]
    tiers: list[Tier]
    light: Floats
    ceiling: Floats
    octaves: Floats


def time_schedule(
    schedule: Schedule,
    chip: Chip,
    *,
    stack: Stack | None = None,
    calibration: Calibration | None = None,
    network: bool = False,
    pieces: int = 1,
    footprint: float = 0.0,
    host_dispatch: float | None = None,
) -> Timing:
    """Time every kernel: calibrated where a fit covers it, the plain roofline elsewhere, never below light.

    network : the kernels run one after the other, and on a GPU the host hands them over (:mod:`.devices.host`).
    pieces : samples a batch may be worked through by. footprint : bytes the net keeps in memory.
    host_dispatch : seconds of the host for an elementwise kernel, where they are known.
    """
    stack = stack or Stack()
    part = chip.with_units(stack.threads)
    if stack.mode == "graphs" and part.launch and part.kind == "gpu":
        floor = replace(part.launch, value=part.launch.value * host.GRAPH_FLOOR)
        part = replace(part, launch=floor)
    plain = ceiling.ceiling_times(schedule, part, pieces=pieces, footprint=footprint)
    light = ceiling.light(schedule, part, pieces=pieces)
    low, high = _datasheet_range(schedule, part, plain.total)
    timing = Timing(
        schedule,
        plain.total,
        low,
        high,
        dict(plain.resources),
        plain.bound(),
        ["datasheet"] * len(schedule),
        light,
        plain.total,
        np.zeros(len(schedule)),
    )
    if calibration is not None:
        if calibration.model != chip.kind:
            raise Unsupported(
                f"a calibration of the {calibration.model!r} model of {calibration.chip} "
                f"does not describe {chip.name}, a {chip.kind}"
            )
        here = ceiling.at_footprint(part, footprint)
        if chip.kind == "array":
            fit = _array_fit(timing, here, stack, calibration, pieces, footprint, network=network)
        else:
            model = _gpu_fit if chip.kind == "gpu" else _cpu_fit
            fit = model(timing, here, stack, calibration, network=network)
        timing = _merged(timing, fit)
    total = np.maximum(timing.total, timing.light)
    low, high = np.clip(timing.low, timing.light, total), np.maximum(timing.high, total)
    timing = _all_launches(replace(timing, total=total, low=low, high=high))
    if calibration is not None and chip.kind == "gpu":
        timing = _stepping(timing, host.between_steps(schedule, chip))
    return _fed_by_host(timing, stack, host_dispatch) if network and chip.kind == "gpu" else timing


@dataclass(frozen=True)
class _Fit:
    """What a device model says of a schedule: NaN in ``times`` where nothing; the rest as in :class:`Timing`."""

    times: Times
    tiers: list[Tier]
    low: Floats
    high: Floats
    octaves: Floats
    light: Floats


def _merged(plain: Timing, fit: _Fit) -> Timing:
    """The fitted rows where there are, the plain roofline elsewhere."""
    known = ~np.isnan(fit.times.total)
    resources = {name: np.where(known, 0.0, values) for name, values in plain.resources.items()}
    for name, values in fit.times.resources.items():
        resources[name] = np.where(known, values, resources.get(name, 0.0))
    return replace(
        plain,
        total=np.where(known, fit.times.total, plain.total),
        low=np.where(known, fit.low, plain.low),
        high=np.where(known, fit.high, plain.high),
        resources=resources,
        bound=[new if ok else old for new, old, ok in zip(fit.times.bound(), plain.bound, known, strict=True)],
        tiers=[tier if ok else "datasheet" for ok, tier in zip(known, fit.tiers, strict=True)],
        light=np.where(known, fit.light, plain.light),
        octaves=np.where(known, fit.octaves, 0.0),
    )


def _cpu_fit(plain: Timing, chip: Chip, stack: Stack, calibration: Calibration, *, network: bool) -> _Fit:
    """The model of CPU cores, every plan with the spread of its own fit."""
    schedule = cpu_plans.with_recurrences(plain.schedule)
    parameters = {name: fit.parameters for name, fit in calibration.families.items()}
    times = cpu.cpu_times(schedule, parameters, cpu.Ceilings(**calibration.ceilings), stack, network=network)
    total, octaves = times.total, np.zeros(len(schedule))
    low, high = total / SPARSE_FACTOR, total * SPARSE_FACTOR
    known = np.ones(len(schedule), dtype=bool)
    names = np.array(cpu_plans.plan_labels(schedule, stack))
    for name, fit in calibration.families.items():
        mine = ~np.isnan(total) & (names == name)
        if not mine.any():
            continue
        part_of = schedule.select(mine)
        octaves[mine] = octaves_outside(part_of, fit)
        known[mine] = cpu.fitted_ops(part_of, fit)
        if fit.spread is not None:
            factors = fit.spread.interval(cpu.difficulty(part_of, total[mine]))
            wider = 1.0 + WIDEN_PER_OCTAVE * octaves[mine]
            wider = np.where(known[mine], wider, BORROWED_FACTOR * wider)
            low[mine] = total[mine] * np.minimum(factors[0], 1.0) ** wider
            high[mine] = total[mine] * factors[1] ** wider
        elif fit.quantiles:  # too few rows or none: how far off it was on machines left out
            low[mine] = total[mine] * np.exp(min(fit.quantiles["0.05"], 0.0))
            high[mine] = total[mine] * np.exp(max(fit.quantiles["0.95"], 0.0))
    # what was measured; operators that no row was about borrow the rates of their plan
    tiers: list[Tier] = ["calibrated" if measured else "borrowed" for measured in known]
    return _Fit(times, tiers, low, high, octaves, plain.light)


def _gpu_fit(plain: Timing, chip: Chip, stack: Stack, calibration: Calibration, *, network: bool) -> _Fit:
    """The model of GPUs, every family with its held-out quantiles; light counts what the plan chosen does."""
    schedule = plain.schedule
    parameters = Parameters.of(calibration.ceilings)
    times, flops = gpu.planned(schedule, chip, parameters, stack)
    if network and power.sustained_share(chip, parameters) < power.ceiling(chip, parameters):
        seconds = np.nan_to_num(times.total) * schedule.repeats
        on_lanes = gpu.on_lanes(schedule, chip)
        cooler = power.activity(float(seconds[on_lanes].sum()), float(seconds.sum()))
        times, flops = gpu.planned(schedule, chip, replace(parameters, activity=cooler), stack)
    octaves = np.zeros(len(schedule))
    low, high = times.total / SPARSE_FACTOR, times.total * SPARSE_FACTOR
    names = gpu.scored_as(schedule, chip)
    for name, (of, wider) in gpu.SCORES.items():
        mine, fit = names == name, calibration.families.get(of)
        if fit is None or not mine.any():
            continue
        octaves[mine] = octaves_outside(schedule.select(mine), fit)
        wide = wider * np.minimum(1.0 + WIDEN_PER_OCTAVE * octaves[mine], WIDEST)
        low[mine] = times.total[mine] * np.exp(min(fit.quantiles["0.05"], 0.0) * wide)
        high[mine] = times.total[mine] * np.exp(max(fit.quantiles["0.95"], 0.0) * wide)
    light = ceiling.light(replace(schedule, flops=flops), chip)
    seen = set(calibration.data.get("families", gpu.SCORES)) if calibration.chip == chip.name else set()
    own = (schedule.phase == 0) & np.isin(names, [name for name, (of, _) in gpu.SCORES.items() if of in seen])
    tiers: list[Tier] = ["calibrated" if measured else "borrowed" for measured in own]
    return _Fit(times, tiers, low, high, octaves, light)


def _array_fit(
    plain: Timing,
    chip: Chip,
    stack: Stack,
    calibration: Calibration,
    samples: int,
    footprint: float,
    *,
    network: bool,
) -> _Fit:
    """The model of matrix arrays, with the interval of its constants and of what nobody published."""
    how = {"samples": samples, "footprint": footprint, "network": network}
    times, low, high = array_fit.timed(plain.schedule, chip, calibration, serving=stack.serving, **how)
    tier = array_fit.tier_of(calibration, chip)
    unseen = (plain.schedule.phase > 0) | (stack.serving == "sharded")  # no fit has seen these
    tiers: list[Tier] = [tier if tier == "datasheet" or not other else "borrowed" for other in unseen]
    light = np.where(array.applied(plain.schedule, chip), 0.0, plain.light)
    return _Fit(times, tiers, low, high, np.zeros(len(plain.schedule)), light)


def _all_launches(timing: Timing) -> Timing:
    """Seconds of one launch times the launches of each row."""
    times = timing.schedule.repeats
    return replace(
        timing,
        total=timing.total * times,
        low=timing.low * times,
        high=timing.high * times,
        light=timing.light * times,
        ceiling=timing.ceiling * times,
        resources={name: values * times for name, values in timing.resources.items()},
    )


def _stepping(timing: Timing, waits: Floats) -> Timing:
    """What a device waits between launches that depend on each other is part of their launches."""
    launch = timing.resources["launch"] + waits
    own = {name: values for name, values in timing.resources.items() if name != "launch"}
    most = np.max(list(own.values()), axis=0)
    return replace(
        timing,
        total=timing.total + waits,
        low=timing.low + waits,
        high=timing.high + waits,
        resources={**own, "launch": launch},
        bound=[
            "launch" if wait and of > rest else name
            for wait, of, rest, name in zip(waits, launch, most, timing.bound, strict=True)
        ],
    )


def _fed_by_host(timing: Timing, stack: Stack, known: float | None) -> Timing:
    """What the device waits for the host joins the rows as a resource, and bounds those it is most of."""
    if len(timing.schedule) == 0:
        return timing
    effort = host.efforts(timing.schedule, stack)
    replay = host.REPLAY_S if stack.mode == "graphs" else 0.0
    ends = (timing.low, timing.total, timing.high)
    waits = [
        # a graph is handed over while the one before runs, if that takes long enough
        host.waiting(timing.schedule, seconds, dispatch, max(0.0, replay - float(seconds.sum())), effort)
        for seconds, dispatch in zip(ends, host.dispatch_seconds(stack, known), strict=True)
    ]
    low, total, high = (seconds + wait for seconds, wait in zip(ends, waits, strict=True))
    bound = [
        "host" if wait > own else name for wait, own, name in zip(waits[1], timing.total, timing.bound, strict=True)
    ]
    resources = {**timing.resources, "host": waits[1]}
    return replace(
        timing, total=total, low=np.minimum(low, total), high=np.maximum(high, total), resources=resources, bound=bound
    )


BORROWED_FACTOR = 2.0
"""An interval of gradients and optimizers is so many times as wide (in logarithms) as the fit's: a guess."""

SPARSE_FACTOR = 2.0
"""Either way around a fit that had too few rows to tell how far it is off: a guess."""

UNKNOWN_RANGE = (1.0, 7.0)
"""Range of an uncalibrated time around the plain roofline where no measured rows tell: a guess."""


def _datasheet_range(schedule: Schedule, chip: Chip, total: Floats) -> tuple[Floats, Floats]:
    """Where measured kernels lie above the plain roofline: by family on GPUs, a wide guess elsewhere."""
    low, high = total * UNKNOWN_RANGE[0], total * UNKNOWN_RANGE[1]
    if chip.kind == "gpu":
        for family, fit in specs.load_datasheet_spread().families.items():
            mine = schedule.in_family(family)
            low[mine] = total[mine] * np.exp(fit.quantiles["0.05"])
            high[mine] = total[mine] * np.exp(fit.quantiles["0.95"])
    return low, high


WIDEN_PER_OCTAVE = 0.5
"""An interval grows by this share of its (logarithmic) width per octave outside the fitted shapes."""

WIDEST = 2.0
"""Of GPUs at most this many times: larger kernels fill a chip as well as those that were fitted. A guess."""


def octaves_outside(schedule: Schedule, fit: FamilyFit) -> Floats:
    """How many doublings a kernel's operations or bytes lie outside the range of a fit; 0 inside."""
    far = np.zeros(len(schedule))
    for feature, values in (("flops", schedule.flops), ("bytes", schedule.bytes)):
        if feature in fit.range:
            smallest, largest = (max(edge, 1.0) for edge in fit.range[feature])
            size = np.maximum(values, 1.0)
            far = np.maximum(far, np.maximum(np.log2(size / largest), np.log2(smallest / size)))
    return far
