"""What must a reader know before trusting a prediction?"""

from __future__ import annotations

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.prediction import Prediction
from roofline.core.stack import Stack
from roofline.core.unverified import unverified_figures
from roofline.devices.kinds import KINDS, model_of
from roofline.units import format_bytes

SHEET = (
    "tier datasheet: ceilings of the spec sheet and a launch floor, an upper bound on speed; "
    "nothing measured stands behind it"
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
"""Options that mean something on some kinds of device alone, by their field of a stack or a run."""
PLANS = ("cudnn", "autotuned", "winograd")
"""Those that choose between plans of convolutions."""


def warnings_of(chip: Chip, prediction: Prediction, calibration: Calibration | None = None) -> list[str]:
    """What a reader must know before trusting the number."""
    model = model_of(chip)
    said = []
    unfitted = prediction.tiers.get("datasheet", 0.0)
    if unfitted > 0.99:
        said.append(model.sheet(chip, prediction, calibration) or SHEET)
    elif unfitted > 0:
        said.append(f"{unfitted:.1%} of the time is in layers no fit covers: plain roofline there")
    if calibration is not None and prediction.tiers.get("borrowed"):
        said.append(model.borrowed(chip, calibration))
    rests_on_sheet = unfitted or prediction.tiers.get("borrowed")
    if doubtful := unverified_figures(chip, parse_precision(prediction.dtype)) if rests_on_sheet else []:
        said.append(f"{chip.name}: nobody verified {', '.join(doubtful)}; the time may be off by as much as they are")
    said += model.warnings(chip, prediction, calibration)
    sizes = prediction.symbols
    reach = sizes.get("seq", 0) + sizes.get("context", 0)
    if reach > sizes.get("positions", reach):
        said.append(f"{prediction.workload} has learned {sizes['positions']:,} positions; {reach:,} are beyond them")
    if prediction.run.cache and not prediction.memory.cache:
        said.append(f"{prediction.workload} keeps no keys and values, so --kv-cache changes nothing")
    if prediction.stack.tf32 and prediction.dtype != "tf32":
        said.append(
            f"--tf32 changes nothing here: it is for fp32 on chips that have tf32; {chip.name} runs {prediction.dtype}"
        )
    said += _idle(chip, prediction, calibration)
    waits = prediction.bounds.get("host", 0.0)
    if waits > 0.05 and prediction.run.host_dispatch is None and "host_dispatch" in model.options:
        said.append(
            f"{waits:.0%} of the time the device waits for the host to hand over kernels, at what is usual on other "
            "machines; --host-dispatch takes yours, --stack graphs does without"
        )
    if chip.software and chip.software.last_cuda:
        torch = f" and torch {chip.software.last_torch} are" if chip.software.last_torch else " is"
        said.append(f"{chip.name}: CUDA {chip.software.last_cuda}{torch} the last to support it; newer ones do not run")
    uncovered = [layer.name for layer in prediction.layers if not layer.covered]
    if uncovered:
        many = "1 layer" if len(uncovered) == 1 else f"{len(uncovered):,} layers"
        said.append(f"no formula covers {many}: {', '.join(uncovered[:5])}")
    if prediction.fits is False and prediction.capacity is not None:
        short = prediction.memory.total - prediction.capacity
        said.append(
            f"does not fit: needs {format_bytes(prediction.memory.total)} of {format_bytes(prediction.capacity)}, "
            f"{format_bytes(short)} too much"
        )
    if not any(engine.kind == "vector" for engine in chip.engines):
        said.append(f"{chip.name}: no vector engine is described, so elementwise layers count by bytes alone")
    return said


def _idle(chip: Chip, prediction: Prediction, calibration: Calibration | None) -> list[str]:
    """Options that were given and change nothing for this chip, network and calibration."""
    usual, stack, model = Stack().to_dict(), prediction.stack.to_dict(), model_of(chip)
    given = [name for name in FLAGS if name in usual and stack[name] != usual[name]]
    given += ["host_dispatch"] if prediction.run.host_dispatch is not None else []
    idle, useless = [], dict[str, list[str]]()
    for name in given:
        if name not in model.options:
            meant = " and ".join(kind.plural for kind in KINDS.values() if name in kind.options)
            useless.setdefault(meant, []).append(FLAGS[name].format(stack.get(name)))
    for meant, flags in useless.items():
        verb, them = ("changes", "it is") if len(flags) == 1 else ("change", "they are")
        idle.append(f"{_listed(flags)} {verb} nothing here: {them} for {meant}, and {chip.name} is {model.noun}")
    plans = [FLAGS[name] for name in PLANS if name in given and name in model.options]
    convolves = any(layer.op.startswith("conv") for layer in prediction.layers)
    if plans and (calibration is None or not convolves):
        why = (
            "the plain roofline knows no plans of a library"
            if calibration is None
            else f"{prediction.workload} has no convolutions"
        )
        idle.append(f"{_listed(plans)} {'change' if len(plans) > 1 else 'changes'} nothing here: {why}")
    return idle


def _listed(words: list[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def slower_together(prediction: Prediction, alone: Prediction) -> list[str]:
    """What to say where a batch cut over several chips takes longer than on one."""
    slower = prediction.seconds.middle / alone.seconds.middle
    if slower <= 1:
        return []
    return [
        f"cut over {prediction.stack.chips} chips a batch takes {slower:.2f} times as long as on one: what every "
        "core does for itself (norms, additions) and the sums they wait for outweigh the rest; --serving throughput "
        "gives each a batch of its own"
    ]
