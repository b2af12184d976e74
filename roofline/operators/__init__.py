"""Which kernels does a layer need? Operators: shapes in, weights, shapes and kernels out; no tensors.

``build`` makes a workload of a network, ``single`` of one operator, ``lower`` makes the schedule of a
workload. ``training_step`` and ``lower_training`` do the same for a step of training, ``memory_of`` and
``memory_of_training`` say what is kept meanwhile. :data:`OPERATORS` is the whole table.
"""

from roofline.operators.attributes import Attributes, Parameter
from roofline.operators.building import build, check, single
from roofline.operators.case import Case
from roofline.operators.liveness import memory_of, memory_of_training, saved_bytes
from roofline.operators.lowering import UNCOVERED, lower
from roofline.operators.operator import Inferred, Operator, Weight
from roofline.operators.optimizers import optimizer_kernels
from roofline.operators.parts import part_kernels
from roofline.operators.storage import store
from roofline.operators.table import OPERATORS, operator_named
from roofline.operators.training import Step, lower_training, training_step

__all__ = [
    "OPERATORS",
    "UNCOVERED",
    "Attributes",
    "Case",
    "Inferred",
    "Operator",
    "Parameter",
    "Step",
    "Weight",
    "build",
    "check",
    "lower",
    "lower_training",
    "memory_of",
    "memory_of_training",
    "operator_named",
    "optimizer_kernels",
    "part_kernels",
    "saved_bytes",
    "single",
    "store",
    "training_step",
]
