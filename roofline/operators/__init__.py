"""Which kernels does a layer need? Operators: shapes in, weights, shapes and kernels out; no tensors.

``build`` makes a workload of a network, ``single`` of one operator, ``lower`` makes the schedule of a
workload. :data:`OPERATORS` is the whole table.
"""

from roofline.operators.attributes import Attributes, Parameter
from roofline.operators.building import build, check, single
from roofline.operators.case import Case
from roofline.operators.lowering import UNCOVERED, lower
from roofline.operators.operator import Inferred, Operator, Weight
from roofline.operators.table import OPERATORS, operator_named

__all__ = [
    "OPERATORS",
    "UNCOVERED",
    "Attributes",
    "Case",
    "Inferred",
    "Operator",
    "Parameter",
    "Weight",
    "build",
    "check",
    "lower",
    "operator_named",
    "single",
]
