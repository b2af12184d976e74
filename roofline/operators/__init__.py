"""What is an operator? Shapes in; weights, output shapes and kernels out. No tensors, nothing computed.

:data:`OPERATORS` is the whole table; :mod:`roofline.lowering` makes workloads and schedules of it.
"""

from roofline.operators.attributes import Attributes, Parameter
from roofline.operators.case import Case
from roofline.operators.operator import Inferred, Operator, Weight
from roofline.operators.table import OPERATORS, operator_named

__all__ = [
    "OPERATORS",
    "Attributes",
    "Case",
    "Inferred",
    "Operator",
    "Parameter",
    "Weight",
    "operator_named",
]
