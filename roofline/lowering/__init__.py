"""Which kernels run when a network runs, and what memory does it need? Network -> Workload -> Schedule, Memory.

``build`` makes a workload of a network, ``single`` of one operator; ``lower`` makes its schedule. ``training_step`` and
``lower_training`` do the same for a training step. ``memory_of`` and ``memory_of_training`` compute the peak memory.
"""

from roofline.lowering.build import build, check, single
from roofline.lowering.liveness import memory_of, memory_of_training, saved_bytes
from roofline.lowering.lower import lower
from roofline.lowering.nodes import UNCOVERED
from roofline.lowering.optimizers import optimizer_kernels
from roofline.lowering.parts import part_kernels
from roofline.lowering.storage import store
from roofline.lowering.training import Step, lower_training, training_step

__all__ = [
    "UNCOVERED",
    "Step",
    "build",
    "check",
    "lower",
    "lower_training",
    "memory_of",
    "memory_of_training",
    "optimizer_kernels",
    "part_kernels",
    "saved_bytes",
    "single",
    "store",
    "training_step",
]
