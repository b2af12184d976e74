"""How does PyTorch multiply 8-bit matrices? By two functions of its own, which none of its layers calls.

``torch._scaled_mm`` (fp8, one scale for each operand, result in bf16) and ``torch._int_mm`` (int8, result in int32).
Both need the second operand in column order, as the transposed weight of a linear layer is; torch refuses sizes that do
not fit their alignment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from roofline.campaign.run import import_torch
from roofline.errors import Unsupported

Call = Callable[[], Any]

PRODUCTS = {"fp8_e4m3": "_scaled_mm", "int8": "_int_mm"}
"""Torch's function, by precision."""


def calls(name: str, inputs: Sequence[Sequence[int]], out: int, place: str) -> Iterator[Call]:
    """Endless calls of one matrix multiplication of an input with a weight (out, features), without a bias.

    Raises
    ------
    Unsupported : this torch has no such function.
    """
    call = product(name, inputs[0], out, place)
    while True:
        yield call


def product(name: str, shape: Sequence[int], out: int, place: str) -> Call:
    """One matrix multiplication of random numbers: ``shape`` (rows, features) times (features, ``out``)."""
    torch = import_torch()
    function = getattr(torch, PRODUCTS[name], None)
    if function is None:
        raise Unsupported(f"PyTorch {torch.__version__} has no {PRODUCTS[name]}, so {name} GEMM cannot be measured")
    if len(shape) != 2:
        raise Unsupported(f"{name} GEMM needs matrices, not {list(shape)}")
    (rows, features) = shape
    if name == "int8":
        a, b = (torch.randint(-127, 128, of, dtype=torch.int8, device=place) for of in (shape, (out, features)))
        return lambda: function(a, b.t())
    one = torch.ones((), dtype=torch.float32, device=place)
    a, b = (torch.randn(of, device=place).to(torch.float8_e4m3fn) for of in ((rows, features), (out, features)))
    return lambda: function(a, b.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16)
