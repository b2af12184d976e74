"""What is in a network, independent of a chip? Parameters, operations and bytes, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from roofline.core.dtype import precision
from roofline.core.prediction import SCHEMA_VERSION, Memory
from roofline.core.run import Run
from roofline.core.stack import Stack
from roofline.lowering.program import make_program, shapes_of
from roofline.prediction.question import network_of


@dataclass(frozen=True)
class LayerWork:
    """One node and its work: executed operations [FLOP], compulsory bytes [B], weights, kernels launched."""

    name: str
    template: str
    op: str
    shapes: str
    parameters: int
    flops: float
    bytes: float
    kernels: int


@dataclass(frozen=True)
class Anatomy:
    """A network at one choice of symbols and precision."""

    workload: str
    title: str
    source: str
    file: str
    symbols: Mapping[str, int]
    dtype: str
    batch: int
    parameters: int
    memory: Memory
    layers: tuple[LayerWork, ...]

    @property
    def flops(self) -> float:
        return sum(layer.flops for layer in self.layers)

    @property
    def bytes(self) -> float:
        return sum(layer.bytes for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        own = asdict(self) | {"flops": self.flops, "bytes": self.bytes, "memory": self.memory.to_dict()}
        return {"schema_version": SCHEMA_VERSION, **own}


def anatomy(
    workload: Any,
    *,
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    dtype: str = "fp32",
    stack: Stack | None = None,
    run: Run | None = None,
) -> Anatomy:
    """Count the operations [FLOP], bytes [B] and parameters of a network; calls :func:`lower` or
    :func:`lower_training`.

    Arguments as for :func:`roofline.prediction.predict.predict`. Views are left out. In a training step every layer
    counts forward and backward together (of one micro-batch).
    """
    stack, run = stack or Stack(), run or Run()
    program = make_program(
        network_of(workload), batch=batch, bind=bind, precision=precision(dtype), stack=stack, run=run, cuda=True
    )
    work, schedule = program.workload, program.schedule
    layers, seen = [], set[str]()
    for index, node in enumerate(work.nodes):
        rows = np.flatnonzero(schedule.layer == index)
        if len(rows) == 0:
            continue
        own = [name for name in node.weights if name not in seen and work.tensors[name].role == "weight"]
        seen.update(own)
        layers.append(
            LayerWork(
                name=node.name,
                template=node.template,
                op=node.op,
                shapes=shapes_of(work, index),
                parameters=sum(work.tensors[name].elements for name in own),
                flops=float(schedule.all_flops[rows].sum()),
                bytes=float(schedule.all_bytes[rows].sum()),
                kernels=int(schedule.repeats[rows].sum()),
            )
        )
    return Anatomy(
        workload=work.name,
        title=work.title,
        source=work.source,
        file=work.file,
        symbols=work.symbols,
        dtype=str(work.precision),
        batch=work.samples,
        parameters=work.parameters,
        memory=program.memory,
        layers=tuple(layers),
    )
