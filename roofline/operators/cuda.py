"""Which kernels does PyTorch launch on CUDA where the CPU, and the count of an operator, has one kernel?

``SoftMax.cu`` multiplies gradient and probabilities into a separate tensor before it reduces the rows.
``layer_norm_kernel.cu`` computes the gradients of weight and bias in a second kernel, which reads input and gradient
once more.

Source: PyTorch, ``aten/src/ATen/native/cuda``.
"""

from __future__ import annotations

from dataclasses import replace

from roofline.core.schedule import Kernel


def launches(kernel: Kernel, *, compiled: bool = False) -> list[Kernel]:
    """The CUDA kernels for one backward kernel; a compiler writes its own softmax."""
    if kernel.op == "softmax_backward" and not compiled:
        size = kernel.writes
        flops = float(kernel.elements)
        product = replace(
            kernel, family="elementwise", op="mul", m=1, k=1, passes=1.0, flops=flops, reads=2 * size, target=-1
        )
        return [product, replace(kernel, flops=kernel.flops - flops)]
    if kernel.op == "layer_norm_backward":
        own = kernel.elements * kernel.itemsize
        sums = replace(
            kernel,
            family="reduction",
            op="layer_norm_backward_weight",
            m=kernel.k,
            k=kernel.m,
            passes=1.0,
            flops=kernel.flops / 2,
            writes=kernel.writes - own,
            target=-1,
        )
        return [replace(kernel, flops=kernel.flops / 2, writes=own), sums]
    return [kernel]
