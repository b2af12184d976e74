"""Which operations of PyTorch is there a formula for?"""

from __future__ import annotations

from roofline.frontends.pytorch.aten_images import IMAGES
from roofline.frontends.pytorch.aten_indexing import INDEXING
from roofline.frontends.pytorch.aten_moving import MOVING
from roofline.frontends.pytorch.aten_pointwise import ELEMENTS
from roofline.frontends.pytorch.aten_products import PRODUCTS
from roofline.frontends.pytorch.aten_rows import ROWS
from roofline.frontends.pytorch.ledger import Handler

HANDLERS: dict[str, Handler] = {**PRODUCTS, **ROWS, **IMAGES, **ELEMENTS, **MOVING, **INDEXING}
"""What there is a formula for, by the name of the operation without its overload and its ``_`` for in place."""
