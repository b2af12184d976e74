"""Which operators are there? To add one, write it in a file of its family and list it here."""

from __future__ import annotations

from roofline.errors import UnknownName
from roofline.operators.attention import ATTENTION
from roofline.operators.constants import CONSTANTS
from roofline.operators.convolution import CONVOLUTION
from roofline.operators.decoding import DECODING
from roofline.operators.dropout import DROPOUT
from roofline.operators.elementwise import ELEMENTWISE
from roofline.operators.experts import EXPERTS
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


def operator_named(name: str) -> Operator:
    """The operator of that name; raises :class:`UnknownName` with the nearest ones."""
    if name not in OPERATORS:
        raise UnknownName("operator", name, OPERATORS)
    return OPERATORS[name]
