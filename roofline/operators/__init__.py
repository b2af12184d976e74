"""What is an operator? Input shapes in; weights, output shapes and kernels out. No tensors, nothing computed.

:data:`OPERATORS` is the table of operators that ship; :func:`operator_named` also finds those of other packages.
:mod:`roofline.lowering` makes workloads and schedules of them.
"""

from roofline.operators.attributes import Attributes, Parameter
from roofline.operators.case import Case
from roofline.operators.operator import Inferred, Operator, Weight
from roofline.operators.table import OPERATORS, all_operators, operator_named

__all__ = [
    "OPERATORS",
    "Attributes",
    "Case",
    "Inferred",
    "Operator",
    "Parameter",
    "Weight",
    "all_operators",
    "operator_named",
]
