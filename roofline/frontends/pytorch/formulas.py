"""Which operations of PyTorch have a formula?"""

from __future__ import annotations

from roofline.frontends.pytorch.aten_images import IMAGES
from roofline.frontends.pytorch.aten_indexing import INDEXING
from roofline.frontends.pytorch.aten_moving import MOVING
from roofline.frontends.pytorch.aten_pointwise import ELEMENTS
from roofline.frontends.pytorch.aten_products import PRODUCTS
from roofline.frontends.pytorch.aten_rows import ROWS
from roofline.frontends.pytorch.ledger import Handler

HANDLERS: dict[str, Handler] = {**PRODUCTS, **ROWS, **IMAGES, **ELEMENTS, **MOVING, **INDEXING}
"""All formulas, by the name of the operation without its overload and without the ``_`` of in-place operations."""
