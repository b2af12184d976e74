"""What runs when somebody asks about a net? Its workload, its kernels in order, and the memory it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from roofline import lowering, specs
from roofline.core import checks
from roofline.core.chip import Chip
from roofline.core.dtype import Precision
from roofline.core.network import Network
from roofline.core.prediction import Memory
from roofline.core.run import Run
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.errors import SpecError, UsageError


@dataclass(frozen=True)
class Program:
    """A net as it runs.

    workload : what the layers of ``schedule`` number: of a training step one micro-batch with its loss and
        casts, and the optimizer numbered after the last node.
    samples : covered by one run, all micro-batches together.
    """

    workload: Workload
    schedule: Schedule
    memory: Memory
    samples: int
    run: Run

    def layer_name(self, layer: int, phase: str = "forward") -> tuple[str, str, str]:
        """Name, operator and template of a layer number of the schedule in a phase."""
        nodes = self.workload.nodes
        if layer < len(nodes):
            node = nodes[layer]
            return node.name, node.op, node.template
        if phase == "backward":
            return "gradients", "add_gradients", "gradients"
        return "optimizer", self.run.recipe.optimizer, "optimizer"


def resolve_workload(
    workload: str | Path | Network | Workload,
    *,
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    precision: Precision,
) -> Workload:
    """A bound workload by name, path or value; sizes below 1 are refused by the binding."""
    if isinstance(workload, Workload):
        if batch is not None or bind:
            raise UsageError("this workload is bound already; bind its network instead")
        return workload
    network = workload if isinstance(workload, Network) else specs.load_network(workload)
    symbols = dict(checks.table("bind", bind or {}))
    if batch is not None and "batch" in symbols and symbols["batch"] != batch:
        raise UsageError(f"batch is asked to be {batch} and {symbols['batch']}; give --batch or --bind batch=N")
    if batch is not None:
        symbols["batch"] = batch
    try:
        return lowering.build(network, symbols, precision)
    except SpecError as error:
        if symbols and not lowering.check(network):  # the file is good, the sizes asked for are not
            none = " and ".join(name for name, value in symbols.items() if value == 0)
            what = (
                f"{none} of 0 leaves nothing to compute; write a size of at least 1 ({error})" if none else str(error)
            )
            raise UsageError(what) from None
        raise


def make_program(
    workload: str | Path | Network | Workload,
    *,
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    precision: Precision,
    stack: Stack,
    run: Run,
    cuda: bool,
    lowered: bool = True,
) -> Program:
    """Bind, transform and lower a net.

    cuda : PyTorch runs as on CUDA, see :func:`roofline.lowering.training.training_step`.
    lowered : False leaves the schedule empty, where only the memory is asked for.

    Raises
    ------
    UsageError : a batch that micro-batches do not divide, or a precision nobody trains in.
    Unsupported : a layer that cannot be trained.
    """
    if not run.training:
        work = resolve_workload(workload, batch=batch, bind=bind, precision=precision)
        if run.weights or run.cache:
            work = lowering.store(work, run.weights, run.cache)
        schedule = lowering.lower(work, stack) if lowered else Schedule.of([])
        return Program(work, schedule, lowering.memory_of(work, stack), work.samples, run)
    work = _micro_batch(workload, batch, bind, precision, run.recipe.accumulate)
    step = lowering.training_step(work, run.recipe, stack, cuda=cuda)
    schedule = lowering.lower_training(step) if lowered else Schedule.of([])
    samples = work.samples * run.recipe.accumulate
    return Program(step.workload, schedule, lowering.memory_of_training(step), samples, run)


def _micro_batch(
    workload: str | Path | Network | Workload,
    batch: int | None,
    bind: Mapping[str, int] | None,
    precision: Precision,
    parts: int,
) -> Workload:
    """The net at the size of one of ``parts`` micro-batches of the batch asked for."""
    whole = resolve_workload(workload, batch=batch, bind=bind, precision=precision)
    if parts == 1:
        return whole
    if isinstance(workload, Workload) or "batch" not in whole.symbols:
        raise UsageError(f"{whole.name} is bound already or has no batch, so it cannot be cut into micro-batches")
    if whole.samples % parts:
        raise UsageError(f"a batch of {whole.samples} does not divide into {parts} micro-batches")
    sizes = {**(bind or {}), "batch": whole.samples // parts}
    return resolve_workload(workload, bind=sizes, precision=precision)


def peak_memory(
    workload: str | Path | Network | Workload,
    *,
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    precision: Precision,
    stack: Stack,
    run: Run,
    cuda: bool,
) -> Memory:
    """Bytes a run keeps at its fullest moment; arguments as for :func:`make_program`."""
    made = make_program(
        workload, batch=batch, bind=bind, precision=precision, stack=stack, run=run, cuda=cuda, lowered=False
    )
    return made.memory


def with_tf32(precision: Precision, chip: Chip, stack: Stack) -> Precision:
    """The precision of products: fp32 becomes tf32 where the stack allows it and the chip has it."""
    tf32 = replace(precision, compute="tf32")
    return tf32 if stack.tf32 and precision.compute == "fp32" and tf32 in chip.precisions() else precision


def shapes_of(workload: Workload, index: int) -> str:
    """``128x768 -> 128x3072``: the shapes a node reads and writes; empty for what is no node."""
    if index >= len(workload.nodes):
        return ""
    node = workload.nodes[index]

    def dims(names: tuple[str, ...]) -> str:
        return " ".join("x".join(map(str, workload.tensors[name].shape)) for name in names)

    return f"{dims(node.inputs)} -> {dims(node.outputs)}"
