"""Which operators are there? To add one, write it in a file of its family and list it here.

Another installed package adds one as an entry point of the group :data:`BROUGHT`, under the operator's own name.
"""

from __future__ import annotations

from roofline.core import plugins
from roofline.errors import UnknownName
from roofline.operators.attention import ATTENTION
from roofline.operators.constants import CONSTANTS
from roofline.operators.convolution import CONVOLUTION
from roofline.operators.decoding import DECODING
from roofline.operators.dropout import DROPOUT
from roofline.operators.elementwise import ELEMENTWISE
from roofline.operators.experts import EXPERTS
from roofline.operators.grouped import GROUPED
from roofline.operators.groupnorm import GROUP_NORM
from roofline.operators.indexing import INDEXING
from roofline.operators.learned import LEARNED
from roofline.operators.localnorm import LOCAL_NORM
from roofline.operators.losses import LOSSES
from roofline.operators.moving import MOVING
from roofline.operators.opaque import OPAQUE
from roofline.operators.operator import Operator
from roofline.operators.pointwise import POINTWISE
from roofline.operators.pooling import POOLING
from roofline.operators.products import PRODUCTS
from roofline.operators.recurrent import RECURRENT
from roofline.operators.resampling import RESAMPLING
from roofline.operators.rows import ROWS
from roofline.operators.rowwise import ROWWISE
from roofline.operators.spectral import SPECTRAL
from roofline.operators.transposed import TRANSPOSED
from roofline.operators.volumes import VOLUMES

OPERATORS: dict[str, Operator] = {
    operator.name: operator
    for operator in (
        *PRODUCTS,
        *ATTENTION,
        *CONVOLUTION,
        *TRANSPOSED,
        *VOLUMES,
        *ROWWISE,
        *LOCAL_NORM,
        *GROUPED,
        *GROUP_NORM,
        *ROWS,
        *ELEMENTWISE,
        *POINTWISE,
        *DROPOUT,
        *POOLING,
        *RESAMPLING,
        *SPECTRAL,
        *MOVING,
        *INDEXING,
        *CONSTANTS,
        *LEARNED,
        *DECODING,
        *EXPERTS,
        *RECURRENT,
        *OPAQUE,
        *LOSSES,
    )
}
"""The operators that ship, and those of other packages that were used. For a name that a user wrote, call
:func:`operator_named`.
"""
BROUGHT = "roofline.operators"
"""The entry point group of operators of other packages."""


def operator_named(name: str) -> Operator:
    """The operator of that name, one that ships or one of another package.

    Raises
    ------
    UnknownName : no such operator; the message lists the nearest names.
    UsageError : the entry point of that name cannot be loaded, or is no operator of that name.
    """
    if name not in OPERATORS:
        OPERATORS[name] = _brought(name)
    return OPERATORS[name]


def all_operators() -> dict[str, Operator]:
    """All operators by name: those that ship, then those of other packages. Raises as :func:`operator_named` does."""
    for name in plugins.names(BROUGHT):
        operator_named(name)
    return OPERATORS


def _brought(name: str) -> Operator:
    found = plugins.named(BROUGHT, name)
    if found is None:
        raise UnknownName("operator", name, [*OPERATORS, *plugins.names(BROUGHT)])
    if not isinstance(found, Operator):
        raise plugins.wrong(BROUGHT, name, f"is {type(found).__name__!r}, not a roofline.operators.Operator")
    if found.name != name:
        raise plugins.wrong(BROUGHT, name, f"is the operator {found.name!r}; the two must have the same name")
    return found
