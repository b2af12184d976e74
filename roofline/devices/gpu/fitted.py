"""What does a GPU calibration predict for each kernel, how uncertain is it, and which GPUs does it cover?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from roofline.core.calibration import ANY_GPU, Calibration, any_of
from roofline.core.chip import Chip
from roofline.core.dtype import Precision
from roofline.core.labels import Labels
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.core.times import Times
from roofline.devices import ceiling
from roofline.devices.gpu import attention_errors, host, model, power
from roofline.devices.gpu.parameters import Parameters
from roofline.devices.timed import (
    SPARSE_FACTOR,
    WIDEN_PER_OCTAVE,
    WIDEST,
    Asked,
    Fitted,
    Floats,
    Timing,
    distance,
    of_operators,
)


def times(asked: Asked) -> Fitted:
    """The GPU model (:func:`roofline.devices.gpu.model.planned`) with the held-out quantiles of every family::

        low, high = total * exp(quantile * width)    [s],   width grows outside the fitted shapes (octaves_outside)

    The speed-of-light bound counts the operations of the chosen plan. In a network, a power-limited GPU runs its GEMMs
    at a higher clock (:func:`roofline.devices.gpu.power.activity_of`).

    Parameters
    ----------
    asked : kernels, chip, stack and calibration.
    """
    schedule, chip, stack, calibration = asked.schedule, asked.chip, asked.stack, asked.fitted
    parameters = Parameters.of(calibration.ceilings)
    found, flops = _planned(asked, parameters)
    if asked.network and power.sustained_share(chip, parameters) < power.ceiling(chip, parameters):
        seconds = np.nan_to_num(found.total) * schedule.repeats
        products = asked.parts.sums(np.where(model.on_lanes(schedule, chip), seconds, 0.0))
        activity = power.activity_of(products, asked.parts.sums(seconds))[asked.parts.index]
        found, flops = model.planned(schedule, chip, parameters, stack, activity=activity)
    octaves = np.zeros(len(schedule))
    low, high = found.total / SPARSE_FACTOR, found.total * SPARSE_FACTOR
    codes, measured = model.score_codes(schedule, chip), measured_operators(schedule, calibration)
    moved = schedule.bytes
    for name, (of, wider) in model.SCORES.items():
        mine, fit = np.flatnonzero(codes == model.SCORED.index(name)), calibration.families.get(of)
        if fit is None or not len(mine):
            continue
        octaves[mine] = distance(schedule.flops[mine], moved[mine], fit)
        unseen = np.where(measured[mine], wider, max(wider, model.WIDER))
        wide = unseen * np.minimum(1.0 + WIDEN_PER_OCTAVE * octaves[mine], WIDEST)
        low[mine] = found.total[mine] * np.exp(min(fit.quantiles["0.05"], 0.0) * wide)
        high[mine] = found.total[mine] * np.exp(max(fit.quantiles["0.95"], 0.0) * wide)
    own_kernels = np.zeros(len(schedule), dtype=bool)
    fused = codes == model.SCORED.index("attention")
    mine = np.flatnonzero(fused & ("attention" not in calibration.families))
    if len(mine):
        some = schedule.select(mine)
        octaves[mine] = distance(some.flops, some.bytes, attention_errors.OWN)
        growth = np.minimum(1.0 + WIDEN_PER_OCTAVE * octaves[mine], WIDEST)
        low[mine], high[mine] = attention_errors.interval(some, found.total[mine], chip, stack, growth)
        own_kernels[mine] = attention_errors.measured(some, chip, stack)
    light = ceiling.light(replace(schedule, flops=flops), chip)
    seen = set(calibration.data.get("families", model.SCORES)) if calibration.chip == chip.name else set()
    told = np.array([model.SCORES[name][0] in seen if name in model.SCORES else False for name in model.SCORED])
    own = (schedule.phase == 0) & told[codes]
    tiers = Labels.where((own & measured) | own_kernels, "calibrated", "borrowed")
    return Fitted(found, tiers, low, high, octaves, light)


def _planned(asked: Asked, parameters: Parameters) -> tuple[Times, Floats]:
    """As :func:`.model.planned`; kernels of a network that are alike are timed once."""
    schedule, chip, stack = asked.schedule, asked.chip, asked.stack
    if not asked.network:  # measured one by one, few of them alike
        return model.planned(schedule, chip, parameters, stack)
    kernels, place = schedule.distinct
    times, flops = model.planned(kernels, chip, parameters, stack)
    resources = {name: seconds[place] for name, seconds in times.resources.items()}
    return Times(resources, times.total[place], times.formula), flops[place]


def measured_operators(schedule: Schedule, calibration: Calibration) -> NDArray[np.bool_]:
    """Mask of the kernels whose operator some measurement of the calibration covers, shape (N,); see
    :func:`of_operators`.

    Backward kernels count as their family does; among them only convolutions are measured apart.

    Parameters
    ----------
    schedule : N kernels.
    calibration : with its measured operators.
    """
    operators = calibration.data.get("operators")
    if operators is None:  # a calibration without that field
        return np.ones(len(schedule), dtype=bool)
    return of_operators(schedule, operators) | (schedule.phase > 0)


def part(chip: Chip, stack: Stack) -> Chip:
    """The whole GPU. In a recorded graph its launch time is ``launch * GRAPH_FLOOR`` [s]."""
    if stack.mode != "graphs" or not chip.launch:
        return chip
    return replace(chip, launch=replace(chip.launch, value=chip.launch.value * host.GRAPH_FLOOR))


def accepts(fit: Calibration, chip: Chip, precision: Precision, stack: Stack) -> str:
    """Why a fit does not describe this GPU; empty if it is of this GPU, its architecture or all GPUs.

    A fit holds for one stack and every precision.
    """
    fits = fit.chip in (chip.name, any_of(chip.architecture), ANY_GPU)
    return "" if fits else f"is for {fit.chip}, not for {chip.name} ({chip.architecture})"


def lacks(fit: Calibration) -> str:
    """What a fit of an earlier version lacks; empty if nothing."""
    if mute := [name for name, family in fit.families.items() if not family.quantiles]:
        return f"no errors for {', '.join(mute)}"
    own = fit.chip not in (ANY_GPU, any_of(fit.architecture))
    return "it does not say which operators were measured" if own and "operators" not in fit.data else ""


def launched(timing: Timing, asked: Asked) -> Timing:
    """Adds the waits between dependent launches (:func:`.host.between_steps`), and in a network the waits for the host
    [s] (:func:`.host.waiting`).
    """
    if asked.calibration is not None:
        timing = _stepping(timing, host.between_steps(timing.schedule, asked.chip))
    return _fed_by_host(timing, asked) if asked.network else timing


def _stepping(timing: Timing, waits: Floats) -> Timing:
    """Add the waits between dependent launches to the launch resource."""
    launch = timing.resources["launch"] + waits
    own = {name: values for name, values in timing.resources.items() if name != "launch"}
    most = np.max(list(own.values()), axis=0)
    return replace(
        timing,
        total=timing.total + waits,
        low=timing.low + waits,
        high=timing.high + waits,
        resources={**own, "launch": launch},
        bound=Labels.where((waits > 0) & (launch > most), "launch", timing.bound),
    )


def _fed_by_host(timing: Timing, asked: Asked) -> Timing:
    """Add the waits for the host as a resource; it is the bound of a kernel where it is more than half of its time."""
    if len(timing.schedule) == 0:
        return timing
    stack, parts = asked.stack, asked.parts
    effort = host.efforts(timing.schedule, stack)
    replay = host.REPLAY_S if stack.mode == "graphs" else 0.0
    ends = (timing.low, timing.total, timing.high)
    waits = [
        # a graph is launched while the one before it runs, if that takes long enough
        host.waiting(timing.schedule, seconds, dispatch, np.maximum(0.0, replay - parts.sums(seconds)), effort, parts)
        for seconds, dispatch in zip(ends, host.dispatch_seconds(stack, asked.host_dispatch), strict=True)
    ]
    low, total, high = (seconds + wait for seconds, wait in zip(ends, waits, strict=True))
    bound = Labels.where(waits[1] > timing.total, "host", timing.bound)
    resources = {**timing.resources, "host": waits[1]}
    return replace(
        timing, total=total, low=np.minimum(low, total), high=np.maximum(high, total), resources=resources, bound=bound
    )
