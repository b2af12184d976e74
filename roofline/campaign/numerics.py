"""In which precision does torch compute, and can this device and this torch do it at all?

Every precision of a campaign has a storage type of its tensors, settings of torch for its matrix multiplications, and
perhaps operators that alone support it: PyTorch multiplies 8-bit matrices, but has no 8-bit ReLU. The other operators
of such a campaign are measured in the format of a network's activations, and named by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roofline.campaign.run import import_torch
from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.errors import RooflineError, UnknownName, Unsupported

if TYPE_CHECKING:
    from roofline.campaign.device_cuda import Device


@dataclass(frozen=True)
class Numerics:
    """How torch computes in a precision.

    Parameters
    ----------
    kind : required type of torch.
    storage : precision of the tensors that are no operands of such matrix multiplications.
    capability : first CUDA architecture with hardware support.
    only : operators that support it; all if empty.
    """

    kind: str
    storage: str
    capability: tuple[int, int] = (0, 0)
    only: tuple[str, ...] = ()


NUMERICS = {
    "fp32": Numerics("float32", "fp32"),
    "tf32": Numerics("float32", "fp32", (8, 0)),
    "fp16": Numerics("float16", "fp16"),
    "fp16/fp16": Numerics("float16", "fp16", only=("linear", "matmul")),
    "bf16": Numerics("bfloat16", "bf16", (8, 0)),
    "fp8_e4m3": Numerics("float8_e4m3fn", "bf16", (8, 9), ("linear",)),
    "int8": Numerics("int8", "fp16", (7, 5), ("linear",)),
}
"""By precision. Below these architectures torch computes tf32 in fp32 and bf16 in steps, and has no 8-bit matrix
multiplications (CUDA C++ Programming Guide, arithmetic of tensor cores by compute capability).
"""
ON_CPU = ("fp32", "fp16", "bf16")
_FP16_SUMS = "allow_fp16_accumulation"


def numerics(dtype: str) -> Numerics:
    """How a precision is measured.

    Raises
    ------
    UnknownName : it cannot be measured.
    """
    name = str(precision(dtype))
    if name not in NUMERICS:
        raise UnknownName("precision that can be measured", dtype, NUMERICS)
    return NUMERICS[name]


def torch_dtype(name: str) -> Any:
    """Torch's type for ordinary tensors of a precision.

    Raises
    ------
    Unsupported : this torch has none.
    """
    return _kind(NUMERICS[numerics(name).storage].kind, name)


def _kind(kind: str, name: str) -> Any:
    torch = import_torch()
    found = getattr(torch, kind, None)
    if found is None:
        raise Unsupported(f"PyTorch {torch.__version__} has no {kind}, which {name} needs; choose another --dtype")
    return found


def precision_of(op: str, dtype: str, part: str = "forward") -> str:
    """The precision in which an operator is measured in a campaign in ``dtype``; 8 bits only in forward passes."""
    own = numerics(dtype)
    has = not own.only or (op in own.only and part == "forward")
    return str(precision(dtype)) if has else own.storage


@contextmanager
def computing_in(dtype: str) -> Iterator[None]:
    """Torch's matrix multiplications use this precision inside the block, and their old settings after it.

    fp32 means fp32: TF32 convolutions are on by default on GPUs that have them. fp16 has fp32 accumulation.
    """
    torch, name = import_torch(), str(precision(dtype))
    matmul = torch.backends.cuda.matmul
    wanted = [(matmul, "allow_tf32", name == "tf32"), (torch.backends.cudnn, "allow_tf32", name == "tf32")]
    if hasattr(matmul, _FP16_SUMS):
        wanted.append((matmul, _FP16_SUMS, name == "fp16/fp16"))
    before = [(where, switch, getattr(where, switch)) for where, switch, _ in wanted]
    for where, switch, on in wanted:
        setattr(where, switch, on)
    try:
        yield
    finally:
        for where, switch, on in before:
            setattr(where, switch, on)


def refuse(dtype: str, device: Device | None, chip: Chip | None = None) -> None:
    """Check before a measurement that a device computes in a precision; on a CPU if ``device`` is None.

    Raises
    ------
    Unsupported : it does not, with the reason: the chip, the architecture, this torch, or the error of a small product.
    """
    own, name = numerics(dtype), str(precision(dtype))
    torch = import_torch()
    if chip is not None:
        chip.resolve(precision(dtype))
    if device is None:
        if name not in ON_CPU:
            raise Unsupported(f"{name} can be measured on CUDA devices only; on a CPU choose {', '.join(ON_CPU)}")
        torch_dtype(name)
        return
    if device.capability < own.capability:
        needed, have = (".".join(map(str, pair)) for pair in (own.capability, device.capability))
        raise Unsupported(f"{device.title()} has CUDA capability {have}; {name} needs {needed}")
    _kind(own.kind, name)
    if name == "fp16/fp16" and not hasattr(torch.backends.cuda.matmul, _FP16_SUMS):
        raise Unsupported(f"PyTorch {torch.__version__} has no fp16 accumulation for fp16 GEMM; 2.7 and later have")
    try:
        small_product(name, device.place)
        device.synchronize()
    except RooflineError:
        raise
    except Exception as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise Unsupported(f"{device.title()} (PyTorch {torch.__version__}) cannot compute in {name}: {why}") from None


def small_product(name: str, place: str) -> Any:
    """32 x 32 by 32 x 32 in a precision; raises torch's error where it is not possible."""
    from roofline.campaign import run_eight_bit

    torch = import_torch()
    if name in run_eight_bit.PRODUCTS:
        return run_eight_bit.product(name, (32, 32), 32, place)()
    square = torch.ones(32, 32, dtype=torch_dtype(name), device=place)
    return square @ square
