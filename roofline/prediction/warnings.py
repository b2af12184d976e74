"""What must the reader know before trusting a prediction?"""

from __future__ import annotations

import numpy as np

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.memo import Memo, Same
from roofline.core.prediction import Prediction
from roofline.core.stack import Stack
from roofline.core.unverified import unverified_figures
from roofline.core.warned import Said
from roofline.devices.kinds import KINDS, model_of
from roofline.prediction.input_pipeline import WAIT
from roofline.units import format_bytes, plural

SHEET = (
    "tier datasheet: an upper bound on speed from the spec sheet (peaks, bandwidth, launch time); nothing was "
    "measured; for a fitted prediction, measure this chip: roofline measure, then roofline calibrate"
)
FLAGS = {
    "serving": "--serving {}",
    "chips": "--chips {}",
    "threads": "--threads",
    "host_dispatch": "--host-dispatch",
    "cudnn": "--cudnn",
    "autotuned": "--autotune",
    "winograd": "--no-winograd",
}
"""Options that only some kinds of device use, by their field of a stack or a run."""
USUAL = Stack()
PLANS = ("cudnn", "autotuned", "winograd")
"""Options that choose between plans of convolutions."""


def warnings_of(chip: Chip, prediction: Prediction, calibration: Calibration | None = None) -> list[str]:
    """What the reader must know before trusting the prediction, one sentence each."""
    model = model_of(chip)
    said = Said()
    layers = prediction.layers
    waiting = layers.ops[-1:] == (WAIT,)  # the input pipeline, whose figures are the user's
    sums = layers.tier.sums(np.append(layers.middle[:-1], 0.0) if waiting else layers.middle)
    unfitted = sums.get("datasheet", 0.0) / (sum(sums.values()) or 1.0)
    if unfitted > 0.99:
        said.add("datasheet", model.sheet(chip, prediction, calibration) or SHEET)
    elif unfitted > 0:
        said.add(
            "uncalibrated",
            f"{unfitted:.1%} of the time is in layers that the calibration does not cover; they use the plain "
            "roofline, an upper bound on speed; to cover them, measure this chip: roofline measure, then roofline "
            "calibrate",
        )
    if calibration is not None and prediction.tiers.get("borrowed"):
        said.add("borrowed", model.borrowed(chip, calibration))
    rests_on_sheet = unfitted or prediction.tiers.get("borrowed")
    if doubtful := _doubtful(chip, prediction.dtype) if rests_on_sheet else []:
        said.add(
            "unverified",
            f"{chip.name}: no source verifies {', '.join(doubtful)}; an error there is an error of the time; check the "
            f"figures: roofline specs show {chip.name}",
        )
    said += model.warnings(chip, prediction, calibration)
    sizes = prediction.symbols
    reach = sizes.get("seq", 0) + sizes.get("context", 0)
    if reach > sizes.get("positions", reach):
        said.add(
            "positions",
            f"{prediction.workload} has {sizes['positions']:,} learned positions, fewer than the {reach:,} asked for; "
            f"choose a smaller seq, or --bind positions={reach}",
        )
    if prediction.run.cache and not prediction.memory.cache:
        said.add("no-effect", f"--kv-cache has no effect: {prediction.workload} has no KV cache; leave it out")
    if prediction.stack.tf32 and prediction.dtype != "tf32":
        lacks = prediction.dtype == "fp32"
        why = f"{chip.name} has no tf32" if lacks else f"it applies to fp32, not to {prediction.dtype}"
        said.add("no-effect", f"--tf32 has no effect: {why}; leave it out")
    said += _idle(chip, prediction, calibration)
    waits = prediction.bounds.get("host", 0.0)
    if waits > 0.05 and prediction.run.host_dispatch is None and "host_dispatch" in model.options:
        said.add(
            "host-bound",
            f"{waits:.0%} of the time the GPU waits for Python to launch kernels (host-bound), so a faster GPU does "
            "not help; --stack graphs avoids the wait; the time per launch is typical of other machines, "
            "--host-dispatch sets yours",
        )
    if chip.software and chip.software.last_cuda:
        torch = f" and PyTorch {chip.software.last_torch} are" if chip.software.last_torch else " is"
        said.add(
            "last-software",
            f"{chip.name}: CUDA {chip.software.last_cuda}{torch} the last to support it; install nothing newer",
        )
    if not layers.covered.all():
        uncovered = [layers.names[i] for i in np.flatnonzero(~layers.covered)]
        named = ", ".join(uncovered[:5]) + (", ..." if len(uncovered) > 5 else "")
        said.add(
            "uncovered",
            f"no formula covers {plural(len(uncovered), 'layer')} ({named}): only bytes count there, so the time is "
            "too short; docs/extending.md shows how to add an operator",
        )
    if prediction.fits is False and prediction.capacity is not None:
        short = prediction.memory.total - prediction.capacity
        said.add(
            "does-not-fit",
            f"does not fit: needs {format_bytes(prediction.memory.total)} of {format_bytes(prediction.capacity)}, "
            f"{format_bytes(short)} too much; use a smaller batch{_smaller(prediction)}",
        )
    if not any(engine.kind == "vector" for engine in chip.engines):
        said.add(
            "no-vector-engine",
            f"{chip.name}: its file describes no vector engine, so elementwise layers count by bytes only; add the "
            "engine",
        )
    return said


def _doubtful(chip: Chip, dtype: str) -> list[str]:
    """The deciding figures of a chip that no source verifies, found once for each chip and precision."""
    return _doubts.once((Same(chip), dtype), lambda: unverified_figures(chip, parse_precision(dtype)))


_doubts: Memo[list[str]] = Memo(2_000)


def _smaller(prediction: Prediction) -> str:
    """Other ways than a smaller batch to need less memory."""
    return ", --checkpoint or --accumulate" if prediction.run.training else ", or fewer bits (--dtype, --weights)"


def _idle(chip: Chip, prediction: Prediction, calibration: Calibration | None) -> list[str]:
    """Options that were given but have no effect for this chip, network and calibration."""
    if prediction.stack == USUAL and prediction.run.host_dispatch is None:
        return []
    usual, stack, model = USUAL.to_dict(), prediction.stack.to_dict(), model_of(chip)
    given = [name for name in FLAGS if name in usual and stack[name] != usual[name]]
    given += ["host_dispatch"] if prediction.run.host_dispatch is not None else []
    idle, useless = Said(), dict[str, list[str]]()
    for name in given:
        if name not in model.options:
            meant = " and ".join(kind.plural for kind in KINDS.values() if name in kind.options)
            useless.setdefault(meant, []).append(FLAGS[name].format(stack.get(name)))
    for meant, flags in useless.items():
        have, them, leave = ("has", "it applies", "it") if len(flags) == 1 else ("have", "they apply", "them")
        why = f"{them} to {meant}, and {chip.name} is {model.noun}"
        idle.add("no-effect", f"{_listed(flags)} {have} no effect: {why}; leave {leave} out")
    plans = [FLAGS[name] for name in PLANS if name in given and name in model.options]
    convolves = prediction.layers.convolves
    if plans and (calibration is None or not convolves):
        why = (
            "the plain roofline does not choose between convolution plans"
            if calibration is None
            else f"{prediction.workload} has no convolutions"
        )
        have, leave = ("has", "it") if len(plans) == 1 else ("have", "them")
        idle.add("no-effect", f"{_listed(plans)} {have} no effect: {why}; leave {leave} out")
    return idle


def _listed(words: list[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def slower_together(prediction: Prediction, alone: Prediction) -> list[str]:
    """A warning where a batch split over several chips takes longer than on one."""
    slower = prediction.seconds.middle / alone.seconds.middle
    if slower <= 1:
        return []
    said = Said()
    said.add(
        "slower-together",
        f"split over {prediction.stack.chips} chips, a batch takes {slower:.2f} times as long as on one: the work that "
        "every core repeats (norms, additions) and the reductions between cores outweigh the gain; --serving "
        "throughput gives each chip its own batch",
    )
    return said
