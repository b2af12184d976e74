"""What runs for a question about a network? Its workload, its kernels in order, and the memory it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial

from roofline import lowering
from roofline.core import checks
from roofline.core.chip import Chip
from roofline.core.dtype import Precision
from roofline.core.memo import Memo, Same
from roofline.core.network import Network
from roofline.core.prediction import Memory
from roofline.core.run import Run
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.errors import SpecError, UsageError
from roofline.lowering.layout import Layout, layout_of


@dataclass(frozen=True)
class Program:
    """A network as it runs.

    Parameters
    ----------
    workload : the layers that ``schedule`` numbers. For a training step it is one micro-batch with its loss and casts;
        the optimizer has the number after the last node.
    schedule : the kernels in program order.
    memory : peak memory by kind [B].
    samples : of one run, all micro-batches together [1].
    run : the mode and its options.
    """

    workload: Workload
    schedule: Schedule
    memory: Memory
    samples: int
    run: Run

    @cached_property
    def layout(self) -> Layout:
        """Its layers, with the kernels of each."""
        work = self.workload
        return layout_of(self.schedule, len(work.nodes), self.layer_name, partial(shapes_of, work))

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
    workload: Network | Workload,
    *,
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    precision: Precision,
) -> Workload:
    """The network with its symbols bound; sizes below 1 are refused."""
    if isinstance(workload, Workload):
        if batch is not None or bind:
            raise UsageError("the sizes of this network are bound already; bind the network it was made from")
        return workload
    symbols = dict(checks.table("bind", bind or {}))
    if batch is not None and "batch" in symbols and symbols["batch"] != batch:
        raise UsageError(
            f"batch is given twice, as {batch} and {symbols['batch']}; give either --batch or --bind batch=N"
        )
    if batch is not None:
        symbols["batch"] = batch
    try:
        return lowering.build(workload, symbols, precision)
    except SpecError as error:
        if symbols and not lowering.check(workload):  # the file is valid, the given sizes are not
            none = " and ".join(name for name, value in symbols.items() if value == 0)
            what = f"{none} is 0, which leaves nothing to compute; write at least 1 ({error})" if none else str(error)
            raise UsageError(what) from None
        raise


def make_program(
    workload: Network | Workload,
    *,
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    precision: Precision,
    stack: Stack,
    run: Run,
    cuda: bool,
    lowered: bool = True,
) -> Program:
    """Bind, transform and lower a network.

    Parameters
    ----------
    cuda : PyTorch runs as on CUDA, see :func:`roofline.lowering.training.training_step`.
    lowered : False leaves the schedule empty, where only the memory is needed.

    Raises
    ------
    UsageError : a batch that is not a multiple of the micro-batches, or a precision that cannot be trained in.
    Unsupported : a layer that cannot be trained.
    """
    cuda = cuda and run.training  # inference launches the same kernels on every kind of device
    sizes = tuple((name, type(size), size) for name, size in checks.table("bind", bind or {}).items())
    key = (Same(workload), type(batch), batch, sizes, precision, stack, run, cuda, lowered)
    found = _made.get(key)
    if found is None:
        found = _program(workload, batch, bind, precision, stack, run, cuda, lowered)
        _made.put(key, found, 1 + len(found.workload.nodes) + len(found.schedule))
    return found


_made: Memo[Program] = Memo(100_000)
"""Programs by what was asked, so that a loop over chips lowers a network once; weights are nodes and kernels."""


def _program(
    workload: Network | Workload,
    batch: int | None,
    bind: Mapping[str, int] | None,
    precision: Precision,
    stack: Stack,
    run: Run,
    cuda: bool,
    lowered: bool,
) -> Program:
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
    workload: Network | Workload,
    batch: int | None,
    bind: Mapping[str, int] | None,
    precision: Precision,
    parts: int,
) -> Workload:
    """The network at the size of one of ``parts`` micro-batches of the batch."""
    whole = resolve_workload(workload, batch=batch, bind=bind, precision=precision)
    if parts == 1:
        return whole
    if isinstance(workload, Workload) or "batch" not in whole.symbols:
        raise UsageError(f"{whole.name} is bound already or has no batch, so it cannot be split into micro-batches")
    if whole.samples % parts:
        raise UsageError(
            f"a batch of {whole.samples} does not divide into {parts} micro-batches; choose a multiple of {parts}"
        )
    sizes = {**(bind or {}), "batch": whole.samples // parts}
    return resolve_workload(workload, bind=sizes, precision=precision)


def peak_memory(
    workload: Network | Workload,
    *,
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    precision: Precision,
    stack: Stack,
    run: Run,
    cuda: bool,
) -> Memory:
    """Peak memory of a run by kind [B], as :func:`make_program` computes it; same arguments."""
    made = make_program(
        workload, batch=batch, bind=bind, precision=precision, stack=stack, run=run, cuda=cuda, lowered=False
    )
    return made.memory


def with_tf32(precision: Precision, chip: Chip, stack: Stack) -> Precision:
    """The precision of matrix multiplications: tf32 for fp32 where the stack allows it and the chip has it."""
    tf32 = replace(precision, compute="tf32")
    return tf32 if stack.tf32 and precision.compute == "fp32" and tf32 in chip.precisions() else precision


def shapes_of(workload: Workload, index: int) -> str:
    """``128x768 -> 128x3072``: the shapes a node reads and writes; empty if ``index`` is no node."""
    if index >= len(workload.nodes):
        return ""
    node = workload.nodes[index]

    def dims(names: tuple[str, ...]) -> str:
        return " ".join("x".join(map(str, workload.tensors[name].shape)) for name in names)

    return f"{dims(node.inputs)} -> {dims(node.outputs)}"
